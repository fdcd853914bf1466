"""Names and paths of the files of a model; reads no tensors and needs no torch."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from detcli.checkpoints.catalog import CatalogEntry
from detcli.checkpoints.hub.checksums import combined_sha256, sha256_of_file
from detcli.checkpoints.json_files import read_document
from detcli.errors import DamagedModelError, UnsupportedModelError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # of transformers; its `image_processor` has the same fields
WEIGHTS = "model.safetensors"
PICKLED_WEIGHTS = "pytorch_model.bin"  # of transformers before safetensors; read as a .pth file is
WEIGHTS_INDEX = "model.safetensors.index.json"
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX_BYTES = 4 * 1024 * 1024
_TRAINER_FOLDER = re.compile(r"checkpoint-(\d{1,12})")
_TRAINER_STATE = "trainer_state.json"
EXPORTED_SUFFIXES = (".onnx", ".xml")
ADAPTER_CONFIG = "adapter_config.json"
# Networks with the same tensors: of D-FINE; of DEIM, and of RT-DETRv4, which has its activations.
Variant = Literal["dfine", "deim"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
_ORIGINAL_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Paths and origin of the files of a model.

    name        as the user named the model
    folder      with config.json and the weights
    repository  of the Hub; None for a local model
    commit      of the repository
    sha256      of the weights; None: unknown before they are read
    entry       of the catalog; None: not in the catalog
    weights     name of the weights file in the folder, or of the index of its shards
    notes       sentences for the user: what was chosen
    variant     of the network, if the user gives it
    """

    name: str
    folder: Path
    repository: str | None = None
    commit: str | None = None
    sha256: str | None = None
    entry: CatalogEntry | None = None
    weights: str = WEIGHTS
    notes: tuple[str, ...] = ()
    variant: Variant | None = None

    @classmethod
    def in_folder(cls, name: str, folder: Path) -> "ModelFiles":
        """Return the files of a model in a folder, or in a checkpoint of the run of transformers' Trainer in it.

        Raises DamagedModelError and UnsupportedModelError as `find_weights` does.
        """
        checkpoint, why = trainer_checkpoint(folder)
        _refuse_adapter(checkpoint)
        if not why:
            return cls(name, folder, weights=find_weights(folder))
        note = f"'{name}' is a folder of transformers' Trainer; using '{checkpoint.name}' in it, {why}"
        return cls(name, checkpoint, weights=find_weights(checkpoint), notes=(note,))

    @property
    def dataset(self) -> str | None:
        """The dataset whose classes the model has, if it is in the catalog."""
        return None if self.entry is None else self.entry.labels

    @property
    def is_pickled(self) -> bool:
        """Whether the weights are transformers' own pickle, with config.json next to it."""
        return self.weights == PICKLED_WEIGHTS and (self.folder / CONFIG).exists()


def _refuse_adapter(folder: Path) -> None:
    """Raise UnsupportedModelError for a folder whose weights are changed by an adapter, as transformers would load it."""
    if os.path.exists(folder / ADAPTER_CONFIG):  # noqa: PTH110 - False for a folder that cannot be read, which is told later
        raise UnsupportedModelError(
            f"'{folder}' has an adapter of PEFT ({ADAPTER_CONFIG}), which is not applied: merge it into the weights with "
            "merge_and_unload() of PEFT, and save them in a folder of their own"
        )


def find_weights(folder: Path) -> str:
    """Return the name of the weights in a folder: one file, else an index of shards.

    The pickle of transformers counts if config.json is next to it. Raises DamagedModelError if there are none or the folder
    cannot be read, and UnsupportedModelError if there are only other pickles.
    """
    try:
        for name in (WEIGHTS, WEIGHTS_INDEX):
            if (folder / name).exists():
                return name
        if (folder / PICKLED_WEIGHTS).exists() and (folder / CONFIG).exists():
            return PICKLED_WEIGHTS
        if (folder / f"{PICKLED_WEIGHTS}.index.json").exists():
            raise UnsupportedModelError(
                f"'{folder}' has its weights in several .bin files and no {WEIGHTS}: load it with transformers, and its "
                f"save_pretrained() writes {WEIGHTS}"
            )
        others = sorted(path for path in folder.iterdir() if is_original(path))
    except OSError as error:
        raise DamagedModelError(f"cannot read the folder '{folder}': {error.strerror}") from error
    if others:
        raise UnsupportedModelError(
            f"'{folder}' has '{others[0].name}' but no {WEIGHTS}: use the path of that file, '{others[0]}', or convert it"
        )
    raise DamagedModelError(f"'{folder}' is not a model folder: it has no {WEIGHTS}")


