"""The devices of a run, as `device` names them: one, several CUDA devices, or several processes on the CPU."""

import re
from collections.abc import Sequence

from detcli.errors import UsageError
from detcli.runtimes.process import processors

ALL_CUDA_DEVICES = "cuda:all"
_CUDA = re.compile(r"(?:cuda:)?(\d{1,3})|cuda", re.ASCII)
_USUAL_PROCESSES = 4  # that may share a CPU, also one with fewer processors; more are only of use with more of them
_CPU = re.compile(r"cpu:(\d{1,18})", re.ASCII)


def device_text(device: object) -> str:
    """Return `device` as one text: "cpu:2", or "cuda:0,cuda:1" for several; a sequence of names is accepted too.

    A single name stays as it is: loading a model checks it. Raises TypeError for something else than names, and UsageError
    for several devices that cannot share a run.
    """
    is_list = isinstance(device, Sequence) and not isinstance(device, str)
    names = list(device) if isinstance(device, Sequence) and is_list else [device]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("`device` must be a str, or a list of str such as ['cuda:0', 'cuda:1']")
    text = ",".join(map(str, names))
    parts = [part.strip() for part in text.split(",")]
    if is_list or len(parts) > 1:
        _check_names(text, parts)
    if len(parts) > 1:
        return ",".join(_check_different(text, [_cuda_name(text, part) for part in parts]))
    match = _CPU.fullmatch(parts[0])
    if match is None:
        return str(device) if not is_list else parts[0]
    count = _check_count(text, int(match[1]))
    return f"cpu:{count}" if count > 1 else "cpu"


def devices_in(text: str) -> tuple[str, ...]:
    """The device of each process, from what `device_text` returned: cpu:2 is ("cpu", "cpu").

    cuda:all stays one name, since torch knows the devices: see `existing_devices`.
    """
    match = _CPU.fullmatch(text)
    return ("cpu",) * int(match[1]) if match else tuple(text.split(","))


def is_several(text: str) -> bool:
    """Whether the text names several devices, or all that there are."""
    return text == ALL_CUDA_DEVICES or len(devices_in(text)) > 1


def existing_devices(text: str) -> tuple[str, ...]:
    """The device of each process, all of which this machine has. Imports torch where CUDA devices are named.

    Raises UsageError for a device that this machine does not have.
    """
    names = devices_in(text)
    if names[0] == "cpu":
        return names
    from detcli.runtimes.torch_runtime import all_cuda_devices, choose_device

    if text == ALL_CUDA_DEVICES:
        return all_cuda_devices(text)
    for name in names:
        choose_device(name)
    return names


def _check_names(text: str, parts: list[str]) -> None:
    if text == "":
        raise UsageError("`device` names no device")
    if not all(parts):
        raise UsageError(f"`device={text}`: a name is missing at a comma")


def _cuda_name(text: str, part: str) -> str:
    """The name of one of several devices."""
    if part == ALL_CUDA_DEVICES:
        raise UsageError(f"`device={text}`: {ALL_CUDA_DEVICES} stands alone, since it names every CUDA device")
    match = _CUDA.fullmatch(part)
    if match is None:
        raise UsageError(
            f"`device={text}`: several devices must be CUDA devices, such as cuda:0,cuda:1; two processes on the CPU are "
            "cpu:2"
        )
    return f"cuda:{int(match[1] or 0)}"


def _check_different(text: str, names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"`device={text}`: {twice} is named twice, and one process of it is all that it takes")
    return names


def _check_count(text: str, count: int) -> int:
    most = max(_USUAL_PROCESSES, processors())
    if count < 1:
        raise UsageError(f"`device={text}`: the number of processes on the CPU must be at least 1")
    if count > most:
        raise UsageError(f"`device={text}`: at most {most} processes can share the CPU of this machine")
    return count
