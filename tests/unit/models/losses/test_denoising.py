"""Denoising queries: order, noise and attention mask."""

import torch

from detcli.models.losses.denoising import DenoisingLayout, DenoisingNoise, NoisyQueries, make_denoising_queries
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.network_io import Targets
from tests.helpers.dfine_steps import CLASSES, make_targets


def made(targets: list[Targets], *, total: int = 12, noise: DenoisingNoise | None = None) -> NoisyQueries:
    queries = make_denoising_queries(
        targets, classes=CLASSES, total=total, noise=noise or DenoisingNoise(), dtype=torch.float64
    )
    assert queries is not None
    return queries


def boxes_of(queries: NoisyQueries, targets: list[Targets]) -> torch.Tensor:
    """[B, groups, 2, most, 4] center and size."""
    layout = queries.layout
    return queries.references.sigmoid().view(len(targets), layout.groups, 2, layout.max_boxes, 4)


def test_each_group_has_one_positive_and_one_negative_of_each_box() -> None:
    targets = make_targets(2, 1)
    queries = made(targets, total=5, noise=DenoisingNoise(label_ratio=0, box_scale=0))
    assert queries.layout == DenoisingLayout(groups=2, max_boxes=2, counts=(2, 1))
    [a, b], [c] = targets[0].class_ids.tolist(), targets[1].class_ids.tolist()
    filling = CLASSES
    assert queries.class_ids.tolist() == [[a, b] * 4, [c, filling] * 4]
    true = torch.stack((targets[0].boxes_cxcywh, torch.cat((targets[1].boxes_cxcywh, torch.zeros(1, 4)))))
    expected = true[:, None, None].expand(-1, 2, 2, -1, -1)
    assert torch.allclose(boxes_of(queries, targets), expected.double(), atol=2e-5)


def test_positives_are_paired_with_their_boxes() -> None:
    pairs = DenoisingLayout(groups=2, max_boxes=3, counts=(3, 0, 1)).positives()
    # Twelve queries an image; group 1 begins at 6; the third image's box is the fourth of all.
    assert pairs.queries.tolist() == [0, 1, 2, 6, 7, 8, 24, 30]
    assert pairs.targets.tolist() == [0, 1, 2, 0, 1, 2, 3, 3]


def test_the_mask_separates_groups_and_hides_them_from_others() -> None:
    mask = DenoisingLayout(groups=2, max_boxes=1, counts=(1, 1)).mask(3, torch.device("cpu"))
    assert mask.int().tolist() == [
        [1, 1, 0, 0, 1, 1, 1],
        [1, 1, 0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1],
    ]


def test_there_are_as_many_groups_as_fit_and_at_least_one() -> None:
    for total, groups in ((12, 4), (11, 3), (3, 1), (1, 1)):
        assert made(make_targets(3, 1), total=total).layout.groups == groups


def test_a_batch_without_boxes_has_no_denoising() -> None:
    assert (
        make_denoising_queries(
            make_targets(0, 0), classes=CLASSES, total=12, noise=DenoisingNoise(), dtype=torch.float32
        )
        is None
    )


def test_negatives_are_shifted_farther_than_positives() -> None:
    targets = [Targets(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.1]]), seed=3)]
    noise = DenoisingNoise(box_scale=0.2)  # so low that edges do not swap
    noisy = cxcywh_to_xyxy(boxes_of(made(targets, total=500, noise=noise), targets))[0, :, :, 0]  # [groups, 2, 4]
    moved = (noisy - cxcywh_to_xyxy(targets[0].boxes_cxcywh)[0]) / torch.tensor([0.2, 0.1, 0.2, 0.1])
    near, far = moved.abs().unbind(1)  # in boxes: the noise is in halves of them
    assert near.max() < 0.1 + 1e-3
    assert far.min() > 0.1 - 1e-3
    assert far.max() < 0.2 + 1e-3
    assert moved.mean().abs() < 0.01
    assert 0.045 < near.mean() < 0.055
    assert 0.145 < far.mean() < 0.155


def test_less_noise_moves_boxes_less() -> None:
    targets = make_targets(3)
    full, half = (
        boxes_of(made(targets, noise=DenoisingNoise(label_ratio=0, box_scale=scale)), targets) for scale in (0.2, 0.1)
    )
    true = cxcywh_to_xyxy(targets[0].boxes_cxcywh.double())
    assert torch.allclose(cxcywh_to_xyxy(full) - true, 2 * (cxcywh_to_xyxy(half) - true), atol=1e-4)


def test_noisy_boxes_stay_inside_the_image() -> None:
    edge = torch.tensor([[0.02, 0.97, 0.04, 0.06], [0.5, 0.5, 1.0, 1.0]])
    targets = [Targets(torch.tensor([0, 1]), edge, seed=1)]
    noisy = boxes_of(made(targets, total=200), targets)
    corners = cxcywh_to_xyxy(noisy)
    assert (noisy[..., 2:] > 0).all()
    assert corners.min() > -1e-4
    assert corners.max() < 1 + 1e-4


def test_a_quarter_of_the_labels_is_replaced_but_no_padding() -> None:
    targets = make_targets(4, 1)
    queries = made(targets, total=4000)
    labels = queries.class_ids.view(2, -1, 4)
    changed = (labels[0] != targets[0].class_ids).double().mean()
    assert 0.25 * 0.8 * 0.9 < changed < 0.25 * 0.8 * 1.1  # one in five draws is the label it had
    assert (labels[1, :, 1:] == CLASSES).all()
    assert labels[0].max() < CLASSES
    assert labels[0].min() >= 0


def test_noise_does_not_depend_on_other_images_of_the_batch() -> None:
    targets = make_targets(3, 1, 2)
    together = made(targets, total=12)
    alone = make_denoising_queries(targets[1:2], classes=CLASSES, total=4, noise=DenoisingNoise(), dtype=torch.float64)
    assert alone is not None
    assert alone.layout.groups == together.layout.groups == 4
    labels = together.class_ids.view(3, 4, 2, 3)[1, :, :, :1]
    assert torch.equal(alone.class_ids.view(4, 2, 1), labels)
    assert torch.equal(alone.references.view(4, 2, 1, 4), together.references.view(3, 4, 2, 3, 4)[1, :, :, :1])


def test_more_groups_do_not_change_the_first_ones() -> None:
    targets = make_targets(3)
    few, many = made(targets, total=6), made(targets, total=60)
    count = few.layout.queries
    assert torch.equal(few.class_ids, many.class_ids[:, :count])
    assert torch.equal(few.references, many.references[:, :count])


def test_noise_depends_on_the_seed() -> None:
    [target] = make_targets(3)
    again = made([target]).references
    assert torch.equal(made([target]).references, again)
    other = Targets(target.class_ids, target.boxes_cxcywh, seed=target.seed + 1)
    assert not torch.equal(made([other]).references, again)


def test_noise_does_not_use_the_global_generator() -> None:
    before = torch.get_rng_state()
    made(make_targets(3))
    assert torch.equal(torch.get_rng_state(), before)
