"""Which files make a model, and how to tell that a folder has them; reads no tensor and needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.checkpoints.catalog import CatalogEntry
from detcli.checkpoints.hub.checksums import combined_sha256, sha256_of_file
from detcli.checkpoints.json_files import read_document
from detcli.errors import DamagedModelError, UnsupportedModelError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX_BYTES = 4 * 1024 * 1024
_ORIGINAL_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model's files lie, and what is known of them.

    name        as the user gave it
    folder      holds config.json and the weights
    repository  of the Hub, or None for a local model
    commit      of the repository
    sha256      of the weights, where it is known without reading them
    entry       of the catalog, where the model is in it
    weights     name of the weights file in the folder, or of the index of its shards
    """

    name: str
    folder: Path
    repository: str | None = None
    commit: str | None = None
    sha256: str | None = None
    entry: CatalogEntry | None = None
    weights: str = WEIGHTS


def find_weights(folder: Path) -> str:
    """The name of the weights in a folder: one file, else an index of shards.

    Raises DamagedModelError where there are none or the folder is out of reach, and UnsupportedModelError where there
    are only pickles.
    """
    try:
        for name in (WEIGHTS, WEIGHTS_INDEX):
            if (folder / name).exists():
                return name
        others = sorted(path for path in folder.iterdir() if is_original(path))
    except OSError as error:
        raise DamagedModelError(f"cannot read the folder '{folder}': {error.strerror}") from error
    if others:
        raise UnsupportedModelError(
            f"'{folder}' holds '{others[0].name}' but no {WEIGHTS}: name the file itself, or make a folder of it with "
            f"`detcli models convert '{others[0]}' -o FOLDER`"
        )
    raise DamagedModelError(f"'{folder}' holds no model: there is no {WEIGHTS} in it")


def weight_files(weights: Path) -> list[Path]:
    """The safetensors files that `weights`, a file or an index of shards, stands for.

    Raises DamagedModelError for an index that names anything but files next to it.
    """
    if not weights.name.endswith(INDEX_SUFFIX):
        return [weights]
    return [weights.parent / name for name in shard_names(read_document(weights, max_bytes=MAX_INDEX_BYTES), weights)]


def shard_names(index: dict[str, Any], path: Path) -> list[str]:
    """Names of the shards in an index, sorted. Raises DamagedModelError for a name that leaves the folder."""
    names = set(weight_map(index, path).values())
    for name in names:
        if not name.endswith(".safetensors") or name.startswith(".") or set(name) & set('/\\:\0*?"<>|'):
            raise DamagedModelError(f"'{path.name}' names the shard '{name}', which is no safetensors file next to it")
    return sorted(names)


def sha256_of_weights(weights: Path) -> str:
    """The sha256 of a weights file in hex; of several shards, that of the lines `sha256sum` prints for them."""
    files = weight_files(weights)
    if len(files) == 1:
        return sha256_of_file(files[0])
    return combined_sha256({file.name: sha256_of_file(file) for file in files})


def is_original(path: Path) -> bool:
    """Whether a file's name says that PyTorch wrote it, as the original repositories have their weights written."""
    return path.suffix.casefold() in _ORIGINAL_SUFFIXES


def weight_map(index: dict[str, Any], path: Path) -> dict[str, str]:
    """Shard by tensor in an index. Raises DamagedModelError."""
    mapping = index.get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(isinstance(name, str) for name in mapping.values()):
        raise DamagedModelError(f"'{path.name}' has no weight_map from tensors to shards")
    return mapping
