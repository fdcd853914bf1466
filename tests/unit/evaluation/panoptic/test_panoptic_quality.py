"""Panoptic quality of images small enough to reckon by hand."""

import numpy as np
import pytest

from detcli.evaluation.panoptic.panoptic_quality import PanopticAccumulator, SegmentTable
from detcli.structures.masks import Rle

THING, OTHER, STUFF = 1, 2, 90


def image(rows: list[str], categories: dict[int, int], crowds: tuple[int, ...] = ()) -> SegmentTable:
    """An image of digits: each is a segment; a dot is unlabeled."""
    ids = np.array([[int(letter) if letter != "." else 0 for letter in row] for row in rows], np.int64)
    return SegmentTable(ids, categories, frozenset(crowds))


def tally(*pairs: tuple[SegmentTable, SegmentTable | None]) -> PanopticAccumulator:
    counted = PanopticAccumulator()
    for ground_truth, found in pairs:
        counted.add(ground_truth, found)
    return counted


GROUND_TRUTH = image(["1111", "1111", "2222", "33.."], {1: THING, 2: STUFF, 3: THING})


def test_the_ground_truth_itself_is_perfect() -> None:
    quality = tally((GROUND_TRUTH, GROUND_TRUTH)).mean([THING, OTHER, STUFF])
    assert (quality.pq, quality.sq, quality.rq, quality.classes) == (1.0, 1.0, 1.0, 2)


def test_quality_is_fit_times_recognition() -> None:
    # Things: the first is met by 6 of 8 pixels, the other is missed, and one is found that is none.
    found = image(["5555", "55.7", "6666", "...."], {5: THING, 6: STUFF, 7: THING})
    counted = tally((GROUND_TRUTH, found))
    things = counted.mean([THING])
    assert things.sq == pytest.approx(6 / 8)
    assert things.rq == pytest.approx(1 / (1 + 0.5 + 0.5))
    assert things.pq == pytest.approx(6 / 8 / 2)
    assert counted.mean([STUFF]).pq == 1.0
    assert counted.mean([THING, STUFF]).pq == pytest.approx((6 / 16 + 1) / 2)


def test_half_of_the_union_is_not_enough() -> None:
    ground_truth = image(["11.."], {1: THING})
    found = image(["1..."], {1: THING})
    count = tally((ground_truth, found)).counts[THING]
    assert (count.true_positives, count.false_positives, count.false_negatives) == (0, 1, 1)


def test_another_class_is_a_false_negative_and_a_false_positive() -> None:
    found = image(["1111", "1111", "2222", "33.."], {1: OTHER, 2: STUFF, 3: THING})
    counted = tally((GROUND_TRUTH, found))
    assert (counted.counts[OTHER].false_positives, counted.counts[OTHER].true_positives) == (1, 0)
    assert (counted.counts[THING].false_negatives, counted.counts[THING].true_positives) == (1, 1)


def test_unlabeled_pixels_do_not_lower_the_iou() -> None:
    ground_truth = image(["11..", "11.."], {1: THING})
    found = image(["2222", "22.."], {2: THING})
    count = tally((ground_truth, found)).counts[THING]
    assert (count.true_positives, count.iou) == (1, 1.0), "two pixels over nothing leave the union"


def test_segments_on_unlabeled_pixels_or_crowds_are_ignored() -> None:
    ground_truth = image(["1111", "2222", "...."], {1: STUFF, 2: THING}, crowds=(2,))
    on_crowd = image([".3..", "3333", "...."], {3: THING})
    on_nothing = image(["...3", "....", "3333"], {3: THING})
    wrong_kind = image([".3..", "3333", "...."], {3: OTHER})
    for found, category, wrong in ((on_crowd, THING, 0), (on_nothing, THING, 0), (wrong_kind, OTHER, 1)):
        count = tally((ground_truth, found)).counts[category]
        assert (count.false_positives, count.false_negatives, count.true_positives) == (wrong, 0, 0)


def test_an_image_without_results_has_only_false_negatives() -> None:
    counted = tally((GROUND_TRUTH, None))
    assert (counted.counts[THING].false_negatives, counted.counts[STUFF].false_negatives, counted.images) == (2, 1, 1)
    assert counted.mean([THING]).pq == 0.0


def test_no_segments_on_both_sides_give_no_metric() -> None:
    quality = PanopticAccumulator().mean([THING])
    assert (quality.pq, quality.classes) == (None, 0)


def test_images_count_together_however_they_are_shared_out() -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(6):
        ground_truth = rng.integers(0, 4, (3, 4)).repeat(3, 0).repeat(3, 1)
        found = np.where(rng.random(ground_truth.shape) < 0.8, ground_truth, rng.integers(0, 4, ground_truth.shape))
        names = {1: THING, 2: OTHER, 3: STUFF}
        pairs.append(
            tuple(
                SegmentTable(one, {i: names[i] for i in set(np.unique(one).tolist()) - {0}})
                for one in (ground_truth, found)
            )
        )
    whole, half, rest = tally(*pairs), tally(*pairs[:3]), tally(*pairs[3:])
    half.merge(rest)
    assert half.mean([THING, OTHER, STUFF]).pq == pytest.approx(whole.mean([THING, OTHER, STUFF]).pq)
    assert 0.2 < (whole.mean([THING, OTHER, STUFF]).pq or 0) < 0.95


def test_masks_become_segments() -> None:
    first, second, nothing = np.zeros((3, 3, 4), np.bool_)
    first[:2], second[2] = True, True
    segments = SegmentTable.of(
        [Rle.of(first), Rle.of(second), Rle.of(nothing)], [7, 8, 9], [False, True, False], (3, 4)
    )
    assert segments.categories == {1: 7, 2: 8}
    assert segments.crowds == {2}
    assert segments.ids[:, 0].tolist() == [1, 1, 2]


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="do not match"):
        tally((GROUND_TRUTH, image(["1"], {1: THING})))
