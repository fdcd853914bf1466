"""Compares a small network that is trained alone with one that learns from a teacher, after the same steps.

    python benchmarks/training_programs/teacher.py --seeds 1 2

The network is a D-FINE of 0.3 M parameters with random weights. It is trained on synthetic shapes with the recipe that the
bundled model began with, but with a cosine schedule, alone and with the bundled model as its teacher. Both runs of a seed
have the same weights and images. AP is that on 500 other images.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the checkout: works without installation

import detcli  # noqa: E402

SHAPES = ROOT / "detcli" / "checkpoints" / "shapes"
_BACKBONE = {
    "embedding_size": 12,
    "hidden_sizes": [24, 48, 80, 128],
    "stem_channels": [3, 8, 12],
    "stage_in_channels": [12, 24, 48, 80],
    "stage_mid_channels": [12, 16, 24, 32],
    "stage_out_channels": [24, 48, 80, 128],
}
_NETWORK = {
    "d_model": 48,
    "encoder_hidden_dim": 48,
    "encoder_in_channels": [48, 80, 128],
    "decoder_in_channels": [48, 48, 48],
    "encoder_ffn_dim": 192,
    "decoder_ffn_dim": 96,
    "decoder_layers": 2,
    "lqe_hidden_dim": 32,
}


def main() -> None:
    """Train alone and with the teacher for each seed; print AP, and seconds with validation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--epochs", type=int, default=8, help="of 2,000 images, 125 steps")
    parser.add_argument("--images", type=int, default=2000, help="of an epoch")
    parser.add_argument("--val-images", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found: dict[str, list[float]] = {"alone": [], "taught": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.json").write_text(json.dumps(small_network()))
        for seed in arguments.seeds:
            for name, teacher in (("alone", None), ("taught", "shapes")):
                started = time.monotonic()
                ap = trained_ap(folder, f"{name}-{seed}", seed, teacher, arguments)
                found[name].append(ap)
                print(f"{name:8}seed {seed}  AP {ap:.3f}  {time.monotonic() - started:.0f} s", flush=True)
    means = {name: statistics.mean(aps) for name, aps in found.items()}
    print(f"gain    {100 * (means['taught'] - means['alone']):.1f} AP (mean of the seeds)")


def small_network() -> dict[str, Any]:
    """config.json of the bundled model, narrower and with a decoder layer less."""
    document = json.loads((SHAPES / "config.json").read_text())
    return {**document, **_NETWORK, "backbone_config": {**document["backbone_config"], **_BACKBONE}}


def trained_ap(folder: Path, name: str, seed: int, teacher: str | None, arguments: argparse.Namespace) -> float:
    """The AP of a network after its last step."""
    result = detcli.train(
        "shapes:0:4000",
        val=f"shapes:1:{arguments.val_images}",
        model=folder / "config.json",
        scratch=True,
        teacher=teacher,
        recipe=SHAPES / "1-learn.toml",
        changes={"schedule": "cosine", "final_factor": 0.02, "images_per_epoch": arguments.images},
        epochs=arguments.epochs,
        evaluate_every=arguments.epochs,
        image_size=192,
        seed=seed,
        device="cpu",
        workers=1,
        log_to="none",
        output=folder / name,
    )
    if result is None or result.metrics is None:
        raise SystemExit(f"{name} was not evaluated")
    return result.metrics["AP"] or 0.0


if __name__ == "__main__":
    main()
