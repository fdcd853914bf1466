"""docs/reference/python.md: every public name, for mkdocstrings to describe from its docstring."""

from collections.abc import Iterable, Iterator

import detcli
from detcli.cli.docs.reference.markdown import page

# The order in which a reader needs them; other names follow in the order of the alphabet.
_FIRST = ("load_detector", "detect", "segment", "track_video", "train", "evaluate", "open_source", "open_video")
_FIRST_CLASSES = ("Detector", "DetectionResult", "Detection", "Detections", "ClassLabels", "Frame", "FailedFrame")


def python_page() -> str:
    """The text of the page."""
    return page(_lines())


def sections() -> dict[str, list[str]]:
    """Heading -> the names of `detcli.__all__` below it."""
    names = [name for name in detcli.__all__ if not name.startswith("_")]
    errors = [name for name in names if name.endswith("Error")]
    functions = [name for name in names if name.islower()]
    classes = [name for name in names if name not in (*errors, *functions)]
    return {
        "Functions": _ordered(functions, _FIRST),
        "Classes": _ordered(classes, _FIRST_CLASSES),
        "Errors": _ordered(errors, ("DetcliError",)),
    }


def _ordered(names: Iterable[str], first: tuple[str, ...]) -> list[str]:
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))


def _lines() -> Iterator[str]:
    yield "# Python API"
    yield "The public names of the package; [the guide](../guides/python.md) shows how to use them. Names that are not listed"
    yield "here may change in any version. `detcli.__version__` is the version."
    for heading, names in sections().items():
        yield from ("", f"## {heading}")
        for name in names:
            yield from ("", f"::: detcli.{name}")
