"""Small networks of all families with random weights, exported, and the outputs of a runtime beside those of torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.checkpoints.hub.locate_model import locate
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.inference.read_model import read_model
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.family import FAMILIES
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale
from detcli.runtimes.runtime import RUNTIMES
from detcli.structures.network_io import Outputs
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.exported_models import write_onnx

MANY_SIZES = Preprocessing(ShortestEdge(160, 200), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def fixed(height: int, width: int) -> Preprocessing:
    """One input size, as D-FINE has it."""
    return Preprocessing(FixedSize((height, width)), has_mask=False)


@dataclass(frozen=True)
class ExportCase:
    """A network that is exported.

    random  makes a network of a configuration, in training form
    """

    family: str
    config: Any
    random: Callable[[Any], nn.Module]
    preprocessing: Preprocessing = MANY_SIZES

    @property
    def masks(self) -> bool:
        """Whether it has a mask head."""
        return FAMILIES[self.family].has_masks(self.config)

    def build(self) -> nn.Module:
        """The network in its training form, in float64 or float32."""
        return self.random(self.config)

    def network(self) -> nn.Module:
        """The network in its inference form, in float32."""
        return FAMILIES[self.family].optimize(self.build()).float().eval()


def dfine(size: Preprocessing, **changes: Any) -> ExportCase:
    return ExportCase("dfine", dfine_samples.tiny(**changes), dfine_samples.random_network, size)


def rtdetr(version: int, size: Preprocessing, **changes: Any) -> ExportCase:
    return ExportCase("rtdetr", rtdetr_samples.tiny(version, **changes), rtdetr_samples.random_network, size)


def detr(*, dilation: bool = False, **changes: Any) -> ExportCase:
    config = with_dilation(detr_samples.tiny(**changes), dilation=dilation)
    return ExportCase("detr", config, detr_samples.random_network)


def deformable(variant: str = "", *, dilation: bool = False, **changes: Any) -> ExportCase:
    config = with_dilation(deformable_detr_samples.tiny(variant, **changes), dilation=dilation)
    return ExportCase("deformable_detr", config, deformable_detr_samples.random_network)


def with_dilation(config: Any, *, dilation: bool) -> Any:
    """The configuration with or without a dilated last stage (DC5), which a small backbone cannot have in config.json."""
    return replace(config, backbone=replace(config.backbone, dilation=dilation))


CASES: dict[str, ExportCase] = {
    "dfine": dfine(fixed(64, 96)),
    "dfine-learned-queries-nearest-cells": dfine(fixed(96, 96), learn_initial_query=True, decoder_method="discrete"),
    "rtdetr": rtdetr(1, fixed(64, 96)),
    "rtdetr-v2-nearest-cells": rtdetr(2, fixed(96, 96), decoder_method="discrete", decoder_n_points=[2, 4, 1]),
    "detr": detr(),
    "detr-dc5-learned-positions": detr(dilation=True, position_embedding_type="learned"),
    "detr-norms-first": detr(**detr_samples.TABLE),
    "detr-masks": detr(**detr_samples.SEGMENTING),
    "deformable": deformable(),
    "deformable-single-scale": deformable("single-scale"),
    "deformable-dc5-learned-positions": deformable("single-scale", dilation=True, position_embedding_type="learned"),
    "deformable-with-box-refine": deformable("with-box-refine"),
    "deformable-two-stage": deformable("with-box-refine-two-stage"),
}


def export_case(case: ExportCase, path: Path, **facts: Any) -> ExportedFacts:
    """Export the network of a case as raw outputs with its masks, unless the facts say otherwise."""
    return write_onnx(case.network(), case.family, case.preprocessing, path, **{"masks": case.masks, **facts})


def random_pixels(count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Images uint8 [count, height, width, 3] with smooth content."""
    random = np.random.default_rng(count * 7 + height * 3 + width)
    small = torch.from_numpy(random.uniform(0, 255, (count, 3, 6, 8)))
    large = nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 255).byte()
    return large.permute(0, 2, 3, 1).contiguous().numpy()


def outputs_of_runtime(
    name: str, path: Path, facts: ExportedFacts, *batches: npt.NDArray[np.uint8]
) -> list[ArrayOutputs]:
    """The outputs of a runtime for batches of images uint8 [B, H, W, 3]."""
    runtime = RUNTIMES[name](path, facts)
    found = []
    for pixels in batches:
        sizes = np.full((len(pixels), 2), pixels.shape[1:3], np.int64)
        found.append(runtime(ArrayBatch(pixels, sizes, sizes)))
    return found


def outputs_of_torch(network: nn.Module, facts: ExportedFacts, pixels: npt.NDArray[np.uint8]) -> Outputs:
    """The outputs of a network for images uint8 [B, H, W, 3], in evaluation mode."""
    with torch.inference_mode():
        dtype = next(network.parameters()).dtype
        outputs: Outputs = network(torch.from_numpy(PixelScale(facts.preprocessor)(pixels)).to(dtype))
    return outputs


def assert_same_outputs(
    found: ArrayOutputs,
    expected: Outputs,
    size_hw: tuple[int, int],
    *,
    pixels: float = 0.1,
    score: float = 1e-3,
    quantile: float = 1.0,
) -> None:
    """Check boxes in pixels, logits and masks of all queries; each is compared with the query that is nearest to it.

    quantile: the share of an image's logits whose difference may be `score` at most.
    """
    height, width = size_hw
    theirs = np.concatenate((expected.boxes_cxcywh.numpy(), expected.logits.numpy()), axis=-1)
    ours = np.concatenate((found.boxes_cxcywh, found.logits), axis=-1)
    assert ours.shape == theirs.shape
    limits = np.array([width, height, width, height])
    for image, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        nearest = np.abs(one[:, None] - other).max(-1).argmin(1)  # queries with equal scores may swap
        assert len(set(nearest)) == len(nearest), "two queries are nearest to the same one"
        difference = np.abs(one - other[nearest])
        assert (difference[:, :4] * limits).max() <= pixels
        assert np.quantile(difference[:, 4:], quantile) <= score
        if expected.masks is not None and found.masks is not None:
            np.testing.assert_allclose(found.masks[image], expected.masks[image].numpy()[nearest], atol=score)
    assert (found.masks is None) == (expected.masks is None)


def write_case(case: ExportCase, folder: Path) -> Path:
    """Write a case as a checkpoint in float32, whose images have the sizes of the case; returns its folder."""
    family = FAMILIES[case.family]
    network: Any = case.build()
    state = {name: tensor.float() for name, tensor in network.state_dict().items()}
    weights = family.write_weights(state, case.config)
    write_checkpoint(folder, family.write_config(case.config), case.preprocessing.as_json(), weights)
    return folder


def export_checkpoint(folder: Path, path: Path, *, masks: bool = False, **facts: Any) -> Path:
    """Export a checkpoint as ONNX; returns the path."""
    settings = LoadSettings(segmentation=SegmentationSettings("panoptic") if masks else None)
    files = locate(folder)
    parts = CheckpointLoader(settings, read_model(files), files).parts()
    complete = ExportedFacts(
        model=folder.name,
        labels=parts.labels,
        preprocessor=parts.preprocessing.as_json(),
        size_divisor=parts.family.size_divisor,
        scores=parts.family.scores,
        threshold=parts.threshold,
        size_hw=parts.preprocessing.size_hw,
        masks=masks,
        **facts,
    )
    export_onnx(parts.network, complete, path, max_detections=300)
    return path
