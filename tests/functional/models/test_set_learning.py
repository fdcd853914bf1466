"""A tiny network overfits a padded batch of images: losses, gradients and networks fit together."""

from tests.helpers.set_learning import assert_deformable_detr_overfits


def test_deformable_detr_overfits_boxes() -> None:
    assert_deformable_detr_overfits(two_stage=False)
