"""Exports a model: from a request to a checked ONNX or OpenVINO file."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.load_model import DownloadReporter
from detcli.engine.model_files.export_packages import check_packages
from detcli.engine.model_files.parity_images import compare, most_compared, parity_images
from detcli.engine.requests.export_request import ExportObserver, ExportRequest, ExportResult
from detcli.io.atomic_write import AtomicFile, os_errors_as_output_errors
from detcli.io.outputs import prepare_output

if TYPE_CHECKING:
    from detcli.checkpoints.checkpoint_files import Checkpoint
    from detcli.checkpoints.model_files import ModelFiles
    from detcli.inference.detector import Detector
    from detcli.inference.load_checkpoint import CheckpointLoader
    from detcli.inference.load_settings import LoadSettings
    from detcli.inference.segmentation.segmentation_settings import Task
    from detcli.runtimes.exported.exported_facts import ExportedFacts

__all__ = ["ExportObserver", "ExportRequest", "ExportResult", "export_model", "prepare_export"]

_CHUNK = 1 << 24


def export_model(request: ExportRequest, *, observer: ExportObserver | None = None) -> ExportResult | None:
    """Export a model and check the file against the checkpoint; None if the file exists and is skipped.

    The file gets its name only after the check. Raises UsageError, ModelError, HubError, AccessError, OutputError,
    InputError where no image for the check can be read, and GateError where the file does not give the same detections.
    """
    observer = ExportObserver() if observer is None else check_instance("observer", observer, ExportObserver)
    plan = prepare_export(request, observer=observer)
    return None if plan is None else plan.run(observer)


def prepare_export(request: ExportRequest, *, observer: ExportObserver | None = None) -> "ExportPlan | None":
    """Check outputs and packages, and load the checkpoint; None if the file exists and is skipped."""
    observer = observer or ExportObserver()
    for path in reversed(request.paths):
        if not prepare_output(path, if_exists=request.if_exists, resumable=False):
            observer.on_skipped_output(path)
            return None
    check_packages(request)
    images = parity_images(request.images)
    return ExportPlan(request, *_read_checkpoint(request, observer), images)


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A checked export of a checkpoint that is read.

    images  for the check
    """

    request: ExportRequest
    checkpoint: "Checkpoint"
    files: "ModelFiles"
    images: tuple[str, ...]

    def run(self, observer: ExportObserver) -> ExportResult:
        """Write the file, check it, and give it its name."""
        request = self.request
        with _named_after(request.path) as (folder, commit):
            temporary = folder / request.path.name
            observer.on_step(f"exporting {self.files.name}")
            facts = self._write(temporary)
            observer.on_written(temporary)
            observer.on_step(f"comparing with the checkpoint on {len(self.images)} images")
            parity = compare(self._detector(), temporary, request, self.images, observer)
            commit(temporary)
        return ExportResult(request.path, request.paths, facts, parity)

    def _detector(self) -> "Detector":
        """The checkpoint, with every score."""
        return (
            self._loader("instance").detector().with_settings(threshold=0.0, max_detections=most_compared(self.request))
        )

    def _loader(self, task: "Task") -> "CheckpointLoader":
        from detcli.inference.load_checkpoint import CheckpointLoader

        return CheckpointLoader(_load_settings(self.request, task), self.checkpoint, self.files)

    def _write(self, path: Path) -> "ExportedFacts":
        """Write the file and return its metadata."""
        from detcli.exporting.onnx_export import export_onnx

        request, files = self.request, self.files
        parts = self._loader("semantic").parts()  # semantic: masks of all queries
        facts = replace(
            parts.exported_facts(files.name),
            batch=request.batch,
            outputs=request.outputs,
            masks=request.masks,
            precision=request.precision,
            repository=files.repository,
            commit=files.commit,
            sha256=files.sha256,
        )
        if request.format == "onnx":
            export_onnx(parts.network, facts, path, max_detections=request.max_detections)
            return facts
        from detcli.exporting.openvino_export import export_openvino

        intermediate = path.with_suffix(".onnx")
        export_onnx(parts.network, facts, intermediate, max_detections=request.max_detections)
        export_openvino(intermediate, facts, path)
        return facts


def _read_checkpoint(request: ExportRequest, observer: ExportObserver) -> "tuple[Checkpoint, ModelFiles]":
    """The files of the model; they are downloaded if they are missing."""
    from detcli.checkpoints.hub.locate_model import locate
    from detcli.engine.requests.run_settings import ComputeSettings
    from detcli.inference.load_checkpoint import check_settings
    from detcli.inference.read_model import read_model

    model, name = request.model, request.model.name or ""
    check_settings(_load_settings(request, "semantic"), name)
    observer.on_model_load(ComputeSettings(device="cpu"))
    download = DownloadReporter(observer)
    try:
        files = locate(
            name, revision=model.revision, offline=model.offline, cache_dir=model.cache_dir, progress=download
        )
    finally:
        download.finish()
    checkpoint = read_model(files)
    for note in checkpoint.notes:
        observer.on_warning(note)
    return checkpoint, replace(files, sha256=checkpoint.sha256)


def _load_settings(request: ExportRequest, task: "Task") -> "LoadSettings":
    """How the checkpoint is loaded; the task of segmentation is for models whose masks are exported."""
    from detcli.inference.load_settings import LoadSettings
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    return LoadSettings(
        device="cpu",
        image_size=request.image_size,
        queries=request.queries,
        decoder_layers=request.decoder_layers,
        segmentation=SegmentationSettings(task, threshold=0.0) if request.masks else None,
    )


@contextmanager
def _named_after(path: Path) -> "Iterator[tuple[Path, _Commit]]":
    """A hidden folder beside the final file, and the function that gives the file in it its final name.

    A second export of the same file gets an OutputError meanwhile. Nothing is left after an error.
    """
    with AtomicFile(path, locked=True) as file:
        with os_errors_as_output_errors(path):
            folder = Path(tempfile.mkdtemp(prefix=".detcli-", suffix=".part", dir=path.parent))
        try:
            yield folder, _Commit(path, file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _Commit:
    """Copies a file, and its .bin before it, to their final names."""

    def __init__(self, path: Path, file: AtomicFile) -> None:
        self._path, self._file = path, file

    def __call__(self, temporary: Path) -> None:
        weights = temporary.with_suffix(".bin")
        if temporary.suffix == ".xml":
            with os_errors_as_output_errors(self._path):
                self._path.unlink(missing_ok=True)  # an old graph never has the new weights
            with AtomicFile(self._path.with_suffix(".bin")) as file:
                _copy(weights, file)
        _copy(temporary, self._file)


def _copy(source: Path, target: AtomicFile) -> None:
    with os_errors_as_output_errors(source), source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            target.write(chunk)
