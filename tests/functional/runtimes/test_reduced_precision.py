"""Weights in reduced precision are cast once, at load, with the outputs of torch's autocast."""

import copy
from typing import Any, cast

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from detcli.models.family import FAMILIES
from detcli.runtimes.torch_runtime import TorchRuntime
from detcli.structures.network_io import Batch, Outputs

CPU = torch.device("cpu")
SIZE = 128
MODELS = [("dfine", "n"), ("detr", "r50"), ("deformable_detr", "with-box-refine-two-stage"), ("rtdetr", "v2-r18vd")]


class OperatorCount(TorchDispatchMode):
    """Counts operators."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def network(family: str, variant: str) -> torch.nn.Module:
    torch.manual_seed(0)
    record = FAMILIES[family]
    built = record.optimize(record.build(record.published_config(variant, ["a", "b", "c"])).eval())
    if family == "detr":
        cast("Any", built).configure_masks(enabled=False)
    return built


@pytest.mark.parametrize(("family", "variant"), MODELS)
def test_weights_are_cast_once_with_the_outputs_of_autocast(family: str, variant: str) -> None:
    built = network(family, variant)
    sizes = torch.tensor([[SIZE, SIZE]])
    batch = Batch(torch.rand(1, 3, SIZE, SIZE), None, sizes, sizes)
    runtime = TorchRuntime(copy.deepcopy(built), device=CPU, precision="bf16")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), OperatorCount() as plain:
        pixels = batch.pixels.to(memory_format=torch.channels_last)
        expected = cast("Outputs", built.to(memory_format=torch.channels_last)(pixels))  # type: ignore[call-overload]
    with OperatorCount() as ours:
        found = runtime(batch)
    assert torch.equal(found.logits, expected.logits.float())
    assert torch.equal(found.boxes_cxcywh, expected.boxes_cxcywh.float())
    assert ours.count < plain.count - 150  # one for each weight and bias


def test_norms_and_embeddings_stay_float32() -> None:
    built = network("detr", "r50")
    TorchRuntime(built, device=CPU, precision="bf16")
    cast_layers = (torch.nn.Linear, torch.nn.Conv2d)
    own = {id(p) for m in built.modules() if isinstance(m, cast_layers) for p in m.parameters(recurse=False)}
    for parameter in built.parameters():
        assert parameter.dtype == (torch.bfloat16 if id(parameter) in own else torch.float32)


def test_float32_weights_are_not_cast() -> None:
    built = network("dfine", "n")
    TorchRuntime(built, device=CPU, precision="fp32")
    assert {parameter.dtype for parameter in built.parameters()} == {torch.float32}
