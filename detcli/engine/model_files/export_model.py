"""Exports a model: from a request to a checked ONNX or OpenVINO file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.model_files.calibration_images import calibration_images, read_calibration_images
from detcli.engine.model_files.export_accuracy import check_data, compare_accuracy
from detcli.engine.model_files.export_commit import named_after
from detcli.engine.model_files.export_packages import check_packages, runtimes_for
from detcli.engine.model_files.load_model import DownloadReporter
from detcli.engine.model_files.parity_images import compare, most_compared, parity_images
from detcli.engine.requests.export_request import ExportObserver, ExportRequest, ExportResult
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS
from detcli.io.outputs import prepare_output

if TYPE_CHECKING:
    from detcli.checkpoints.checkpoint_files import Checkpoint
    from detcli.checkpoints.model_files import ModelFiles
    from detcli.inference.detector import Detector
    from detcli.inference.load_checkpoint import CheckpointLoader
    from detcli.inference.load_settings import LoadSettings
    from detcli.inference.preprocessing.preprocessing import Preprocessing
    from detcli.inference.segmentation.segmentation_settings import Task
    from detcli.runtimes.exported.exported_facts import ExportAccuracy, ExportedFacts
    from detcli.structures.frame import Frame

__all__ = ["ExportObserver", "ExportRequest", "ExportResult", "check_inputs", "export_model", "prepare_export"]


def export_model(request: ExportRequest, *, observer: ExportObserver | None = None) -> ExportResult | None:
    """Export a model and check the file against the checkpoint; None if the file exists and is skipped.

    The file gets its name only after the check. Raises UsageError, ModelError, HubError, AccessError, OutputError,
    InputError where no image for the check can be read, and GateError where the file does not give the same detections.
    """
    observer = ExportObserver() if observer is None else check_instance("observer", observer, ExportObserver)
    plan = prepare_export(request, observer=observer)
    return None if plan is None else plan.run(observer)


def prepare_export(request: ExportRequest, *, observer: ExportObserver | None = None) -> "ExportPlan | None":
    """Check outputs, packages and images, and load the checkpoint; None if the file exists and is skipped."""
    observer = observer or ExportObserver()
    for path in reversed(request.paths):
        if not prepare_output(path, if_exists=request.if_exists, resumable=False):
            observer.on_skipped_output(path)
            return None
    images = check_inputs(request)
    return ExportPlan(request, *_read_checkpoint(request, observer), *images)


def check_inputs(request: ExportRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check packages and the dataset, and list the images for the check and for calibration; none is read.

    Raises UsageError, InputError and DataError.
    """
    check_packages(request)
    calibration = () if request.calibrate is None else calibration_images(request.calibrate, request.calibration_images)
    images = parity_images(request.images, calibration)
    if request.data is not None:
        check_data(request.data)
    return images, calibration


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A checked export of a checkpoint that is read.

    images       for the check
    calibration  images for the ranges of int8
    """

    request: ExportRequest
    checkpoint: "Checkpoint"
    files: "ModelFiles"
    images: tuple[str, ...]
    calibration: tuple[str, ...] = ()

    def run(self, observer: ExportObserver) -> ExportResult:
        """Write the file, check it, and give it its name."""
        request = self.request
        with named_after(request.path) as (folder, commit):
            temporary = folder / request.path.name
            facts = self._write(temporary, observer)
            observer.on_written(temporary)
            observer.on_step(f"comparing with the checkpoint on {len(self.images)} images")
            parity = compare(self._detector(), temporary, facts, self.images, observer)
            if request.data is not None:
                facts = replace(facts, accuracy=self._accuracy(temporary, request.data, observer))
                self._replace_facts(temporary, facts)
            commit(temporary)
        return ExportResult(request.path, request.paths, facts, parity)

    def _detector(self) -> "Detector":
        """The checkpoint, with every score."""
        return (
            self._loader("instance")
            .detector()
            .with_settings(threshold=0.0, max_detections=most_compared(self.request), nms="off")
        )

    def _loader(self, task: "Task", *, masks: bool = True) -> "CheckpointLoader":
        from detcli.inference.load_checkpoint import CheckpointLoader

        settings = _load_settings(self.request, task if masks and self.request.masks else None)
        return CheckpointLoader(settings, self.checkpoint, self.files)

    def _write(self, path: Path, observer: ExportObserver) -> "ExportedFacts":
        """Write the file and return its metadata."""
        from detcli.exporting.onnx_export import export_onnx

        request, files = self.request, self.files
        parts = self._loader("semantic").parts()  # semantic: masks of all queries
        frames = self._calibration_frames(parts.preprocessing, observer)
        facts = replace(
            parts.exported_facts(files.name),
            batch=request.batch,
            outputs=request.outputs,
            masks=request.masks,
            precision=request.precision,
            calibration_images=len(frames) or None,
            repository=files.repository,
            commit=files.commit,
            sha256=files.sha256,
        )
        step = f", calibrated with {len(frames)} images" if frames else ""
        observer.on_step(f"exporting {files.name}{step}")
        if request.format == "onnx":
            export_onnx(parts.network, facts, path, max_detections=request.max_detections, calibration=frames)
            return facts
        from detcli.exporting.openvino_export import export_openvino

        intermediate = path.with_suffix(".onnx")
        export_onnx(parts.network, facts, intermediate, max_detections=request.max_detections)
        export_openvino(intermediate, facts, path, calibration=frames)
        return facts

    def _calibration_frames(self, preprocessing: "Preprocessing", observer: ExportObserver) -> "list[Frame]":
        given = self.request.calibrate
        if given is None:
            return []
        observer.on_step(f"reading {len(self.calibration)} images for calibration")
        return read_calibration_images(given, self.calibration, preprocessing.resize, observer)

    def _accuracy(self, path: Path, data: str, observer: ExportObserver) -> "ExportAccuracy":
        """AP of the checkpoint and of the file, from boxes with every score."""
        from detcli.inference.load import load_detector

        checkpoint = self._loader("instance", masks=False).detector().with_settings(threshold=0.0)
        (runtime, *_) = runtimes_for(path, self.request.precision)
        exported = load_detector(path, runtime=runtime, precision="fp32", threshold=0.0)
        return compare_accuracy(checkpoint, exported, data, observer)

    @staticmethod
    def _replace_facts(path: Path, facts: "ExportedFacts") -> None:
        from detcli.exporting.file_metadata import replace_facts

        replace_facts(path, facts)


def _read_checkpoint(request: ExportRequest, observer: ExportObserver) -> "tuple[Checkpoint, ModelFiles]":
    """The files of the model; they are downloaded if they are missing."""
    from detcli.checkpoints.hub.locate_model import locate
    from detcli.engine.requests.run_settings import ComputeSettings
    from detcli.inference.load_checkpoint import check_settings
    from detcli.inference.read_model import read_model

    model, name = request.model, request.model.name or ""
    check_settings(_load_settings(request, "semantic" if request.masks else None), name)
    observer.on_model_load(ComputeSettings(device="cpu"))
    download = DownloadReporter(observer)
    try:
        files = locate(
            name,
            revision=model.revision,
            offline=model.offline,
            cache_dir=model.cache_dir,
            progress=download,
            variant=model.variant,
        )
    finally:
        download.finish()
    checkpoint = read_model(files)
    for note in (*checkpoint.notes, *_setting_notes(request)):
        observer.on_warning(note)
    return checkpoint, replace(files, sha256=checkpoint.sha256)


def _setting_notes(request: ExportRequest) -> Iterator[str]:
    """Settings that this export has no use for."""
    if request.outputs == "raw" and request.max_detections != DEFAULT_MAX_DETECTIONS:
        yield "`max_detections` is for `outputs=boxes`: a file with `outputs=raw` has all queries, and `detect` selects them"


def _load_settings(request: ExportRequest, task: "Task | None") -> "LoadSettings":
    """How the checkpoint is loaded; None: without masks."""
    from detcli.inference.load_settings import LoadSettings
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    return LoadSettings(
        device="cpu",
        image_size=request.image_size,
        queries=request.queries,
        decoder_layers=request.decoder_layers,
        uncertainty=request.uncertainty,
        segmentation=None if task is None else SegmentationSettings(task, threshold=0.0),
    )
