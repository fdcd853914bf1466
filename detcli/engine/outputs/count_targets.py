"""Where counts and events of a run go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from detcli.engine.requests.run_request import OutputSettings
from detcli.errors import UsageError
from detcli.io.remote.store_path import as_path
from detcli.sinks.counts.table_formats import table_format

NAME = "{name}"  # in an output of a run over videos: the name of each source


@dataclass(frozen=True, slots=True)
class CountTarget:
    """One table.

    holds   counts or events
    source  None: of all sources
    """

    path: Path
    holds: Literal["counts", "events"]
    source: str | None = None


def count_targets(output: OutputSettings) -> tuple[CountTarget, ...]:
    """The tables of a run. Raises UsageError for standard output, and for a suffix that is no format of tables."""
    targets = []
    if output.counts is not None:
        targets.append(CountTarget(output.counts, "counts"))
    if output.events is not None:
        targets.append(CountTarget(output.events, "events"))
    for target in targets:
        if str(target.path) == "-":
            raise UsageError(f"`{target.holds}` cannot be standard output: name a file, such as {target.holds}.csv")
        table_format(target.path)
    return tuple(targets)


def per_source(targets: Sequence[CountTarget], sources: Sequence[str], names: Sequence[str]) -> tuple[CountTarget, ...]:
    """The tables, one for each source where the path contains `{name}`."""
    tables: list[CountTarget] = []
    for target in targets:
        if NAME not in str(target.path):
            tables.append(target)
            continue
        paths = (as_path(str(target.path).replace(NAME, name)) for name in names)
        tables += (replace(target, path=path, source=source) for path, source in zip(paths, sources, strict=True))
    return tuple(tables)
