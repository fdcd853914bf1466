"""The largest batch size whose training steps fit into memory, from two or three steps that are measured."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from detcli.datasets.transforms.multiscale import scales
from detcli.errors import DeviceError, UsageError
from detcli.models.losses.score_memory import available_bytes
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_job import TrainingJob
from detcli.training.trials.trial_steps import TrialSteps

_PART = 0.8  # of the memory that is available; the rest is for what varies between steps
_MEASURED = (2, 4, 8)  # sizes; the need of any other follows from the last two


@dataclass(frozen=True, slots=True)
class BatchSearch:
    """A batch size that fits.

    batch      a power of two; or the recipe's own size, or the number of images, where that fits
    bytes      what a step of that size needs, estimated
    available  memory, in bytes
    """

    batch: int
    bytes: int
    available: int


def search_batch(job: TrainingJob, *, available: int | None = None) -> BatchSearch:
    """The largest batch size up to the recipe's own and the number of images that fits into 80 % of the memory.

    Steps have the largest images that the recipe gives, and the data's own number of boxes.

    available  bytes of memory; None: what the device has

    Raises UsageError in several processes, with gradient accumulation, and where memory cannot be measured; DeviceError
    if not even a small step fits; and what a step raises.
    """
    if place_in_environment().size > 1:
        raise UsageError("`batch_size` 'auto' is measured in one process: with torchrun, give a number")
    if job.recipe.accumulate > 1:
        raise UsageError("`batch_size` 'auto' and `accumulate` exclude each other: both are there to fit into memory")
    limit = min(job.recipe.batch, len(job.data))
    largest = _largest_images(job)
    steps = TrialSteps(replace(job, recipe=largest))
    meter = _Meter(steps.device)
    available = meter.available() if available is None else available
    peaks: list[tuple[int, int]] = []
    for size in sorted({min(size, limit) for size in _MEASURED}):
        if len(peaks) > 1 and sum(_line(peaks, size)) > _PART * available:
            break
        peaks.append((size, meter.peak_of(steps, replace(largest, batch=size, images_per_epoch=size))))
    return largest_batch(peaks, limit, available=available)


def largest_batch(peaks: Sequence[tuple[int, int]], limit: int, *, available: int) -> BatchSearch:
    """The largest batch size up to a limit that fits into 80 % of the memory; below the limit it is a power of two.

    peaks      batch sizes that were measured, in ascending order, and the bytes that each needed
    available  bytes of memory

    Raises DeviceError if not even one image fits.
    """
    fixed, _ = _line(peaks, 0)
    each = _line(peaks, 1)[1]
    room = int(_PART * available) - fixed
    fitting = room // each if each > 0 else limit if room >= 0 else 0
    if fitting < 1:
        raise DeviceError(
            f"out of memory: a training step with one image needs about {(fixed + each) / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB are available; use a smaller `image_size` or a smaller `model`",
            out_of_memory=True,
        )
    batch = limit if fitting >= limit else 1 << (fitting.bit_length() - 1)
    return BatchSearch(batch, fixed + batch * each, available)


def _line(peaks: Sequence[tuple[int, int]], size: int) -> tuple[int, int]:
    """The line through the last two peaks, at a size: bytes for any size, and those for all of its images."""
    (last, high) = peaks[-1]
    (first, low) = peaks[-2] if len(peaks) > 1 else (0, 0)
    each = max(0, high - low) // max(1, last - first)
    return max(0, high - last * each), size * each


def _largest_images(job: TrainingJob) -> Recipe:
    """The recipe with all images as large as it ever makes them."""
    recipe, divisor = job.recipe, job.family.size_divisor
    if recipe.shortest_edges:
        return replace(recipe, shortest_edges=(max(recipe.shortest_edges),), random_crop=0.0)
    sizes = scales(recipe.image_size, recipe.multi_scale_repeat or None, divisor)
    largest = max(sizes, key=lambda size: size[0] * size[1])
    return replace(recipe, image_size=largest, multi_scale_repeat=0)


class _Meter:
    """Measures the memory that a step takes on a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type != "cuda" and (_peak() is None or available_bytes() is None):
            raise UsageError(
                f"`batch_size` 'auto' needs to measure memory, which detcli cannot on {device} of this system: give a number"
            )
        self._before = torch.cuda.memory_allocated(device) if device.type == "cuda" else _status("VmRSS") or 0

    def peak_of(self, steps: TrialSteps, recipe: Recipe) -> int:
        """The most bytes that this process has taken since this object was made, while a step runs."""
        with steps.micro_batches(recipe) as micro_batches:
            batch = next(micro_batches)
            self._reset()
            steps.step([batch])
            return max(0, self._highest() - self._before)

    def available(self) -> int:
        """Bytes that steps may take."""
        if self._device.type != "cuda":
            return available_bytes() or 0
        free, _ = torch.cuda.mem_get_info(self._device)
        return free + torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)

    def _reset(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def _highest(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _peak() or 0


def _peak() -> int | None:
    """The largest resident size of this process since it was last reset; None: unknown, as outside of Linux."""
    return _status("VmHWM")


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
