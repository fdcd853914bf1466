"""float32 by IEEE 754 or in TF32 for the time of a call; the settings of the process come back."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from detcli.runtimes.float32_mode import float32_mode
from detcli.runtimes.torch_runtime import Precision, TorchRuntime
from detcli.structures.network_io import Batch, Outputs

NEWER = hasattr(torch.backends, "fp32_precision")
CUDNN: Any = torch.backends.cudnn
MATMUL: Any = torch.backends.cuda.matmul


def settings() -> tuple[object, ...]:
    """What torch is set to, for cuDNN and for matrix products."""
    older: list[object] = []
    for read in (lambda: CUDNN.allow_tf32, torch.get_float32_matmul_precision):
        try:
            older.append(read())
        except RuntimeError:
            older.append("mixed")
    newer = (CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision, MATMUL.fp32_precision) if NEWER else ()
    return (*older, *newer)


def assert_restored(before: tuple[object, ...]) -> None:
    """All settings are as before; those that torch refused to read may be readable now."""
    assert [now for now, then in zip(settings(), before, strict=True) if then not in (now, "mixed")] == []


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    """Leave torch as it starts."""
    before = settings()
    yield
    if NEWER:
        cast("Any", torch.backends).fp32_precision = "none"
    CUDNN.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    if NEWER:
        CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision, MATMUL.fp32_precision = before[2:]
        cast("Any", torch.backends).mkldnn.matmul.fp32_precision = "none"
        cast("Any", torch.backends).mkldnn.conv.fp32_precision = "none"
    assert settings() == before


def a_process_that_allows_tf32_everywhere() -> None:
    CUDNN.allow_tf32 = True
    torch.set_float32_matmul_precision("high")


def a_process_that_forbids_it() -> None:
    CUDNN.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def a_process_with_the_newer_setting() -> None:
    if not NEWER:
        pytest.skip("before torch 2.9")
    cast("Any", torch.backends).fp32_precision = "tf32"


def a_process_that_mixes_both() -> None:
    if not NEWER:
        pytest.skip("before torch 2.9")
    CUDNN.conv.fp32_precision = "ieee"
    MATMUL.fp32_precision = "tf32"


PROCESSES = [
    lambda: None,
    a_process_that_allows_tf32_everywhere,
    a_process_that_forbids_it,
    a_process_with_the_newer_setting,
    a_process_that_mixes_both,
]


class Recording(nn.Module):
    """A network that keeps the settings it ran with."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)
        self.seen: list[tuple[object, ...]] = []

    def forward(self, pixels: Tensor) -> Outputs:
        self.seen.append(settings())
        tokens = self.layer(pixels).flatten(2).mT
        return Outputs(tokens[..., :4], tokens[..., 4:].sigmoid())


def batch() -> Batch:
    sizes = torch.tensor([[16, 16]])
    return Batch(torch.zeros(1, 3, 16, 16), None, sizes, sizes)


@pytest.mark.parametrize("prepare", PROCESSES)
@pytest.mark.parametrize(("precision", "tf32"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_a_network_runs_in_the_precision_asked_for(prepare: Any, precision: Precision, tf32: bool) -> None:
    prepare()
    network = Recording()
    before = settings()
    runtime = TorchRuntime(network, device=torch.device("cpu"), precision=precision)
    runtime(batch())
    expected: tuple[object, ...] = (tf32, "high" if tf32 else "highest")
    assert network.seen == [expected + (("tf32" if tf32 else "ieee",) * 3 if NEWER else ())]
    assert_restored(before)


@pytest.mark.parametrize("prepare", PROCESSES)
def test_settings_come_back_after_an_error(prepare: Any) -> None:
    prepare()
    before = settings()
    with pytest.raises(ZeroDivisionError), float32_mode(tf32=False):
        raise ZeroDivisionError
    assert_restored(before)


def test_the_last_of_several_contexts_restores_the_settings() -> None:
    a_process_that_allows_tf32_everywhere()
    before = settings()
    first, second = float32_mode(tf32=False), float32_mode(tf32=False)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings()[:2] == (False, "highest")
    second.__exit__(None, None, None)
    assert_restored(before)


def test_a_context_of_the_other_mode_waits_in_its_thread() -> None:
    seen: list[tuple[object, ...]] = []
    entered = threading.Event()

    def other() -> None:
        with float32_mode(tf32=True):
            seen.append(settings())
            entered.set()

    thread = threading.Thread(target=other)
    with float32_mode(tf32=False):
        thread.start()
        assert not entered.wait(0.05)
        assert settings()[:2] == (False, "highest")
    thread.join(10)
    assert seen[0][:2] == (True, "high")
