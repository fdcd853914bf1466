"""What `detcli.toml` of the current folder may set: the folder may come from a stranger, so only what is listed here.

A setting that is in no list is refused: it could read, send, run or overwrite something outside the folder.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ANYTHING = frozenset(
    """
    accumulate anchor batch bin bootstrap calibration-images camera-rate camera-size classes cluster-chunk
    cluster-workers color copy-images dc5 debug decode decoder-layers deterministic device dry-run duration epochs
    evaluate-every exclude ext field first-pixel format fps freeze group-by header hide-labels hide-scores imgsz iou-type json
    limit line line-width live log-format lr map margin mask-threshold masks max-area max-det max-failures
    max-frames max-hours min-area min-map mosaic near-duplicates new-only nms nms-agnostic no-images no-masks no-optimize no-reconnect
    no-recursive no-scores null only outputs overlap-threshold pad part parts patience precision progress queries
    region renumber repeat results-format rows rule runtime score scratch seed select set shard show
    show-epoch show-images show-uncertainty sinks start strict stride task test threshold thumbnail tile tile-and-full tile-overlap to
    track train-classes uncertainty variant verbose watch weak-boxes workers worst zone
    """.split()  # noqa: SIM905 - as a list, 60 lines
)
"""Settings with which nothing but the results change."""

OUTPUTS = frozenset(
    [
        "counts",
        "events",
        "find-lr",
        "output",
        "plot",
        "save-crops",
        "save-images",
        "save-masks",
        "save-plots",
        "save-video",
        "save-worst",
        "show-batch",
    ]
)
"""Settings that name what is written: only new files in the current folder."""

SAFE_VALUES: Mapping[str, tuple[Any, ...]] = {
    "clear": (False,),  # removes compiled networks
    "compile": (False,),  # runs a compiler, which has a cache
    "csv-safe": (True,),
    "if-exists": ("error", "skip"),
    "log-to": ("none", "tensorboard"),  # others send data away
    "network": (False,),
    "offline": (True,),
    "quiet": (False,),  # hides which settings are used
    "resume": (False,),  # continues files that exist
    "update": (False,),
    "yes": (False,),
}
"""Settings of which some values protect the user, and the others take protection away."""

NAME = "{name}"  # in an output: the name of each source


def refusal(key: str, value: Any) -> str | None:
    """Why the file of the current folder may not set a key to a value of TOML; None where it may."""
    if key in ANYTHING:
        return None
    if key in OUTPUTS:
        return next((reason for path in _texts(value) if (reason := _outside(path))), None)
    if key in SAFE_VALUES:
        return None if value in SAFE_VALUES[key] else f"{_shown(value)} takes a protection away"
    if key in ("model", "teacher"):
        return _no_catalog_name(value)
    return "it may read, send or replace what is outside the folder"


def _no_catalog_name(value: Any) -> str | None:
    from detcli.checkpoints.catalog import CATALOG  # a file without a model does not need it

    is_known = isinstance(value, str) and value in CATALOG
    return None if is_known else f"{_shown(value)} is not a name of 'detcli models list'"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)[:80]


def _texts(value: Any) -> Iterator[str]:
    yield from map(str, value if isinstance(value, list) else [value])


def _outside(text: str) -> str | None:
    """Why an output is not safely inside the current folder, or None. Names alone decide first: a network path is not opened."""
    path = Path(text)
    if text == "-":
        return None
    if path.is_absolute() or path.drive or path.root or ".." in path.parts:
        return f"'{text}' is not a path inside the current folder"
    if any(part.startswith(".") for part in path.parts):
        return f"'{text}' is hidden, as files of other programs are, such as those of git"
    try:
        link = next(_links(path), None)
    except (OSError, ValueError, RuntimeError):  # loops, NUL, no permission
        return f"'{text}' cannot be checked"
    return None if link is None else f"'{link}' is a link or a device, which may lead out of the current folder"


def _links(path: Path) -> Iterator[Path]:
    """A folder of the path that is not inside the current folder; links below the path, and among the files that belong to it.

    These are a journal, a folder of parts and a folder of PNGs, with the name of the output and another ending; `{name}` stands for any name.
    """
    number = next((number for number, part in enumerate(path.parts) if NAME in part), len(path.parts) - 1)
    folder, last = Path(*path.parts[: max(number, 0)]), path.parts[number] if path.parts else ""
    if not _is_inside(folder):
        yield folder
        return
    if not os.path.lexists(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if _belongs(entry.name, last):
                yield from _links_below(entry)


def _belongs(name: str, output: str) -> bool:
    """Whether a file belongs to an output of the same folder; letters are compared as macOS and Windows do."""
    name, output = name.casefold(), output.casefold()
    start, placeholder, _ = output.partition(NAME)
    if placeholder:
        return name.startswith(start)
    if output == "labels" and name in ("images", "data.yaml", "train.txt", "val.txt", "classes.txt"):  # --no-scores
        return True
    return not output or name in (output, f"{output}.journal", f"{output}.parts", Path(output).stem)


def _links_below(entry: os.DirEntry[str]) -> Iterator[Path]:
    if _is_link(entry) or not (entry.is_file() or entry.is_dir()):
        yield Path(entry.path)
    elif entry.is_dir():
        with os.scandir(entry.path) as entries:
            for below in entries:
                yield from _links_below(below)


def _is_link(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or (sys.platform == "win32" and not _is_inside(Path(entry.path)))  # a junction


def _is_inside(path: Path) -> bool:
    """Whether a path, its links followed, is in the current folder."""
    real, root = os.path.realpath(path), os.path.realpath(os.curdir)
    return real == root or real.startswith(os.path.join(root, ""))  # noqa: PTH118 - with one separator at its end
