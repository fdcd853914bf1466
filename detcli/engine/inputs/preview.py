"""A dry run: what a run would read, with which model, on which device, and where its results would go."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from detcli.argument_checks import check_instance
from detcli.checkpoints.hub.locate_model import cached, repository_of
from detcli.checkpoints.model_files import is_exported
from detcli.engine.benchmark.measure import MeasuredSpeed, is_local, measure_speed
from detcli.engine.observer import Observer, OpenedVideo
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.prepare import PreparedRun, prepare
from detcli.engine.requests.run_request import ImageRequest, ModelSettings, VideoRequest
from detcli.io.naming import SkippedEntries
from detcli.runtimes.device_list import existing_devices, is_several

# The model is not downloaded, a source is live, or the inputs are not files.
Obstacle = Literal["model", "live", "inputs"]


@dataclass(frozen=True, slots=True)
class ModelPreview:
    """The model that a run would load.

    name        as the user gave it
    repository  of the Hub; None for a local folder or file, and for a detector that is loaded already
    folder      its files; None where they would be downloaded
    """

    name: str
    repository: str | None
    folder: Path | None


@dataclass(frozen=True, slots=True)
class RunPreview:
    """What a run would do.

    videos  the sources of a run over videos, else empty
    """

    plan: OutputPlan
    model: ModelPreview
    device: str
    videos: tuple[OpenedVideo, ...]
    _prepared: PreparedRun

    @property
    def obstacle(self) -> Obstacle | None:
        """Why `measure` cannot be called: it downloads nothing and takes nothing from a live source."""
        if self.model.repository is not None and self.model.folder is None:
            return "model"
        if any(video.live for video in self.videos):
            return "live"
        has_error = any(video.error is not None for video in self.videos)
        return "inputs" if has_error or not is_local(self._prepared.request) else None

    def count(self) -> int | None:
        """The number of images or frames; None where it is not known."""
        return self._prepared.listing.count()

    @property
    def skipped(self) -> SkippedEntries:
        """What was skipped in folders; complete when `files` is read."""
        return self._prepared.listing.skipped

    def measure(self, observer: Observer | None = None) -> MeasuredSpeed | None:
        """Load the model and process the first images or frames for a few seconds; None where none can be read.

        Nothing is written. Raises what loading the model raises.
        """
        return measure_speed(self._prepared, observer=observer)

    def files(self) -> Iterator[str]:
        """The images, or the videos, in input order; once only."""
        if self._prepared.videos is not None:
            return (video.file for video in self.videos)
        return (item.origin.file for item in self._prepared.listing)


@contextmanager
def preview(
    request: ImageRequest | VideoRequest, *, observer: Observer | None = None, stdout: StandardOutput | None = None
) -> Iterator[RunPreview | None]:
    """Open the sources and tell what would be done; None where every output exists already and is skipped.

    Reads no image, runs no network, downloads and writes nothing. Raises DetcliError for a request that cannot be run.
    """
    if isinstance(request, ImageRequest) and request.input.watch:  # those that are there
        request = replace(request, input=replace(request.input, watch=False, new_only=False))
    with prepare(
        request, Observer() if observer is None else check_instance("observer", observer, Observer), stdout
    ) as prepared:
        if prepared is None:
            yield None
            return
        model, device = _model(request.model), _device(request)
        yield RunPreview(prepared.plan, model, device, _videos(prepared), prepared)


def _videos(prepared: PreparedRun) -> tuple[OpenedVideo, ...]:
    if prepared.videos is None:
        return ()
    from detcli.engine.inputs.open_videos import describe_videos

    return describe_videos(prepared.videos)


def _model(settings: ModelSettings) -> ModelPreview:
    if not isinstance(settings.model, str):
        files = settings.model.files
        return ModelPreview(files.name, None, files.folder)
    repository = repository_of(settings.model)
    if repository is None:
        return ModelPreview(settings.model, None, Path(settings.model))
    files_or_none = cached(settings.model, revision=settings.revision, cache_dir=settings.cache_dir)
    return ModelPreview(settings.model, repository, None if files_or_none is None else files_or_none.folder)


def _device(request: ImageRequest | VideoRequest) -> str:
    if not isinstance(request.model.model, str):
        return request.model.model.device_name
    if is_exported(request.model.model):  # a device that the runtime does not have is refused when it is loaded
        return "cpu" if request.compute.device == "auto" else request.compute.device
    if is_several(request.compute.device):
        existing_devices(request.compute.device)
        return request.compute.device
    from detcli.runtimes.torch_runtime import choose_device

    return str(choose_device(request.compute.device))
