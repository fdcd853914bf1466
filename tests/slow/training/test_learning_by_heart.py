"""A run learns a few images by heart."""

from dataclasses import replace
from pathlib import Path

from detcli.training.training_loop import train
from tests.helpers.training_jobs import Rectangles, job, quick_recipe


def test_eight_images_are_overfitted(tmp_path: Path) -> None:
    data = Rectangles(8)
    recipe = quick_recipe(
        epochs=10, images_per_epoch=8 * 40, batch=8, base_batch=8, lr=2e-3, backbone_lr=2e-3, warmup_steps=20, schedule="cosine",
        ema_decay=0.98, ema_warmup_steps=20, stop_augmentation_epoch=0, photometric=0, zoom_out=0, iou_crop=0, flip=0,
        multi_scale_repeat=0, evaluate_every_epochs=5,
    )  # fmt: skip
    result = train(replace(job(tmp_path / "run", recipe, data=data, fresh=True), val=data))
    assert result.best is not None
    assert result.best > 0.95
