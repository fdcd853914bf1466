"""Compiles a checkpoint for OpenVINO, and compares its detections with those of torch."""

import tempfile
from pathlib import Path

from detcli.checkpoints.model_files import ModelFiles
from detcli.exporting.automatic.agreement import AGREEMENTS, comparison_frames, difference
from detcli.exporting.onnx_export import export_onnx, onnx_package
from detcli.inference.load_checkpoint import CheckpointLoader, ModelParts
from detcli.inference.load_exported import exported_detector
from detcli.inference.load_settings import LoadSettings
from detcli.runtimes.compiled_cache import CompiledEntry
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.openvino_runtime import OpenVinoRuntime, check_cpu

_COMPARED = 100  # detections of an image


def check_machine(settings: LoadSettings) -> None:
    """Check what `prepare` needs, before the user waits for it. Raises UnsupportedModelError and UsageError."""
    check_cpu(settings.openvino_precision)
    onnx_package()


def prepare(
    loader: CheckpointLoader, parts: ModelParts, files: ModelFiles, settings: LoadSettings, assumed: tuple[str, ...]
) -> CompiledEntry:
    """Compile a model, and compare 100 detections in each of four images.

    loader    of the checkpoint with `plain_settings`
    parts     of this loader
    settings  of the detector that will use it
    assumed   what the model's files do not tell

    `check_machine` was called. Raises UnsupportedModelError if the network cannot be exported, DeviceError, and OutputError if
    there is no space for temporary files.
    """
    size_hw = parts.preprocessing.size_hw
    facts = ExportedFacts(
        model=files.name,
        labels=parts.labels,
        preprocessor=parts.preprocessing.as_json(),
        size_divisor=parts.family.size_divisor,
        scores=parts.family.scores,
        threshold=parts.threshold,
        threshold_source="" if parts.stored_threshold is None else parts.stored_threshold.source,
        class_thresholds={} if parts.stored_threshold is None else parts.stored_threshold.classes,
        size_hw=size_hw,
        batch=None if size_hw is None else settings.batch_size or 1,
        repository=files.repository,
        commit=files.commit,
        sha256=files.sha256,
        uncertainty=parts.uncertainty,
    )
    precision = settings.openvino_precision
    with tempfile.TemporaryDirectory(prefix="detcli-") as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(parts.network, facts, path, max_detections=settings.max_detections)
        blobs = OpenVinoRuntime(path, facts, precision=precision, batch=facts.batch).blobs()
    runtime = OpenVinoRuntime(None, facts, precision=precision, batch=facts.batch, blobs=blobs)  # as later runs load it
    frames = comparison_frames()
    found = exported_detector(files, facts, plain_settings(settings), runtime).with_settings(threshold=0.0, nms="off")
    expected = loader.detector().with_settings(threshold=0.0, nms="off")
    differing = difference(found.detect_frames(frames), expected.detect_frames(frames), AGREEMENTS[precision])
    failure = None
    if differing is not None:
        failure = f"torch runs '{files.name}': OpenVINO gives other detections on this machine: {differing}"
    return CompiledEntry(facts, failure, parts.notes, assumed, () if failure else blobs)


def plain_settings(settings: LoadSettings) -> LoadSettings:
    """The settings that both runtimes are compared with: the same network, without a selection of detections."""
    return LoadSettings(
        max_detections=_COMPARED,
        image_size=settings.image_size,
        precision="fp32",
        runtime="torch",
        device="cpu",
        queries=settings.queries,
        decoder_layers=settings.decoder_layers,
        uncertainty=settings.uncertainty,
    )
