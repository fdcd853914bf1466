"""What tests of several packages share: the marker of each tier, and a tiny seeded checkpoint on disk."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

TINY_CONFIG: dict[str, Any] = {
    "model_type": "d_fine",
    "backbone_config": {
        "model_type": "hgnet_v2",
        "depths": [1, 1, 1, 1],
        "embedding_size": 8,
        "hidden_sizes": [16, 32, 32, 32],
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 32, 32],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 32, 32],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "stage_downsample": [False, True, True, True],
        "stage_light_block": [False, False, True, True],
        "stage_kernel_size": [3, 3, 5, 5],
        "out_indices": [3, 4],
        "out_features": ["stage3", "stage4"],
        "use_learnable_affine_block": True,
    },
    "encoder_in_channels": [32, 32],
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "feat_strides": [16, 32],
    "encode_proj_layers": [1],
    "d_model": 32,
    "decoder_in_channels": [32, 32],
    "decoder_ffn_dim": 32,
    "decoder_layers": 2,
    "decoder_n_points": [2, 2],
    "num_feature_levels": 2,
    "num_queries": 20,
    "depth_mult": 0.34,
    "hidden_expansion": 0.34,
    "id2label": {"0": "cat", "1": "dog", "2": "cow"},
    "label2id": {"cat": 0, "cow": 2, "dog": 1},
}
TINY_PREPROCESSOR: dict[str, Any] = {
    "size": {"height": 64, "width": 96},
    "do_resize": True,
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "do_pad": False,
}


def _share_cores() -> None:
    """Give each process of pytest-xdist cores of its own: the threads of runtimes wait for each other in busy loops."""
    worker, count = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is not None and hasattr(os, "sched_setaffinity"):
        cores, number = sorted(os.sched_getaffinity(0)), int(worker.removeprefix("gw"))
        os.sched_setaffinity(0, cores[number::count] or {cores[number % len(cores)]})


def _heed_sigint() -> None:
    """Take SIGINT as in the foreground: shells let programs in the background ignore it, and so would those of tests."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_heed_sigint()

# One thread for each process: pytest runs several of them, and the threads of tiny networks only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_share_cores()

# Most tests compare bits with torch, so `runtime=auto` takes torch in them, in child processes too.
os.environ["DETCLI_RUNTIME_CACHE"] = ""

TIERS = ("unit", "functional", "parity", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the tier that its folder names."""
    for item in items:
        tier = item.path.relative_to(Path(__file__).parent).parts[0]
        if tier in TIERS:
            item.add_marker(tier)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a D-FINE with 20 queries and the labels cat, dog and cow, its weights random and seeded."""
    import torch

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.models.family import family_of

    family = family_of(TINY_CONFIG)
    config = family.read_config(TINY_CONFIG)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = family.build(config).state_dict()
        weights = family.write_weights(state, config)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    write_checkpoint(folder, family.write_config(config), TINY_PREPROCESSOR, weights)
    return folder
