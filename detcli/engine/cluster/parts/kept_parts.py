"""The files of results that a run on a cluster keeps: one of each part, in a folder or in an object store."""

from collections.abc import Mapping
from pathlib import Path

from detcli.engine.cluster.parts.part_files import part_name, range_of
from detcli.engine.cluster.parts.part_storage import exists, names_of, remove_files
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.requests.run_request import OutputSettings
from detcli.errors import OutputError
from detcli.io.remote.store_path import StorePath
from detcli.io.results.formats import FORMATS


class KeptParts:
    """The folder or prefix of the files, and their format. Methods raise OutputError."""

    def __init__(self, target: ResultTarget) -> None:
        assert target.path is not None  # noqa: S101 - a folder
        self.folder = target.path
        self._known: set[str] = set()
        self._suffix = FORMATS[target.format].suffixes[0]

    def path(self, start: int, end: int) -> Path:
        """The file of the inputs from `start` to `end` - 1."""
        return self.folder / part_name(start, end, self._suffix)

    def has(self, start: int, end: int) -> bool:
        """Whether there is the file of a range; those that `keep_only` found are not asked for again."""
        path = self.path(start, end)
        return path.name in self._known or exists(path)

    def names(self) -> list[str]:
        """The names of all files of parts that are there, also in other formats, in the order of the input."""
        if not isinstance(self.folder, StorePath) and not self.folder.is_dir():
            return []
        return sorted(name for name in names_of(self.folder) if range_of(name) is not None)

    def keep_only(self, parts: Mapping[int, int]) -> None:
        """Remove all other files of parts: those of earlier runs, and those whose worker ended before it reported them.

        parts  the end of each part, by its start
        """
        kept = {self.path(start, end).name for start, end in parts.items()}
        names = self.names()
        self._known = kept.intersection(names)
        remove_files(self.folder, [name for name in names if name not in kept])


def check_kept_parts(plan: OutputPlan, output: OutputSettings) -> bool:
    """Whether the parts that are kept are to be written: False if there are some, and `if_exists=skip`.

    Raises OutputError, which names them, where they may be neither replaced nor continued, and where a store cannot be listed.
    """
    if plan.kept is None or plan.parts is None:
        return True
    kept = KeptParts(plan.kept)
    names = kept.names()
    is_interrupted = _has_files(plan.parts)
    if not names or output.if_exists == "overwrite" or (output.resume and is_interrupted):
        return True
    found = f"'{kept.folder}' has {_shown(names)}"
    if output.resume:
        raise OutputError(
            f"{found}, and there is no interrupted run to resume; `if_exists=overwrite` runs it again, and removes them"
        )
    if is_interrupted:
        raise OutputError(
            f"{found}, from a run that was interrupted or is still running: `resume` continues an interrupted run, "
            "`if_exists=overwrite` starts again, and removes them"
        )
    if output.if_exists == "error":
        raise OutputError(f"{found}: `if_exists=overwrite` runs it again, and removes them")
    return False


def _has_files(folder: Path) -> bool:
    return bool(names_of(folder)) if isinstance(folder, StorePath) else folder.exists()


def _shown(names: list[str]) -> str:
    return f"the part '{names[0]}'" if len(names) == 1 else f"{len(names):,} parts, '{names[0]}' to '{names[-1]}'"
