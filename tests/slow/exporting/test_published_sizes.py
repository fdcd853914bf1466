"""Every published size of every family, with random weights and small images: exported files give the outputs of torch."""

import copy
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from detcli.models.deformable_detr import published as deformable_detr
from detcli.models.detr import published as detr
from detcli.models.dfine import published as dfine
from detcli.models.family import FAMILIES
from detcli.runtimes.exported.exported_facts import ExportedFacts
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples
from tests.helpers.exported_families import (
    MANY_SIZES,
    ExportCase,
    assert_same_outputs,
    fixed,
    outputs_of_runtime,
    outputs_of_torch,
    random_pixels,
)
from tests.helpers.exported_models import write_onnx

LABELS = [f"class {index}" for index in range(80)]
RUNTIMES = ["openvino", "onnx"]
CASES = {
    **{
        f"dfine-{size}": lambda size=size: ExportCase(
            "dfine", dfine.published_config(size, LABELS), dfine_samples.random_network, fixed(160, 192)
        )
        for size in ("n", "s", "m", "l", "x")
    },
    **{
        f"detr-{variant}": lambda variant=variant: ExportCase(
            "detr", detr.published_config(variant, LABELS), detr_samples.random_network
        )
        for variant in ("r50", "r101", "r50-dc5", "r101-dc5", "r50-panoptic", "r101-panoptic", "r50-dc5-panoptic")
    },
    **{
        f"deformable-detr-{variant}".rstrip("-"): lambda variant=variant: ExportCase(
            "deformable_detr",
            deformable_detr.published_config(variant, LABELS),
            deformable_detr_samples.random_network,
        )
        for variant in ("single-scale", "single-scale-dc5", "", "with-box-refine", "with-box-refine-two-stage")
    },
}
DEEPEST = "dfine-x"  # rounds most: its float32 logits, in torch as well, are up to 0.005 from those in float64
Exported = tuple[str, ExportCase, nn.Module, Path, ExportedFacts]


@pytest.fixture(scope="module", params=CASES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """The case, its network in inference form, and the file; one model at a time is in memory and on disk."""
    case = CASES[request.param]()
    assert case.preprocessing.size_hw is not None or case.preprocessing is MANY_SIZES
    network = FAMILIES[case.family].optimize(case.build()).float().eval()
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    facts = write_onnx(network, case.family, case.preprocessing, path, masks=case.masks, classes=len(LABELS))
    yield request.param, case, network, path, facts
    path.unlink()
    gc.collect()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_outputs_are_those_of_torch(exported: Exported, runtime: str) -> None:
    name, case, network, path, facts = exported
    shapes = [(2, *(case.preprocessing.size_hw or (160, 192)))]
    if case.preprocessing.size_hw is None:
        shapes.append((1, 131, 203))  # another size than in the trace, with remainders
    batches = [random_pixels(*shape) for shape in shapes]
    for pixels, found in zip(batches, outputs_of_runtime(runtime, path, facts, *batches), strict=True):
        if name == DEEPEST:
            precise = outputs_of_torch(copy.deepcopy(network).double(), facts, pixels)
            assert_same_outputs(found, precise, pixels.shape[1:3], score=1e-3, quantile=0.99)
            assert_same_outputs(found, precise, pixels.shape[1:3], score=1e-2)
        else:
            assert_same_outputs(found, outputs_of_torch(network, facts, pixels), pixels.shape[1:3])
