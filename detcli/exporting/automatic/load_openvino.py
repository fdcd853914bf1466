"""A checkpoint -> a detector that OpenVINO runs: from the cache without torch, or compiled and compared with torch first."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from detcli.checkpoints.model_files import CONFIG, PREPROCESSOR, PROCESSOR, ModelFiles, sha256_of_weights
from detcli.errors import DamagedModelError, DetcliError, DeviceError, OutputError, UnsupportedModelError
from detcli.inference.detector import Detector
from detcli.inference.load_exported import exported_detector
from detcli.inference.load_settings import LoadSettings
from detcli.libraries import require_torch
from detcli.runtimes.cached_openvino import openvino_facts
from detcli.runtimes.compiled_cache import CompiledCache, CompiledEntry, cache_of_environment, entry_name, not_kept
from detcli.runtimes.openvino_runtime import OpenVinoRuntime


def load_with_openvino(files: ModelFiles, settings: LoadSettings) -> Detector:
    """Load a checkpoint; what OpenVINO compiled is kept in a cache.

    settings  `runtime` is auto: torch runs the model where OpenVINO cannot, and a note says why; openvino: it raises

    Raises what `load_detector` raises; UsageError for `runtime=openvino` if the CPU lacks the precision.
    """
    cache = cache_of_environment()
    required = settings.runtime == "openvino"
    if cache is None and not required:
        return _Checkpoint(files, settings).torch_detector()
    name = _entry_name(files, settings)
    entry = cache.read(name) if cache is not None else None
    if entry is not None and entry.failure is not None and not required:
        return _Checkpoint(files, settings).torch_detector(entry.failure)
    if entry is not None and entry.failure is None:
        try:
            return _compiled_detector(files, settings, entry)
        except (DeviceError, DamagedModelError):  # of another build of OpenVINO, for example
            pass
    return _prepared(_Checkpoint(files, settings), settings, cache, name)


class _Checkpoint:
    """A checkpoint that was read, for both runtimes."""

    def __init__(self, files: ModelFiles, settings: LoadSettings) -> None:
        require_torch(f"'{files.name}' is a checkpoint: it needs")
        from detcli.inference.load_checkpoint import CheckpointLoader
        from detcli.inference.read_model import read_model

        self._checkpoint = read_model(files)
        self.files = replace(files, sha256=self._checkpoint.sha256)
        self._settings = settings
        self._loader = CheckpointLoader(replace(settings, runtime="torch"), self._checkpoint, self.files)

    def torch_detector(self, *notes: str) -> Detector:
        """The detector that torch runs, with more notes."""
        detector = self._loader.detector()
        detector.model = replace(detector.model, notes=(*detector.model.notes, *notes))
        return detector

    def prepare(self, cache: CompiledCache | None) -> CompiledEntry:
        """Compile it, and compare it with torch; `cache` is where the result will be kept."""
        from detcli.exporting.automatic.prepare_openvino import check_machine, plain_settings, prepare
        from detcli.inference.load_checkpoint import CheckpointLoader

        check_machine(self._settings)
        loader = CheckpointLoader(plain_settings(self._settings), self._checkpoint, self.files)
        parts = loader.parts()  # refuses settings that the network does not have, before the user is told to wait
        if self._settings.on_preparation is not None:
            self._settings.on_preparation(_preparation(self.files.name, cache))
        return prepare(loader, parts, self.files, self._settings, self._checkpoint.assumed)

    @property
    def many_sizes(self) -> bool:
        """Whether images keep their aspect ratio."""
        return self._loader.preprocessing().size_hw is None


def _prepared(checkpoint: _Checkpoint, settings: LoadSettings, cache: CompiledCache | None, name: str) -> Detector:
    """Compile, compare with torch, keep the result, and load."""
    files, required = checkpoint.files, settings.runtime == "openvino"
    if checkpoint.many_sizes and not required:
        return checkpoint.torch_detector()  # each new size would wait for the compiler
    try:
        if cache is not None and not required:
            cache.check_writable()  # else each run would wait for the compiler
        entry = checkpoint.prepare(cache)
    except DetcliError as error:
        if required:
            raise
        return checkpoint.torch_detector(f"torch runs '{files.name}', not OpenVINO: {error}")
    notes = []
    try:
        if cache is not None:
            cache.write(name, entry)
    except OutputError as error:
        notes = [not_kept(error)]
    if entry.failure is None:
        return _compiled_detector(files, settings, replace(entry, notes=(*entry.notes, *notes)))
    if required:
        raise UnsupportedModelError(entry.failure)
    return checkpoint.torch_detector(entry.failure)


def _preparation(model: str, cache: CompiledCache | None) -> str:
    """What the user waits for, as a sentence."""
    once = "" if cache is None else ", once"
    later = "" if cache is None else f"; later runs load the result from '{cache.folder}'"
    return (
        f"preparing {model} for OpenVINO{once}: compiling it and comparing its detections with torch takes up to a minute"
        f"{later}"
    )


def _compiled_detector(files: ModelFiles, settings: LoadSettings, entry: CompiledEntry) -> Detector:
    runtime = OpenVinoRuntime(
        None, entry.facts, precision=settings.openvino_precision, batch=entry.facts.batch, blobs=entry.blobs
    )
    located = replace(files, sha256=entry.facts.sha256)
    facts = replace(
        entry.facts, nms=None if files.entry is None else files.entry.nms
    )  # of the catalog, not of the cache
    return exported_detector(located, facts, settings, runtime, notes=entry.notes, assumed=entry.assumed)


def _entry_name(files: ModelFiles, settings: LoadSettings) -> str:
    """The name in the cache, from everything that the compiled network and its facts depend on."""
    facts = {
        "weights": files.sha256 or sha256_of_weights(files.folder / files.weights),
        "documents": {name: _sha256_of(files.folder / name) for name in (CONFIG, PREPROCESSOR, PROCESSOR)},
        "name": files.name,  # in notes
        "origin": (files.repository, files.commit, files.entry and files.entry.name),
        "variant": files.variant,
        "image_size": settings.image_size,
        "batch_size": settings.batch_size,
        "queries": settings.queries,
        "decoder_layers": settings.decoder_layers,
        "uncertainty": settings.uncertainty,
        "precision": settings.openvino_precision,
        **openvino_facts(),
    }
    return entry_name(files.name, facts)


def _sha256_of(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
