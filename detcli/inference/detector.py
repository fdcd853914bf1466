"""The three steps - preprocess, network, postprocess - as one callable, and how a model's name becomes one."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from detcli.checkpoints.catalog import CATALOG, entry_of_repository
from detcli.checkpoints.hub import locate
from detcli.errors import DeviceError, UnsupportedModelError, UsageError
from detcli.inference.batching import alike, automatic_batch, padded_together
from detcli.inference.converting import read_model
from detcli.inference.labels import read_labels
from detcli.inference.postprocess import NotFiniteError, Selection, to_detections
from detcli.inference.preprocess import Preprocessing, Preprocessor
from detcli.inference.segmentation import Segmenting, to_segments
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
_COMPILED_SIZES = "--compile: pictures are of many sizes, and the first ones of new sizes wait for the compiler"
_BATCHES_AHEAD = 8  # that a batch of pictures of one size is chosen from


@dataclass(slots=True)
class Detector:
    """Frames in, detections out, in the same order; what could not be read passes through untouched.

    Where pictures keep their proportions they are of many sizes, and only those of exactly the same size share a
    batch: what is found in one never depends on its company.

    files          where the model's files lie, and what is known of them
    labels         class index -> name and category id
    runtime        what runs the network
    preprocessor   frames -> batch
    selection      threshold, number of detections, classes
    batch_size     most pictures a batch; halved when the device has no room
    deterministic  batches are always full, and a picture's place in one follows from its place in the input: even
                   the last bit of its numbers never depends on its company, on timing or on where a run went on.
                   Pictures of many sizes go through the network one by one
    compiled       batches of one size of pictures are filled up, since the network is compiled anew for each size of batch
    notes          sentences the user should see: what was missing or looked wrong in the checkpoint
    pad            pictures of different sizes share a batch too, padded to a common one
    segmenting     what segments are made of the network's masks; None: boxes alone
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
    pad: bool = False
    segmenting: Segmenting | None = None

    def __post_init__(self) -> None:
        if self.deterministic and self._many_sizes:
            self.batch_size = 1

    @property
    def look_ahead(self) -> int:
        """Most frames that `choose` makes use of."""
        return self.batch_size * (_BATCHES_AHEAD if self._many_sizes and self.batch_size > 1 else 1)

    @property
    def threshold(self) -> float:
        """Detections score strictly above it."""
        return self.selection.threshold if self.segmenting is None else self.segmenting.least_score

    def resize(self, image: "Image.Image") -> Pixels:
        """A decoded picture as the network takes it; for sources that can spare the full-size pixels."""
        return self.preprocessor.preprocessing.resize(image)

    def prepare(self, frame: Frame | Unreadable) -> Frame | Unreadable:
        """The part of a frame's way that needs no device; safe in any thread, done here if it was not done before."""
        return frame if isinstance(frame, Unreadable) else self.preprocessor.prepare(frame)

    def choose(self, frames: Sequence[Frame | Unreadable]) -> list[int]:
        """Places of the frames that are best detected in next, the first one among them, in order."""
        if not self._many_sizes or isinstance(frames[0], Unreadable):
            return list(range(min(len(frames), self.batch_size)))
        readable = [place for place, frame in enumerate(frames) if isinstance(frame, Frame)]
        sizes = [self.preprocessor.place_hw(frame) for frame in frames if isinstance(frame, Frame)]
        chosen = (padded_together if self.pad else alike)(sizes, self.batch_size)
        return [readable[place] for place in chosen]

    def __call__(self, frames: Sequence[Frame | Unreadable]) -> list[Detections | Unreadable]:
        """Detect in any number of frames.

        Raises DeviceError where the device has no room for even one picture, or was lost.
        """
        found: dict[int, Detections | Unreadable] = {}
        waiting = [place for place, frame in enumerate(frames) if isinstance(frame, Frame)]
        while waiting:
            window = [frame for place in waiting[: self.look_ahead] if isinstance(frame := frames[place], Frame)]
            chosen = self._next_batch(window)
            answers = self._one_batch_if_it_fits([window[at] for at in chosen])
            if answers is None:  # by now the error is gone, and with it the memory that its traceback held
                self.batch_size = self._run_together(len(chosen)) // 2
                _release(self.device_name)
                continue
            found.update(zip((waiting[at] for at in chosen), answers, strict=True))
            for at in reversed(chosen):
                del waiting[at]
        return [found[place] if isinstance(frame, Frame) else frame for place, frame in enumerate(frames)]

    @property
    def _many_sizes(self) -> bool:
        return self.preprocessor.preprocessing.size_hw is None

    def _next_batch(self, frames: Sequence[Frame]) -> list[int]:
        chosen = self.choose(frames)
        if not self.deterministic:
            return chosen
        end = 1
        while end < len(chosen) and self._slot(frames[end]) > self._slot(frames[end - 1]):
            end += 1
        return chosen[:end]

    def _slot(self, frame: Frame) -> int:
        return frame.origin.index % self.batch_size

    def _one_batch_if_it_fits(self, frames: Sequence[Frame]) -> list[Detections | Unreadable] | None:
        """The answers; None where the device has no room for them and may have it for fewer frames."""
        try:
            return self._one_batch(frames)
        except DeviceError as error:
            if not error.out_of_memory or self._run_together(len(frames)) == 1 or self.deterministic:
                raise
            return None

    def _run_together(self, count: int) -> int:
        return self.batch_size if self.compiled and not self._many_sizes else count

    def _one_batch(self, frames: Sequence[Frame]) -> list[Detections | Unreadable]:
        if self.deterministic:
            full = [frames[0]] * self.batch_size
            for frame in frames:
                full[self._slot(frame)] = frame
            every = self._answers(full)
            answers = [every[self._slot(frame)] for frame in frames]
        else:
            missing = self._run_together(len(frames)) - len(frames)
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
            outputs = self.runtime(batch)
            if self.segmenting is not None:
                return to_segments(outputs, batch, self.segmenting)
            return to_detections(outputs, batch.sizes_hw, self.selection)


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
    pad: bool = False,
    segmenting: Segmenting | None = None,
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
    image_size_hw   height and width, or the most of the shorter and of the longer side for a model that keeps a
                    picture's proportions; None: as the checkpoint's preprocessor says
    deterministic   the same bytes from every run on this machine, whatever the batches
    batch_size      None: by the device and the size of pictures
    pad             let pictures of different sizes share a batch: faster on a GPU, and numbers then depend on company
    segmenting      make segments of the network's masks; its classes and what is stuff follow from `classes` and the
                    model's labels

    Raises UsageError, ModelError, HubError, AccessError or DeviceError.
    """
    keep_freed_memory()  # before the first large tensor
    chosen = choose_device(device)
    kind = choose_precision(precision, chosen)
    if pad and deterministic:
        raise UsageError("--pad makes what is found in a picture depend on its company, which --deterministic forbids")
    if segmenting is not None:
        _check_that_it_segments(model)
    files = locate(model, revision=revision, offline=offline, cache_dir=cache_dir, progress=progress)
    checkpoint = read_model(files)
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    labels = read_labels(checkpoint.config, family.label_names(config))
    class_ids = labels.find(classes) if classes else None
    if segmenting is not None:
        if not family.segments(config):
            raise _has_no_masks(files.name)
        sure = threshold if segmenting.threshold is None else segmenting.threshold
        segmenting = replace(segmenting, threshold=sure, class_ids=class_ids, stuff=labels.stuff)
    preprocessing = Preprocessing.of(checkpoint.preprocessor, family)
    if image_size_hw is not None:
        preprocessing = preprocessing.with_size(image_size_hw, family.size_divisor)
    if pad and preprocessing.size_hw is None and not preprocessing.pads:
        raise UsageError(f"--pad: '{files.name}' is not made for padded pictures (do_pad is off)")
    with skeleton():
        network = family.build(config)
    if family.segments(config):
        cast("Any", network).gives_masks = segmenting is not None
        if segmenting is not None and segmenting.task != "semantic":  # which mixes the masks of all queries
            cast("Any", network).masks_above = segmenting.least_score
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        network.load_state_dict(family.read_weights(checkpoint.tensors, config), strict=True, assign=True)
    network.eval()
    if optimize:
        network = family.optimize(network)
    if deterministic:
        fix_arithmetic(chosen)
    many_sizes = preprocessing.size_hw is None
    if threshold is None:
        threshold = files.entry.threshold if files.entry is not None else DEFAULT_THRESHOLD
    return Detector(
        files=replace(files, sha256=checkpoint.sha256),
        labels=labels,
        runtime=RUNTIMES["eager"](network, device=chosen, precision=kind, compile=compile, dynamic=many_sizes),
        preprocessor=Preprocessor(preprocessing, chosen),
        selection=Selection(threshold, max_detections, class_ids, family.scores),
        batch_size=batch_size or automatic_batch(chosen.type, preprocessing.size_hw or preprocessing.imgsz),
        device_name=str(chosen),
        precision=kind,
        deterministic=deterministic,
        compiled=compile,
        notes=(
            *checkpoint.notes,
            *(str(warning.message) for warning in warned),
            *([_COMPILED_SIZES] if compile and many_sizes else []),
        ),
        pad=pad,
        segmenting=segmenting,
    )


def _check_that_it_segments(model: str) -> None:
    """Raise UnsupportedModelError for a name of the catalogue without masks, before anything is fetched."""
    entry = CATALOG.get(model) or entry_of_repository(model)
    if entry is not None and entry.task != "panoptic":
        raise _has_no_masks(model)


def _has_no_masks(model: str) -> UnsupportedModelError:
    those = ", ".join(entry.name for entry in CATALOG.values() if entry.task == "panoptic")
    return UnsupportedModelError(f"'{model}' finds boxes and no masks; models that segment: {those}")


def _release(device_name: str) -> None:
    if device_name.startswith("cuda"):
        torch.cuda.empty_cache()
