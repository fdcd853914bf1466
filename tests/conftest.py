"""What tests of several rooms share: a tiny seeded checkpoint on disk."""

from pathlib import Path

import pytest

TINY_CONFIG = {
    "model_type": "d_fine",
    "backbone_config": {
        "model_type": "hgnet_v2",
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 32, 32],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 32, 32],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "out_indices": [3, 4],
        "out_features": ["stage3", "stage4"],
        "use_learnable_affine_block": True,
    },
}
TINY_PREPROCESSOR = {"size": {"height": 64, "width": 96}, "resample": 2, "do_rescale": True}


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny D-FINE of three classes that reads pictures at 64 x 96 and finds things in all of them."""
    from tiny_model import write_tiny_checkpoint

    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
