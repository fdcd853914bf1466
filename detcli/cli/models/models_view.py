"""Rows, tables and pages of `detcli models`: the catalog joined with the downloaded models."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from detcli.checkpoints.catalog import CATALOG, CatalogEntry, find
from detcli.checkpoints.hub.hub_cache import CachedRepository, cached_repositories
from detcli.checkpoints.hub.hub_environment import cache_folder
from detcli.checkpoints.hub.locate_model import ModelFiles, cached, locate, repository_of
from detcli.checkpoints.model_files import Variant, is_exported, is_original
from detcli.cli.framework.console import escape
from detcli.cli.framework.text import megabytes
from detcli.cli.models.exported_view import class_rows, export_lines, exported_bytes, exported_facts
from detcli.errors import UsageError

Row = dict[str, Any]
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_GAP = "  "
_TASKS = {"detection": "detect", "panoptic": "detect, segment"}
# Title -> cell of a row; the last column is hidden first.
_CELLS: dict[str, Callable[[Row], str]] = {
    "name": lambda row: escape(row["name"]),
    "AP %": lambda row: "-" if row["average_precision"] is None else f"{row['average_precision']:.1f}",
    "downloaded": lambda row: megabytes(row["bytes"]) if row["cached"] else "-",
    "task": lambda row: _TASKS.get(row["task"], "-"),
    "params": lambda row: "-" if row["parameters_millions"] is None else f"{row['parameters_millions']} M",
    "labels": lambda row: row["labels"] or "-",
    "GFLOPs": lambda row: "-" if row["gflops"] is None else str(row["gflops"]),
    "PQ %": lambda row: "-" if row["panoptic_quality"] is None else f"{row['panoptic_quality']:.1f}",
    "license": lambda row: row["license"] or "-",
}
_ORDER = ("name", "task", "AP %", "PQ %", "params", "GFLOPs", "labels", "license", "downloaded")
_TEXTS = ("name", "task", "labels", "license")  # aligned on the left
_PUBLISHED = (
    "task",
    "labels",
    "label_count",
    "average_precision",
    "panoptic_quality",
    "parameters_millions",
    "gflops",
    "threshold",
    "nms",
    "license",
    "published_at",
)


def downloaded(cache_dir: Path | None) -> dict[str, CachedRepository]:
    """Downloaded models by name: the name in the catalog, else the repository."""
    root = cache_folder(cache_dir)
    named = {entry.name: CachedRepository(root, entry.repository) for entry in CATALOG.values() if entry.repository}
    local = {name: repository for name, repository in named.items() if repository.folder.is_dir()}
    others = [cached for cached in cached_repositories(root) if find(cached.repository) is None]
    return local | {other.repository: other for other in others}


def model_rows(cache_dir: Path | None) -> list[Row]:
    """The catalog, then other downloaded models; reads no weights, no network access."""
    root = cache_folder(cache_dir)
    rows = [
        _row(entry, CachedRepository(root, entry.repository)) if entry.repository else _bundled_row(entry)
        for entry in CATALOG.values()
    ]
    return rows + [_row(None, repository) for name, repository in downloaded(cache_dir).items() if name not in CATALOG]


def model_table(rows: Sequence[Row], *, width: int, bold: bool) -> tuple[list[str], list[str]]:
    """Lines of a table, and the titles of the columns that a narrow terminal has no room for."""
    cells = {title: [title, *(text(row) for row in rows)] for title, text in _CELLS.items()}
    hidden: list[str] = []
    while len(cells) > 1 and sum(max(map(len, column)) + len(_GAP) for column in cells.values()) > width + len(_GAP):
        hidden.insert(0, cells.popitem()[0])
    order = [title for title in _ORDER if title in cells]
    widths = {title: max(map(len, cells[title])) for title in order}
    lines = [
        _GAP.join(
            cells[title][number].ljust(widths[title]) if title in _TEXTS else cells[title][number].rjust(widths[title])
            for title in order
        ).rstrip()
        for number in range(len(rows) + 1)
    ]
    return [f"{_BOLD}{lines[0]}{_RESET}" if bold else lines[0], *lines[1:]], hidden


def model_facts(name: str, *, revision: str | None, cache_dir: Path | None, variant: Variant | None = None) -> Row:
    """Metadata of a model; what only its files tell is None if they are not downloaded.

    Raises UnknownModelError, and ModelError for damaged files.
    """
    entry = find(name)
    to_convert = entry is not None and entry.published_at is not None
    repository = None if to_convert else repository_of(name)
    if to_convert:
        files: ModelFiles | None = None
    elif repository is None:
        files = locate(name, revision=revision, variant=variant)
        entry = files.entry if files is not None else None
    else:
        files = cached(name, revision=revision, cache_dir=cache_dir, offline=True)
        if files is not None:
            files = replace(files, variant=variant)
        entry = find(repository)
    facts: Row = {
        "name": name,
        "repository": repository,
        "revision": (revision or (entry.revision if entry else "main")) if repository else None,
        "commit": files.commit if files else None,
        **_published(entry),
        "cached": files is not None,
        "folder": str(files.folder) if files else None,
        "bytes": _bytes(files) if files else None,
        "sha256": files.sha256 if files else None,
    }
    return (
        facts
        | {
            "model_type": None,
            "family": entry.family if entry else None,
            "assumed": None,
            "exported": None,
            "classes": None,
        }
        | _of(files)
    )


def model_page(facts: Row, *, width: int, wraps: bool = False) -> Iterator[str]:
    """The metadata as lines, then the classes in as many columns as fit.

    wraps  a value that is too long for the width is on a line of its own
    """
    shown = {
        "name": facts["name"],
        "repository": facts["repository"]
        or (None if facts["published_at"] or not facts["license"] else "none (bundled)"),
        "published": facts["published_at"],
        "revision": facts["revision"],
        "commit": facts["commit"],
        "license": facts["license"],
        "family": facts["family"],
        "task": facts["task"],
        "labels": facts["labels"],
        "AP": _percent(facts["average_precision"]),
        "PQ": _percent(facts["panoptic_quality"]),
        "params": None if facts["parameters_millions"] is None else f"{facts['parameters_millions']} M",
        "GFLOPs": facts["gflops"],
        "threshold": facts["threshold"],
        "NMS": facts["nms"],
        "folder": facts["folder"]
        if facts["cached"]
        else "to be converted"
        if facts["published_at"]
        else "not downloaded",
        "size": None if facts["bytes"] is None else megabytes(facts["bytes"]),
        "sha256": facts["sha256"],
        "assumed": ", ".join(facts["assumed"] or ()) or None,
        **export_lines(facts["exported"]),
    }
    for title, value in shown.items():
        if value is not None:
            line = f"{title:<12}{escape(str(value))}"
            yield from [line] if cell_len(line) <= width or not wraps else [title, f"  {escape(str(value))}"]
    classes = facts["classes"]
    if classes:
        yield ""
        yield f"{len(classes)} classes: index, category id, name"
        cells = [
            f"{row['label_id']:>3} {row['category_id']:>3}  {escape(row['label'])}{' (stuff)' * row.get('stuff', False)}"
            for row in classes
        ]
        yield from _in_columns(cells, width)


def _row(entry: CatalogEntry | None, repository: CachedRepository) -> Row:
    commit = repository.commit_of(entry.revision if entry else "main") or next(iter(repository.commits()), None)
    local = commit is not None and repository.names(commit, complete=False) is not None
    return {
        "name": entry.name if entry else repository.repository,
        "repository": repository.repository,
        **_published(entry),
        "cached": local,
        "commit": commit if local else None,
        "bytes": repository.size() if local else None,
    }


def _bundled_row(entry: CatalogEntry) -> Row:
    files = [path for path in entry.folder.glob("*") if path.is_file()] if entry.folder is not None else []
    return {
        "name": entry.name,
        "repository": None,
        **_published(entry),
        "cached": bool(files),
        "commit": None,
        "bytes": sum(path.stat().st_size for path in files) if files else None,
    }


def _published(entry: CatalogEntry | None) -> Row:
    return {field: getattr(entry, field) if entry else None for field in _PUBLISHED}


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value} %"


def _bytes(files: ModelFiles) -> int:
    """Size of all files of a model; a .pth file is a model by itself, and so is an exported file."""
    weights = files.folder / files.weights
    if is_exported(weights):
        return exported_bytes(weights)
    paths = [weights] if is_original(weights) else [path for path in files.folder.iterdir() if os.path.isfile(path)]  # noqa: PTH113
    return sum(path.stat().st_size for path in paths)


def _of(files: ModelFiles | None) -> Row:
    """Family, task and classes of config.json."""
    if files is None:
        return {}
    if is_exported(files.weights):
        if files.variant is not None:
            raise UsageError(f"`variant` is for .pth files; '{files.name}' is an exported file")
        return exported_facts(files)
    from detcli.engine.model_files.local_checkpoints import describe_files

    model = describe_files(files)
    return {
        "model_type": model.model_type,
        "family": model.family,
        "task": model.task,
        "assumed": list(model.assumed),
        "classes": class_rows(model.labels),
        **({} if model.threshold is None else {"threshold": model.threshold.value}),
    }


def _in_columns(cells: Sequence[str], width: int) -> Iterable[str]:
    """Cells in as many columns as fit, filled from top to bottom."""
    widest = max(map(cell_len, cells)) + len(_GAP)
    columns = max(1, min(len(cells), (width + len(_GAP)) // widest))
    height = -(-len(cells) // columns)
    for row in range(height):
        yield "".join(cell + " " * (widest - cell_len(cell)) for cell in cells[row::height]).rstrip()
