"""Which of the words of a benchmark are models, and which are images."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from detcli.checkpoints.catalog import CATALOG
from detcli.checkpoints.model_files import CONFIG, EXPORTED_SUFFIXES
from detcli.io.images.formats import IMAGE_SUFFIXES

_IMAGES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", *EXPORTED_SUFFIXES)


def split_models(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models and sources, each in the order of the words.

    A model is a name of the catalog, a file of weights, a folder with config.json, or a name that is neither a path that
    exists, a URL, a glob nor an image; everything else is a source.
    """
    models = tuple(word for word in words if _is_model(word))
    return models, tuple(word for word in words if not _is_model(word))


def _is_model(word: str) -> bool:
    if word in CATALOG or word.lower().endswith(_WEIGHTS):
        return True
    if "://" in word or any(letter in word for letter in "*?[") or word == "-":
        return False
    with suppress(OSError, ValueError):
        path = Path(word)
        if path.exists():
            return path.is_dir() and _has_model(path)
    return not word.lower().endswith(_IMAGES)


def _has_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or any(folder.glob("checkpoint-*/" + CONFIG))
