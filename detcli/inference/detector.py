"""The three steps - preprocess, network, postprocess - as one callable, and how a model's name becomes one."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from detcli.checkpoints.files import read_checkpoint
from detcli.checkpoints.hub import locate
from detcli.errors import DeviceError, UnsupportedModelError
from detcli.inference.postprocess import NotFiniteError, Selection, to_detections
from detcli.inference.preprocess import Preprocessing, Preprocessor
from detcli.models.family import family_of
from detcli.models.skeleton import skeleton
from detcli.runtimes.eager import (
    choose_device,
    choose_precision,
    device_errors,
    fix_arithmetic,
    keep_freed_memory,
)
from detcli.runtimes.runtime import RUNTIMES, Runtime
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Pixels, Unreadable
from detcli.values.labels import Labels

if TYPE_CHECKING:
    from PIL import Image

    from detcli.checkpoints.hub import ModelFiles, Progress

DEFAULT_THRESHOLD = 0.4
# Pictures a batch where the user gives no number. On a CPU more than a few only push activations out of its caches;
# a GPU needs many to be busy, and a batch that does not fit is halved until it does.
AUTOMATIC_BATCH = {"cpu": 4, "mps": 8, "cuda": 32}


@dataclass(slots=True)
class Detector:
    """Frames in, detections out, in the same order; what could not be read passes through untouched.

    files          where the model's files lie, and what is known of them
    labels         class index -> name and category id
    runtime        what runs the network
    preprocessor   frames -> batch
    selection      threshold, number of detections, classes
    batch_size     most pictures a batch; halved when the device has no room
    deterministic  batches are always full, and a picture's place in one follows from its place in the input: even
                   the last bit of its numbers never depends on its company, on timing or on where a run went on
    compiled       batches are filled up, since the network is compiled anew for each size of batch
    notes          sentences the user should see: what was missing or looked wrong in the checkpoint
    """

    files: "ModelFiles"
    labels: Labels
    runtime: Runtime
    preprocessor: Preprocessor
    selection: Selection
    batch_size: int
    device_name: str
    precision: str
    deterministic: bool = False
    compiled: bool = False
    notes: tuple[str, ...] = ()

    @property
    def threshold(self) -> float:
        """Detections score strictly above it."""
        return self.selection.threshold

    def resize(self, image: "Image.Image") -> Pixels:
        """A decoded picture as the network takes it; for sources that can spare the full-size pixels."""
        return self.preprocessor.preprocessing.resize(image)

    def prepare(self, frame: Frame | Unreadable) -> Frame | Unreadable:
        """The part of a frame's way that needs no device; safe in any thread, done here if it was not done before."""
        return frame if isinstance(frame, Unreadable) else self.preprocessor.prepare(frame)

    def __call__(self, frames: Sequence[Frame | Unreadable]) -> list[Detections | Unreadable]:
        """Detect in any number of frames.

        Raises DeviceError where the device has no room for even one picture, or was lost.
        """
        readable = [frame for frame in frames if isinstance(frame, Frame)]
        found = iter(self._in_batches(readable))
        return [next(found) if isinstance(frame, Frame) else frame for frame in frames]

    def _in_batches(self, frames: Sequence[Frame]) -> Iterator[Detections | Unreadable]:
        start = 0
        while start < len(frames):
            part = self._next_batch(frames, start)
            found = self._one_batch_if_it_fits(part)
            if found is None:  # by now the error is gone, and with it the memory that its traceback held
                self.batch_size = self._run_together(part) // 2
                _release(self.device_name)
                continue
            yield from found
            start += len(part)

    def _next_batch(self, frames: Sequence[Frame], start: int) -> Sequence[Frame]:
        if not self.deterministic:
            return frames[start : start + self.batch_size]
        end = start + 1
        while end < len(frames) and self._slot(frames[end]) > self._slot(frames[end - 1]):
            end += 1
        return frames[start:end]

    def _slot(self, frame: Frame) -> int:
        return frame.origin.index % self.batch_size

    def _one_batch_if_it_fits(self, frames: Sequence[Frame]) -> list[Detections | Unreadable] | None:
        """The answers; None where the device has no room for them and may have it for fewer frames."""
        try:
            return self._one_batch(frames)
        except DeviceError as error:
            if not error.out_of_memory or self._run_together(frames) == 1 or self.deterministic:
                raise
            return None

    def _run_together(self, frames: Sequence[Frame]) -> int:
        return self.batch_size if self.compiled else len(frames)

    def _one_batch(self, frames: Sequence[Frame]) -> list[Detections | Unreadable]:
        if self.deterministic:
            full = [frames[0]] * self.batch_size
            for frame in frames:
                full[self._slot(frame)] = frame
            every = self._answers(full)
            answers = [every[self._slot(frame)] for frame in frames]
        else:
            missing = self._run_together(frames) - len(frames)
            answers = self._answers([*frames, *[frames[-1]] * missing])[: len(frames)]
        return [
            Unreadable(frame.origin, "device", f"{answer} in {self.precision}; --precision fp32 is the safest")
            if isinstance(answer, NotFiniteError)
            else answer
            for frame, answer in zip(frames, answers, strict=True)
        ]

    def _answers(self, frames: Sequence[Frame]) -> list[Detections | NotFiniteError]:
        with device_errors(self.device_name):  # a GPU tells what went wrong when it is next asked for a result
            batch = self.preprocessor.batch(frames)
            return to_detections(self.runtime(batch), batch.sizes_hw, self.selection)


