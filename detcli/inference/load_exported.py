"""An exported file -> a detector that OpenVINO or ONNX Runtime runs, without torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from detcli.checkpoints.model_files import ModelFiles, sha256_of_weights
from detcli.checkpoints.score_threshold import StoredThreshold
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.batches.batching import BatchSettings
from detcli.inference.detector import Detector
from detcli.inference.load_settings import LoadSettings
from detcli.inference.model_info import ModelInfo
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.exported_padding import check_padding
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.libraries import is_installed, require_torch
from detcli.runtimes.exported.exported_facts import ExportedFacts, read_facts
from detcli.runtimes.exported.onnx_files import SUFFIX as ONNX_SUFFIX
from detcli.runtimes.exported.onnx_files import read_onnx_facts
from detcli.runtimes.exported.openvino_files import read_openvino_facts
from detcli.runtimes.exported.quick_metadata import quick_metadata
from detcli.runtimes.runtime import RUNTIMES, Runtime


def load_exported(files: ModelFiles, settings: LoadSettings) -> Detector:
    """Load an .onnx or .xml file that detcli exported.

    Raises UsageError for settings that are fixed by the export, and ModelError for a file that is damaged, foreign, or for
    which no runtime is installed.
    """
    path = files.folder / files.weights
    name = _runtime_name(path, settings)
    text = quick_metadata(path)  # a runtime reads the graph only once
    facts = read_facts_of(path, name) if text is None else read_facts(text, path)
    name = _runtime_of_precision(path, name, facts, settings)
    _check_settings(path, facts, settings)
    sha256 = sha256_of_weights(path)
    runtime, notes = _runtime(path, name, facts, settings, sha256=sha256)
    origin = replace(files, repository=facts.repository, commit=facts.commit, sha256=sha256)
    return exported_detector(origin, facts, settings, runtime, notes=notes)


def read_facts_of(path: Path, runtime: str | None = None) -> ExportedFacts:
    """Read the metadata of an exported file.

    runtime  that reads it; None: the one that is installed. Raises ModelError
    """
    reader = read_onnx_facts if (runtime or _installed(path)) == "onnx" else read_openvino_facts
    return reader(path)


def _runtime_name(path: Path, settings: LoadSettings) -> str:
    is_onnx = path.suffix.lower() == ONNX_SUFFIX
    if settings.runtime == "torch":
        raise UsageError(f"`runtime=torch` runs checkpoints; '{path.name}' is an exported file")
    if settings.runtime == "onnx" and not is_onnx:
        raise UsageError(f"`runtime=onnx` runs .onnx files; '{path.name}' is a file of OpenVINO")
    return _installed(path) if settings.runtime == "auto" else settings.runtime


def _runtime_of_precision(path: Path, name: str, facts: ExportedFacts, settings: LoadSettings) -> str:
    """The runtime that runs a file of this precision: OpenVINO computes other numbers from an int8 .onnx file."""
    if facts.precision != "int8" or path.suffix.lower() != ONNX_SUFFIX:
        return name
    if settings.runtime == "openvino":
        raise UsageError(
            f"`runtime=openvino`: '{path.name}' is an .onnx file in int8, which ONNX Runtime runs; export it to openvino"
        )
    return "onnx"


def _installed(path: Path) -> str:
    """OpenVINO where it is installed, since it is faster; else ONNX Runtime for its files."""
    is_onnx = path.suffix.lower() == ONNX_SUFFIX
    return "onnx" if is_onnx and not is_installed("openvino") else "openvino"


def _check_settings(path: Path, facts: ExportedFacts, settings: LoadSettings) -> None:
    if settings.device not in ("auto", "cpu"):
        raise UsageError(f"`device={settings.device}`: exported files run on the CPU")
    for name in ("pad", "deterministic", "compile"):
        if getattr(settings, name):
            raise UsageError(f"`{name}` is for checkpoints that torch runs; '{path.name}' is an exported file")
    if not settings.optimize:
        raise UsageError(f"`optimize` is fixed by the export of '{path.name}'")
    for name in ("queries", "decoder_layers"):
        if getattr(settings, name) is not None:
            raise UsageError(f"`{name}` is fixed by the export of '{path.name}'")
    if settings.image_size is not None and facts.size_hw is not None and settings.image_size != facts.size_hw:
        height, width = facts.size_hw
        raise UsageError(
            f"`image_size`: '{path.name}' was exported for {height} x {width}; export it again for another size"
        )
    if settings.batch_size is not None and facts.batch is not None and settings.batch_size > facts.batch:
        raise UsageError(f"`batch_size`: '{path.name}' was exported for batches of {facts.batch}")
    if settings.uncertainty and not facts.uncertainty:
        raise UsageError(f"`uncertainty`: '{path.name}' was exported without it; export a D-FINE model with it")
    if settings.segmentation is not None and not facts.masks:
        raise UnsupportedModelError(f"'{path.name}' detects boxes, not masks")
    if settings.segmentation is not None:
        require_torch("exported models detect boxes without torch, but masks need")


def exported_detector(
    files: ModelFiles,
    facts: ExportedFacts,
    settings: LoadSettings,
    runtime: Runtime[Any, Any],
    *,
    notes: tuple[str, ...] = (),
    assumed: tuple[str, ...] = (),
) -> Detector:
    """Make the detector of an exported network.

    files    of the model, as the detector tells them
    notes    sentences for the user
    assumed  what the model's files do not tell

    Raises UsageError for unknown classes and contradicting settings, and ModelError for invalid preprocessing.
    """
    preprocessing = Preprocessing.from_json(facts.preprocessor, size_divisor=facts.size_divisor, file=files.name)
    if settings.image_size is not None and facts.size_hw is None:
        preprocessing = preprocessing.with_size(settings.image_size, facts.size_divisor)
    check_padding(preprocessing)
    selection = settings.selection(
        facts.labels, facts.scores, threshold=facts.threshold, nms=facts.nms, class_thresholds=facts.class_thresholds
    )
    size = runtime.fixed_batch or settings.batch_size or 1
    return Detector(
        ModelInfo(
            files,
            facts.labels,
            notes,
            assumed,
            queries=settings.queries,
            decoder_layers=settings.decoder_layers,
            stored_threshold=StoredThreshold(facts.threshold, facts.threshold_source, facts.class_thresholds)
            if facts.threshold_source
            else None,
            uncertainty=facts.uncertainty,
        ),
        runtime,
        preprocessor=ArrayPreprocessor(preprocessing),
        selection=selection,
        batches=BatchSettings(size, compiled=runtime.fixed_batch is not None),
        segmentation=settings.segments(selection, facts.labels),
    )


def _runtime(
    path: Path, name: str, facts: ExportedFacts, settings: LoadSettings, *, sha256: str
) -> tuple[Runtime[Any, Any], tuple[str, ...]]:
    """The runtime, and sentences for the user."""
    precision = "fp32" if settings.precision == "auto" else settings.precision
    if name == "openvino":
        one_size = facts.size_hw is not None
        batch = facts.batch or ((settings.batch_size or 1) if one_size else None)
        from detcli.runtimes.cached_openvino import cached_runtime

        return cached_runtime(path, facts, sha256=sha256, precision=precision, batch=batch)
    if precision != "fp32":
        raise UsageError(f"`precision={precision}`: the runtime onnx computes as the file says, in {facts.precision}")
    return RUNTIMES[name](path, facts), ()
