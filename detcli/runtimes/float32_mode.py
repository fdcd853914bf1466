"""How float32 is computed while a network runs: by IEEE 754, or in TF32, which has 10 bits of mantissa instead of 23.

torch allows TF32 in the convolutions of cuDNN unless it is told otherwise, and a process may allow it in matrix products
too (`torch.set_float32_matmul_precision`). So both are set for the time of a call, and restored after it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

_changed = threading.Condition()
_active = 0  # calls in progress, all in the same mode
_uses_tf32 = False  # the mode of these calls
_restore: Callable[[], None] = lambda: None  # noqa: E731 - replaced while calls are in progress


@contextlib.contextmanager
def float32_mode(*, tf32: bool) -> Iterator[None]:
    """Compute float32 in TF32 where the device has it, or by IEEE 754, in all threads until the context ends.

    Settings of the process that the first of several contexts found are restored by the last one. A context of the other
    mode in another thread waits.
    """
    _enter(tf32)
    try:
        yield
    finally:
        _leave()


def _enter(tf32: bool) -> None:
    global _active, _uses_tf32, _restore
    with _changed:
        _changed.wait_for(lambda: _active == 0 or _uses_tf32 == tf32)
        if _active == 0:
            _restore, _uses_tf32 = _saved(), tf32
            try:
                _set(tf32)
            except BaseException:
                _restore()
                raise
        _active += 1


def _leave() -> None:
    global _active
    with _changed:
        _active -= 1
        if _active == 0:
            _restore()
            _changed.notify_all()


def _set(tf32: bool) -> None:
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    for backend in _backends():  # where the setting above means "as `torch.backends.fp32_precision`"
        backend.fp32_precision = "tf32" if tf32 else "ieee"


def _saved() -> Callable[[], None]:
    """A function that restores the present settings; those that torch refuses to read stay as they are."""
    cudnn, matmul = _read(lambda: torch.backends.cudnn.allow_tf32), _read(torch.get_float32_matmul_precision)
    precisions = [(backend, backend.fp32_precision) for backend in _backends()]

    def restore() -> None:
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        for backend, precision in precisions:
            backend.fp32_precision = precision

    return restore


def _read(setting: Callable[[], Any]) -> Any:
    try:
        return setting()
    except RuntimeError:  # the process uses torch's newer settings, one for each backend
        return None


def _backends() -> list[Any]:
    """The backends with a setting of their own; none before torch 2.9."""
    cudnn: Any = torch.backends.cudnn
    candidates = [getattr(cudnn, name, None) for name in ("conv", "rnn")]
    candidates += [
        torch.backends.cuda.matmul,
        *(getattr(torch.backends.mkldnn, name, None) for name in ("matmul", "conv")),
    ]
    return [backend for backend in candidates if _has_precision(backend)]


def _has_precision(backend: object) -> bool:
    try:
        return isinstance(getattr(backend, "fp32_precision", None), str)
    except RuntimeError:
        return False