def trainer_checkpoint(folder: Path) -> tuple[Path, str]:
    """Return the best checkpoint in the folder of a Trainer's run that has no model of its own, else the last one; and why.

    Other folders are returned as they are, with an empty text.
    """
    with suppress(OSError):
        if any((folder / name).exists() for name in (CONFIG, WEIGHTS, WEIGHTS_INDEX, PICKLED_WEIGHTS)):
            return folder, ""
        steps = {
            int(match[1]): path
            for path in folder.iterdir()
            if (match := _TRAINER_FOLDER.fullmatch(path.name)) and (path / CONFIG).is_file()
        }
        if steps:
            last = steps[max(steps)]
            best = last.with_name(_best_name(last) or last.name)
            named = _best_name(last) == best.name and best in steps.values()
            return (best, "the best of the run") if named else (last, "the last of the run")
    return folder, ""


def _best_name(checkpoint: Path) -> str:
    """Return the name of the run's best checkpoint, as the state of the Trainer says; empty if it does not."""
    with suppress(DamagedModelError):
        best = read_document(checkpoint / _TRAINER_STATE, max_bytes=MAX_INDEX_BYTES).get("best_model_checkpoint")
        name = re.split(r"[/\\]", best.rstrip("/\\"))[-1] if isinstance(best, str) else ""
        return name if _TRAINER_FOLDER.fullmatch(name) else ""
    return ""


def weight_files(weights: Path) -> list[Path]:
    """Return the safetensors files of `weights`, a file or an index of shards.

    Raises DamagedModelError for an index with names of files in other folders.
    """
    if not weights.name.endswith(INDEX_SUFFIX):
        return [weights]
    return [weights.parent / name for name in shard_names(read_document(weights, max_bytes=MAX_INDEX_BYTES), weights)]


def shard_names(index: dict[str, Any], path: Path) -> list[str]:
    """Return the sorted names of the shards in an index. Raises DamagedModelError for a path to another folder."""
    names = set(weight_map(index, path).values())
    for name in names:
        if not name.endswith(".safetensors") or name.startswith(".") or set(name) & set('/\\:\0*?"<>|'):
            raise DamagedModelError(
                f"'{path.name}' names the shard '{name}', which is not a safetensors file next to it"
            )
    return sorted(names)


def sha256_of_weights(weights: Path) -> str:
    """Return the sha256 of a weights file in hex; for several files, that of the lines that `sha256sum` prints for them.

    Several files are shards, and .xml and .bin of OpenVINO.
    """
    is_graph = weights.suffix.lower() == ".xml"
    files = [weights.with_suffix(".bin"), weights] if is_graph else weight_files(weights)
    if len(files) == 1:
        return sha256_of_file(files[0])
    return combined_sha256({file.name: sha256_of_file(file) for file in files})


def is_exported(path: str | Path) -> bool:
    """Whether a file has the suffix of an exported model: .onnx, or .xml of OpenVINO."""
    return str(path).lower().endswith(EXPORTED_SUFFIXES)


def is_original(path: Path) -> bool:
    """Whether the suffix of a file is that of a PyTorch checkpoint, as the original repositories write them."""
    return path.suffix.casefold() in _ORIGINAL_SUFFIXES


def weight_map(index: dict[str, Any], path: Path) -> dict[str, str]:
    """Return the shard of each tensor in an index. Raises DamagedModelError."""
    mapping = index.get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(isinstance(name, str) for name in mapping.values()):
        raise DamagedModelError(f"'{path.name}' has no weight_map from tensors to shards")
    return mapping
