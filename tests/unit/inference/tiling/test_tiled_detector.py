"""Tiles: every object is found once and whole, whatever the tiles, batches and other images."""

import numpy as np
import pytest

import detcli
from detcli.inference.images.tiling.tile_settings import TileSettings
from detcli.inference.images.tiling.tiled_detector import with_tiles
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from tests.helpers.tiled_scenes import SIDE, boxes_of, plain_detector, scene, tiled_detector

SMALL = [(3, 5, 13, 12), (50, 40, 62, 53), (90, 58, 100, 70), (120, 90, 131, 99), (60, 100, 70, 110), (140, 2, 149, 11)]


def random_boxes(seed: int, size_hw: tuple[int, int], longest: int) -> list[tuple[int, int, int, int]]:
    """Boxes that do not overlap, one per cell of a grid."""
    random, step = np.random.default_rng(seed), longest + 2
    boxes = []
    for top in range(0, size_hw[0] - step, step):
        for left in range(0, size_hw[1] - step, step):
            width, height = random.integers(longest // 2, longest, 2).tolist()
            boxes.append((left, top, left + width, top + height))
    return boxes


@pytest.mark.parametrize("and_full", [False, True])
@pytest.mark.parametrize("overlap", [0.2, 0.25, 0.5, 0.8])
def test_objects_smaller_than_the_overlap_are_found_once(overlap: float, and_full: bool) -> None:
    found = tiled_detector(overlap, and_full=and_full).detect_frames([scene((130, 150), SMALL)])
    # The whole image is reduced for the network: its boxes are off by up to a pixel of the input.
    np.testing.assert_allclose(sorted(boxes_of(found[0])), sorted(SMALL), atol=3 if and_full else 0)


@pytest.mark.parametrize("seed", range(6))
def test_random_scenes_are_found_completely(seed: int) -> None:
    size_hw = (int(100 + 37 * seed), int(230 - 21 * seed))
    boxes = random_boxes(seed, size_hw, 14)
    assert sorted(boxes_of(tiled_detector(0.25).detect_frames([scene(size_hw, boxes)])[0])) == sorted(boxes)


@pytest.mark.parametrize(
    "box",
    [
        (10, 20, 140, 40),  # three tiles across
        (20, 10, 40, 190),  # four tiles down
        (5, 5, 145, 185),  # all of them
        (0, 30, 150, 50),  # from border to border
        (40, 40, 75, 75),  # at a corner of four tiles
    ],
)
@pytest.mark.parametrize("overlap", [0.2, 0.4])
def test_objects_larger_than_the_overlap_become_one_box(box: tuple[int, int, int, int], overlap: float) -> None:
    assert boxes_of(tiled_detector(overlap).detect_frames([scene((200, 150), [box])])[0]) == [box]


def test_an_object_beyond_a_tile_has_the_box_of_the_whole_image() -> None:
    box = (4, 4, 124, 124)
    [found] = tiled_detector(0.2, and_full=True).detect_frames([scene((128, 128), [box])])
    np.testing.assert_allclose(boxes_of(found), [box], atol=2)


def test_a_large_object_hides_no_small_one_of_another_class() -> None:
    boxes = [(0, 40, 150, 90), (60, 50, 72, 60)]
    [found] = tiled_detector(0.25).detect_frames([scene((130, 150), boxes)])
    assert sorted(boxes_of(found)) == sorted(boxes)


def test_an_image_within_a_tile_is_detected_as_without_tiles() -> None:
    frames = [scene((SIDE, SIDE), SMALL[:1]), scene((20, 60), [(2, 3, 12, 11)], index=1)]
    for settings in ({}, {"deterministic": True}):
        plain, tiled = plain_detector(**settings), tiled_detector(**settings)
        assert tiled.detect_frames(frames) == plain.detect_frames(frames)
        assert tiled.runtime.batches == plain.runtime.batches  # type: ignore[attr-defined]


@pytest.mark.parametrize("deterministic", [False, True])
def test_results_depend_neither_on_batches_nor_on_other_images(deterministic: bool) -> None:
    frames: list[Frame | FailedFrame] = [
        scene((130, 150), SMALL),
        scene((40, 50), [(2, 3, 12, 11)], index=1),
        FailedFrame(Origin(2, "2.png", "2.png", "2"), "empty", "it is empty"),
        scene((90, 300), random_boxes(0, (90, 300), 13), index=3),
    ]
    alone = [tiled_detector(batch_size=1).detect_frames([frame])[0] for frame in frames]
    for size in (1, 3, 8, 100):
        assert tiled_detector(batch_size=size, deterministic=deterministic).detect_frames(frames) == alone


def test_tiles_of_several_images_share_batches() -> None:
    detector = tiled_detector(0.25, batch_size=5)
    detector.detect_frames([scene((SIDE, 2 * SIDE), SMALL[:1], index=index) for index in range(5)])  # 3 tiles each
    assert detector.runtime.batches == [5, 5, 5]  # type: ignore[attr-defined]


def test_an_edge_that_a_seam_cuts_is_not_certain() -> None:
    [found] = tiled_detector(0.25).detect_frames([scene((SIDE, 150), [(10, 20, 140, 40)])])
    assert isinstance(found, Detections)
    assert found.box_std is not None
    np.testing.assert_allclose(found.box_std, 1.0, atol=0.02)  # each edge is from the tile that sees it
    [cut] = tiled_detector(0.0).detect_frames([scene((SIDE, 2 * SIDE), [(10, 20, 100, 40)])])[:1]
    assert isinstance(cut, Detections)
    assert cut.box_std is not None
    assert boxes_of(cut) == [(10, 20, 64, 40), (64, 20, 100, 40)], "no overlap: nothing shows that both are one"
    assert min(cut.box_std[0, 2], cut.box_std[1, 0]) >= 1.0


def test_thresholds_and_suppression_work_across_tiles() -> None:
    boxes = [(40, 40, 60, 60), (41, 41, 61, 61), (100, 40, 110, 50)]  # red, green, blue
    frame = scene((130, 150), boxes)
    assert len(boxes_of(tiled_detector().detect_frames([frame])[0])) == 3
    agnostic = tiled_detector(nms=0.5, nms_agnostic=True).detect_frames([frame])
    assert boxes_of(agnostic[0]) == [boxes[0], boxes[2]]
    only_blue = tiled_detector(class_thresholds=((0, 0.999), (1, 0.999))).detect_frames([frame])
    assert boxes_of(only_blue[0]) == [boxes[2]]


def test_the_maximum_number_is_for_each_tile() -> None:
    boxes = random_boxes(3, (130, 150), 14)
    [found] = tiled_detector(0.25, max_detections=25).detect_frames([scene((130, 150), boxes)])
    assert len(boxes_of(found)) == len(boxes) > 25


def test_calling_it_with_arrays_and_changed_settings_keeps_tiles() -> None:
    detector = tiled_detector()
    pixels = scene((130, 150), SMALL).pixels
    assert pixels is not None
    changed = detector.with_settings(threshold=0.2, batch_size=2).with_weak_boxes(0.05)
    assert changed.tiles == detector.tiles
    assert changed(pixels).boxes_xyxy.tolist() == detector(pixels).boxes_xyxy.tolist()


def test_a_detector_of_segments_is_refused() -> None:
    detector = plain_detector()
    detector.segmentation = SegmentationSettings("instance")
    with pytest.raises(detcli.UsageError, match="`tile` is for boxes"):
        with_tiles(detector, TileSettings(64))
    with pytest.raises(detcli.UsageError, match="`tile` is for boxes; it cannot be combined with `segmentation`"):
        detcli.load_detector("shapes", tile=64, segmentation="instance")


def test_a_failed_tile_fails_its_image_only() -> None:
    class Broken(type(plain_detector().runtime)):  # type: ignore[misc]
        def __call__(self, batch):  # type: ignore[no-untyped-def]
            outputs = super().__call__(batch)
            outputs.logits[(batch.pixels[:, 0].amax(dim=(1, 2)) > 0.9)] = float("nan")
            return outputs

    detector = tiled_detector()
    detector.runtime = Broken()
    red, blue = scene((130, 150), SMALL), scene((130, 150), [(0, 0, 0, 0), (0, 0, 0, 0), *SMALL[2:3]], index=1)
    failed, found = detector.detect_frames([red, blue])
    assert isinstance(failed, FailedFrame)
    assert failed.origin == red.origin
    assert boxes_of(found) == SMALL[2:3]
