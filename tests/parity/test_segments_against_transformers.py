"""From pixels to segments with a random DETR with masks: transformers 5.23 against `load_detector`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detcli.inference.load import load_detector
from detcli.inference.segmentation.segment_postprocess import Task
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin

SIZES = [(120, 160), (75, 51), (64, 200)]


@pytest.fixture(scope="module")
def model() -> Any:
    """Random weights for which queries differ in class and position."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(2)
    backbone = transformers.ResNetConfig(
        depths=(1, 1, 1, 1),
        hidden_sizes=(8, 16, 24, 32),
        embedding_size=8,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
        d_model=64, encoder_layers=1, decoder_layers=2, encoder_attention_heads=8, decoder_attention_heads=8,
        encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=20, num_labels=6,
    )  # fmt: skip
    network = transformers.DetrForSegmentation(config).eval()
    init, attention = torch.nn.init, network.bbox_attention
    init.normal_(network.detr.model.query_position_embeddings.weight, 0, 3)
    init.normal_(network.detr.class_labels_classifier.weight, 0, 0.35)
    for name, parameter in network.named_parameters():
        if "decoder" in name and "attn" in name and parameter.dim() > 1:
            init.xavier_uniform_(parameter, 2)
    for projection in (attention.q_proj, attention.k_proj):
        init.xavier_uniform_(projection.weight, 4)
    with torch.no_grad():
        network.mask_head.conv1.conv.weight[:, 64:].mul_(20)  # what the attention says, against the image
        network.mask_head.output_conv.weight.mul_(8)
        network.mask_head.output_conv.bias.sub_(3)
    return network


@pytest.fixture(scope="module")
def processor() -> Any:
    processing = pytest.importorskip("transformers.models.detr.image_processing_pil_detr")
    return processing.DetrImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160})


@pytest.fixture(scope="module")
def folder(model: Any, processor: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("panoptic")
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def frames() -> list[Frame]:
    """Images of coarse patches."""
    random = np.random.default_rng(1)
    found = []
    for index, (height, width) in enumerate(SIZES):
        patches = random.integers(0, 256, (6, 8, 3), np.uint8).repeat(-(-height // 6), 0).repeat(-(-width // 8), 1)
        found.append(
            Frame(Origin(index, "a", "a", "a"), (height, width), np.ascontiguousarray(patches[:height, :width]))
        )
    return found


def found_by_us(folder: Path, asked: SegmentationSettings) -> list[Detections]:
    detector = load_detector(str(folder), device="cpu", segmentation=asked, optimize=False)
    found = detector.detect_frames(frames())
    assert all(isinstance(one, Detections) for one in found)
    return found  # type: ignore[return-value]


def found_by_them(model: Any, processor: Any, method: str, **options: Any) -> list[Any]:
    found = []
    for frame in frames():
        inputs = processor(images=frame.pixels, return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**inputs)
        found += getattr(processor, method)(outputs, target_sizes=[frame.size_hw], **options)
    return found


def shared_pixels(found: Detections, theirs: list[tuple[int, np.ndarray[Any, Any]]]) -> float:
    """The fraction of pixels with the same class in both, with each mask drawn with its class."""
    assert found.masks is not None
    size_hw = theirs[0][1].shape
    ours, wanted = np.full(size_hw, -1), np.full(size_hw, -1)
    for class_id, mask in zip(found.class_ids, found.masks, strict=True):
        ours[mask.decode()] = class_id
    for class_id, mask in theirs:
        wanted[mask] = class_id
    return float((ours == wanted).mean())


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_segments_of_images_are_those_of_transformers(model: Any, processor: Any, folder: Path, task: Task) -> None:
    options: dict[str, Any] = {"threshold": 0.25, "mask_threshold": 0.1, "overlap_mask_area_threshold": 0.2}
    if task == "panoptic":
        options["label_ids_to_fuse"] = set()
    expected = found_by_them(model, processor, f"post_process_{task}_segmentation", **options)
    asked = SegmentationSettings(task, "transformers", threshold=0.25, mask_threshold=0.1, overlap_threshold=0.2)
    for ours, theirs in zip(found_by_us(folder, asked), expected, strict=True):
        infos = theirs["segments_info"]
        assert sorted(ours.class_ids.tolist()) == sorted(info["label_id"] for info in infos)
        scores = sorted((info["score"] for info in infos), reverse=True)
        assert np.allclose(ours.scores, scores, atol=1e-3)
        assert len(infos) > 1
        masks = [(info["label_id"], (theirs["segmentation"] == info["id"]).numpy()) for info in infos]
        assert shared_pixels(ours, masks) > 0.999


def test_semantic_maps_of_images_are_those_of_transformers(model: Any, processor: Any, folder: Path) -> None:
    expected = found_by_them(model, processor, "post_process_semantic_segmentation")
    for ours, theirs in zip(found_by_us(folder, SegmentationSettings("semantic")), expected, strict=True):
        masks = [(class_id, (theirs == class_id).numpy()) for class_id in theirs.unique().tolist()]
        assert shared_pixels(ours, masks) > 0.999
    assert max(len(theirs.unique()) for theirs in expected) > 1


def test_segments_do_not_depend_on_other_images_of_the_batch(folder: Path) -> None:
    asked = SegmentationSettings("panoptic", threshold=0.25)
    detector = load_detector(str(folder), device="cpu", segmentation=asked, batch_size=4)
    together = detector.detect_frames([*frames(), *frames()])
    for ours, frame in zip(together, [*frames(), *frames()], strict=True):
        [alone] = detector.detect_frames([frame])
        assert isinstance(ours, Detections)
        assert isinstance(alone, Detections)
        assert len(ours) > 1
        assert np.array_equal(ours.class_ids, alone.class_ids)
        assert ours.masks is not None
        assert alone.masks is not None
        for one, other in zip(ours.masks, alone.masks, strict=True):
            assert (one.decode() != other.decode()).mean() < 1e-3