def load_detector(
    model: str = "dfine-s",
    *,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: Path | None = None,
    threshold: float | None = None,
    max_detections: int = 300,
    classes: Sequence[str] = (),
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,  # noqa: A002 - the flag's name
    optimize: bool = True,
    image_size_hw: tuple[int, int] | None = None,
    deterministic: bool = False,
    batch_size: int | None = None,
    progress: "Progress | None" = None,
) -> Detector:
    """Find, fetch, read and build a model.

    model           name of the catalogue, Hub repository, folder or file
    revision        commit, branch or tag of the repository; None: as the catalogue says
    threshold       None: as the catalogue says, else 0.4
    classes         names or class indices to keep; none: all
    device          auto, cpu, cuda, cuda:N, mps
    precision       auto (fp32), fp32, bf16, fp16
    optimize        fold norms and drop what inference does not need
    image_size_hw   None: as the checkpoint's preprocessor says
    deterministic   the same bytes from every run on this machine, whatever the batches
    batch_size      None: by the device

    Raises UsageError, ModelError, HubError, AccessError or DeviceError.
    """
    keep_freed_memory()  # before the first large tensor
    chosen = choose_device(device)
    kind = choose_precision(precision, chosen)
    files = locate(model, revision=revision, offline=offline, cache_dir=cache_dir, progress=progress)
    checkpoint = read_checkpoint(files)
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    labels = read_labels(checkpoint.config, family.label_names(config))
    class_ids = labels.find(classes) if classes else None
    with skeleton():
        network = family.build(config)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        network.load_state_dict(family.read_weights(checkpoint.tensors, config), strict=True, assign=True)
    network.eval()
    if optimize:
        network = family.optimize(network)
    preprocessing = Preprocessing.from_json(checkpoint.preprocessor, size_divisor=family.size_divisor)
    if image_size_hw is not None:
        preprocessing = preprocessing.with_size(image_size_hw, family.size_divisor)
    if deterministic:
        fix_arithmetic(chosen)
    if threshold is None:
        threshold = files.entry.threshold if files.entry is not None else DEFAULT_THRESHOLD
    return Detector(
        files=replace(files, sha256=checkpoint.sha256),
        labels=labels,
        runtime=RUNTIMES["eager"](network, device=chosen, precision=kind, compile=compile),
        preprocessor=Preprocessor(preprocessing, chosen),
        selection=Selection(threshold, max_detections, class_ids),
        batch_size=batch_size or AUTOMATIC_BATCH[chosen.type],
        device_name=str(chosen),
        precision=kind,
        deterministic=deterministic,
        compiled=compile,
        notes=(*checkpoint.notes, *(str(warning.message) for warning in warned)),
    )


def read_labels(config: Mapping[str, Any], names: Sequence[str]) -> Labels:
    """The labels of a model: its names, with the category ids of the data it was trained on where config.json has them.

    Raises UnsupportedModelError where `category_ids` is not one whole number from 0 a class, none of them twice.
    """
    ids = config.get("category_ids")
    if ids is None:
        return Labels.from_names(names)
    whole = isinstance(ids, list) and all(type(one) is int and 0 <= one < 1 << 53 for one in ids)
    if not whole or len(ids) != len(names) or len(set(ids)) != len(ids):
        raise UnsupportedModelError(
            f"config.json: 'category_ids' must be {len(names)} different whole numbers from 0 on, one for each class"
        )
    return Labels(tuple(names), tuple(ids))


def _release(device_name: str) -> None:
    if device_name.startswith("cuda"):
        torch.cuda.empty_cache()
