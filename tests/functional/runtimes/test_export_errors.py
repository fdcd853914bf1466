"""What cannot be exported is told in one sentence, whichever part of torch, a backbone or a runtime refuses it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.structures.network_io import Outputs
from tests.helpers.exported_families import CASES, export_case
from tests.helpers.exported_models import write_onnx


class Untraceable(nn.Module):
    """A network whose forward pass raises an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, pixels: Tensor) -> Outputs:
        raise self.error


class Unknown(nn.Module):
    """A network with an operation that ONNX does not have in this version."""

    def forward(self, pixels: Tensor) -> Outputs:
        values = torch.linalg.eigvalsh(pixels[:, :1, :4, :4])
        return Outputs(values.expand(-1, 1, -1), values.sigmoid())


class OtherOutputs(nn.Module):
    """A network that does not return outputs of a detector."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Untraceable(RuntimeError("\n the sizes differ:\nmany lines\n")), "the sizes differ:"),
        (Untraceable(TypeError("unhashable type")), "unhashable type"),
        (Untraceable(AssertionError()), "AssertionError"),
        (Untraceable(IndexError("x" * 500)), "x" * 200),
        (Untraceable(torch.onnx.errors.OnnxExporterError("no such operator")), "no such operator"),
        (Unknown(), "eig"),
        (OtherOutputs(), "no attribute"),
    ],
)
def test_an_error_of_the_tracer_is_a_sentence(network: nn.Module, words: str, tmp_path: Path) -> None:
    case = CASES["dfine"]
    with pytest.raises(UnsupportedModelError) as caught:
        write_onnx(network, case.family, case.preprocessing, tmp_path / "model.onnx")
    message = str(caught.value)
    assert message.startswith("torch cannot export this network: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 260
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_not_blamed_on_the_network(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        write_onnx(Untraceable(MemoryError()), "dfine", CASES["dfine"].preprocessing, tmp_path / "model.onnx")


def test_a_refusal_of_detcli_keeps_its_words(tmp_path: Path) -> None:
    refusal = UnsupportedModelError("a layer of this network cannot be exported: use another one")
    with pytest.raises(UnsupportedModelError, match=r"^a layer of this network"):
        write_onnx(Untraceable(refusal), "dfine", CASES["dfine"].preprocessing, tmp_path / "model.onnx")


def test_int8_of_a_network_that_nncf_refuses_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    import onnx

    from detcli.exporting.quantize import quantize_onnx
    from tests.helpers.exported_models import random_frames

    facts = export_case(CASES["dfine"], tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    model.opset_import[0].version = 9
    with pytest.raises(UnsupportedModelError, match=r"^NNCF cannot quantize this network: "):
        quantize_onnx(model, facts, random_frames(3))
