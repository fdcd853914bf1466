"""Segments against transformers 5.23, and against the original's steps done the plain way at full size."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.network_io import Outputs
from tests.helpers.prediction_samples import CLASSES, class_map, masks_of, random_outputs, segments_of

SIZES = [((50, 70), (80, 108)), ((301, 405), (80, 107)), ((120, 90), (77, 106))]


@pytest.fixture(scope="module")
def processor() -> Any:
    return pytest.importorskip("transformers.models.detr.image_processing_pil_detr").DetrImageProcessorPil()


def theirs(outputs: Outputs) -> Any:
    modeling = pytest.importorskip("transformers.models.detr.modeling_detr")
    return modeling.DetrSegmentationOutput(
        logits=outputs.logits, pred_boxes=outputs.boxes_cxcywh, pred_masks=outputs.masks
    )


def assert_the_same_segments(found: Detections, segmentation: torch.Tensor, infos: list[dict[str, Any]]) -> None:
    """Each segment has the pixels and class of one of theirs, and none is left over."""
    wanted = {info["id"]: info for info in infos}
    assert len(found) == len(wanted) > 0
    ours = {(int(class_id), mask.tobytes()) for class_id, mask in zip(found.class_ids, masks_of(found), strict=True)}
    images = {number: (segmentation == number).numpy() for number in wanted}
    assert ours == {(info["label_id"], images[number].tobytes()) for number, info in wanted.items()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size_hw", "resized_hw"), SIZES)
def test_instances_by_transformers_rule_are_transformers(
    processor: Any, seed: int, size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> None:
    outputs = random_outputs(seed)
    [expected] = processor.post_process_instance_segmentation(
        theirs(outputs), threshold=0.4, overlap_mask_area_threshold=0.5, target_sizes=[size_hw]
    )
    asked = SegmentationSettings("instance", "transformers", threshold=0.4, overlap_threshold=0.5)
    found = segments_of(outputs, asked, size_hw, resized_hw)
    assert_the_same_segments(found, expected["segmentation"], expected["segments_info"])
    scores = sorted((info["score"] for info in expected["segments_info"]), reverse=True)
    assert np.allclose(found.scores, scores, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size_hw", "resized_hw"), SIZES)
def test_panoptic_maps_by_transformers_rule_are_transformers(
    processor: Any, seed: int, size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> None:
    outputs = random_outputs(seed)
    [expected] = processor.post_process_panoptic_segmentation(
        theirs(outputs),
        threshold=0.4,
        mask_threshold=0.4,
        overlap_mask_area_threshold=0.6,
        label_ids_to_fuse=set(),
        target_sizes=[size_hw],
    )
    asked = SegmentationSettings("panoptic", "transformers", threshold=0.4, mask_threshold=0.4, overlap_threshold=0.6)
    found = segments_of(outputs, asked, size_hw, resized_hw)
    assert_the_same_segments(found, expected["segmentation"], expected["segments_info"])


@pytest.mark.parametrize("seed", range(6))
def test_fused_stuff_has_transformers_pixels_and_unique_numbers(processor: Any, seed: int) -> None:
    # There a number may be given twice once stuff was fused (issue 23461), so classes are compared, pixel by pixel,
    # of masks that only their own segment's entry can have painted.
    outputs, size_hw, stuff = random_outputs(seed, sure=9.0), (90, 120), frozenset(range(4))
    apart = processor.post_process_panoptic_segmentation(
        theirs(outputs), overlap_mask_area_threshold=0.3, label_ids_to_fuse=set(), target_sizes=[size_hw]
    )[0]
    labels = {info["id"]: info["label_id"] for info in apart["segments_info"]}
    wanted = np.full(size_hw, -1)
    for number, label in labels.items():
        wanted[(apart["segmentation"] == number).numpy()] = label
    found = segments_of(
        outputs,
        SegmentationSettings("panoptic", "transformers", overlap_threshold=0.3, stuff=stuff),
        size_hw,
        (80, 107),
    )
    assert np.array_equal(class_map(found, size_hw), wanted)
    things = sum(label not in stuff for label in labels.values())
    assert len(found) == things + len(stuff & set(labels.values()))
    assert len(labels) > len(found)  # something was fused


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size_hw", "resized_hw"), SIZES)
def test_semantic_maps_are_transformers(
    processor: Any, seed: int, size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> None:
    outputs = random_outputs(seed)
    [expected] = processor.post_process_semantic_segmentation(theirs(outputs), target_sizes=[size_hw])
    for rule in ("original", "transformers"):
        found = segments_of(outputs, SegmentationSettings("semantic", rule), size_hw, resized_hw)
        assert np.array_equal(class_map(found, size_hw), expected.numpy())
        assert len(found) == len(set(found.class_ids.tolist())) > 3


def plainly_original_panoptic(
    outputs: Outputs, size_hw: tuple[int, int], resized_hw: tuple[int, int], stuff: frozenset[int]
) -> list[tuple[int, npt.NDArray[np.bool_]]]:
    """Class and mask of each segment by the steps of PostProcessPanoptic, at full size."""
    assert outputs.masks is not None
    scores, class_ids = outputs.logits[0].softmax(-1).max(-1)
    kept = (class_ids < CLASSES) & (scores > 0.85)
    masks = F.interpolate(outputs.masks[:, kept], size=resized_hw, mode="bilinear", align_corners=False)[0]
    kinds = class_ids[kept].tolist()
    merging = True
    while kinds:
        owners = masks.flatten(1).T.softmax(-1).argmax(-1).view(resized_hw).numpy().astype(np.uint8)
        if merging:
            for kind in stuff & set(kinds):
                same = [number for number, other in enumerate(kinds) if other == kind]
                owners[np.isin(owners, same)] = same[0]
        merging = False
        shown = np.asarray(Image.fromarray(owners).resize(size_hw[::-1], Image.Resampling.NEAREST))
        areas = [int((shown == number).sum()) for number in range(len(kinds))]
        if min(areas) > 4:
            return [(kind, shown == number) for number, kind in enumerate(kinds)]
        large = [number for number, area in enumerate(areas) if area > 4]
        masks, kinds = masks[large], [kinds[number] for number in large]
    return []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("size_hw", "resized_hw"), SIZES)
def test_panoptic_maps_by_the_original_rule_are_the_originals(
    seed: int, size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> None:
    outputs, stuff = random_outputs(seed, sure=12.0), frozenset((0, 1, 2))
    wanted = plainly_original_panoptic(outputs, size_hw, resized_hw, stuff)
    found = segments_of(outputs, SegmentationSettings("panoptic", stuff=stuff), size_hw, resized_hw)
    assert len(wanted) > 2
    ours = [(int(kind), mask.tobytes()) for kind, mask in zip(found.class_ids, masks_of(found), strict=True)]
    assert sorted(ours) == sorted((kind, mask.tobytes()) for kind, mask in wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("size_hw", "resized_hw"), SIZES)
def test_instances_by_the_original_rule_are_the_originals(
    seed: int, size_hw: tuple[int, int], resized_hw: tuple[int, int]
) -> None:
    outputs = random_outputs(seed)
    assert outputs.masks is not None
    scores, class_ids = outputs.logits[0].softmax(-1)[:, :-1].max(-1)
    masks = F.interpolate(outputs.masks, size=resized_hw, mode="bilinear", align_corners=False).sigmoid() > 0.6
    shown = F.interpolate(masks.float(), size=size_hw, mode="nearest")[0].bool()
    wanted = [
        (int(class_ids[query]), shown[query].numpy())
        for query in scores.argsort(descending=True, stable=True)
        if scores[query] > 0.2 and shown[query].any()
    ]
    found = segments_of(
        outputs, SegmentationSettings("instance", threshold=0.2, mask_threshold=0.6), size_hw, resized_hw
    )
    assert found.class_ids.tolist() == [kind for kind, _ in wanted]
    assert np.array_equal(masks_of(found), np.stack([mask for _, mask in wanted]))
