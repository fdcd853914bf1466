"""The devices that `device` names: which belong together, and what is refused before a process starts."""

import pytest

from detcli.engine.requests.run_request import ComputeSettings
from detcli.errors import UsageError
from detcli.runtimes.device_list import device_text, devices_in, is_several


@pytest.mark.parametrize(
    ("given", "text", "devices"),
    [
        ("auto", "auto", ("auto",)),
        ("cuda:1", "cuda:1", ("cuda:1",)),
        ("cpu:1", "cpu", ("cpu",)),
        ("cpu:2", "cpu:2", ("cpu", "cpu")),
        (["cpu:2"], "cpu:2", ("cpu", "cpu")),
        ("0,1", "cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        (" cuda:1 , 0", "cuda:1,cuda:0", ("cuda:1", "cuda:0")),
        (["cuda:0", "cuda:1"], "cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        ("cuda,cuda:1", "cuda:0,cuda:1", ("cuda:0", "cuda:1")),
    ],
)
def test_devices_are_named_as_text_or_as_a_list(given: object, text: str, devices: tuple[str, ...]) -> None:
    assert device_text(given) == text
    assert devices_in(text) == devices
    assert is_several(text) == (len(devices) > 1)


def test_all_cuda_devices_are_several_before_they_are_counted() -> None:
    assert is_several(device_text("cuda:all"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("0,0", "cuda:0 is named twice"),
        ("cuda,cuda:0", "cuda:0 is named twice"),
        ("0,1,", "a name is missing at a comma"),
        ([], "`device` names no device"),
        ([""], "`device` names no device"),
        ("cpu:0", "must be at least 1"),
        ("cpu:9999", "at most "),
        ("cpu:99999999999", "at most "),
        ("cpu,cuda:0", "two processes on the CPU are cpu:2"),
        ("cpu,cpu", "two processes on the CPU are cpu:2"),
        ("cpu:2,cpu:2", "two processes on the CPU are cpu:2"),
        ("auto,cuda:0", "several devices must be CUDA devices"),
        ("mps,cuda:0", "several devices must be CUDA devices"),
        ("cuda:all,0", "cuda:all stands alone"),
    ],
)
def test_devices_that_cannot_share_a_run_are_refused(given: str | list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ComputeSettings(device=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [0, None, [0, 1], 1.5])
def test_what_is_no_name_of_a_device_is_a_type_error(given: object) -> None:
    with pytest.raises(TypeError, match="`device` must be a str, or a list of str"):
        ComputeSettings(device=given)  # type: ignore[arg-type]
