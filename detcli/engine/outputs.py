"""Where the results of a run go, decided and checked before anything heavy is imported."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detcli.cli.framework.console import is_terminal
from detcli.errors import OutputError, UsageError
from detcli.io.journal import journal_path
from detcli.io.outputs import IfExists, is_stream, prepare_output
from detcli.sinks.sink import BOXES_ONLY, MASKS_ONLY, SINKS, folder_beside, format_of

TABLE = "table"
_FOLDERS = ("yolo",)  # formats of many files


@dataclass(frozen=True, slots=True)
class ResultTarget:
    """One result output: its format and its path, None for standard output; `of` is the source it is for, None: all."""

    format: str
    path: Path | None
    of: str | None = None

    @property
    def name(self) -> str:
        """As a sentence says it."""
        return "standard output" if self.path is None else str(self.path)

    @property
    def beside(self) -> Path | None:
        """The folder that belongs to the file, if its format has one."""
        return None if self.path is None else folder_beside(self.format, self.path)


@dataclass(frozen=True, slots=True)
class VideoTarget:
    """One annotated video, and the place of the source it is made of."""

    path: Path
    of: str


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """All outputs of a run.

    targets               of records
    images, crops, masks  folders of images, or None
    journal               beside the first output that is a file or folder; None where there is none
    skipped               outputs that exist and are left as they are
    task                  what segments are made for; None: boxes
    films                 annotated videos
    """

    targets: tuple[ResultTarget, ...]
    images: Path | None = None
    crops: Path | None = None
    masks: Path | None = None
    journal: Path | None = None
    skipped: tuple[Path, ...] = ()
    task: str | None = None
    films: tuple[VideoTarget, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of images: drawn, cut out, maps."""
        return tuple(folder for folder in (self.images, self.crops, self.masks) if folder is not None)

    @property
    def beside(self) -> tuple[Path, ...]:
        """Folders that belong to files."""
        return tuple(target.beside for target in self.targets if target.beside is not None)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file and folder that is written, never to be read back as input."""
        files = (*(target.path for target in self.targets), self.journal, *self.skipped)
        films = tuple(film.path for film in self.films)
        written = (*files, *films, *self.folders, *self.beside)
        return tuple(path for path in written if path is not None and not is_stream(path))

    @property
    def is_empty(self) -> bool:
        """Whether everything asked for is there already."""
        return not self.targets and not self.folders and not self.films

    @property
    def needs_all_scores(self) -> bool:
        """Whether an output is meant for computing AP, which needs every score."""
        return self.task in (None, "instance") and any(target.format == "coco-results" for target in self.targets)


def make_plan(
    outputs: Sequence[str],
    format_name: str | None,
    *,
    images: Path | None,
    crops: Path | None,
    resume: bool,
    masks: Path | None = None,
    task: str | None = None,
) -> OutputPlan:
    """Decide what goes where. Raises UsageError for what makes no sense together."""
    if format_name is not None and len(outputs) > 1:
        raise UsageError(f"--format {format_name} is for one output, and there are {len(outputs)}: let suffixes decide")
    targets = tuple(_target(output, format_name) for output in outputs or ("-",))
    plan = OutputPlan(targets, images, crops, masks, task=task)
    _refuse_formats(targets, task)
    refuse_twice([target.path for target in targets])
    _refuse_one_folder_for_two(
        {"the images": images, "the crops": crops, "the masks": masks}
        | {f"what {t.name} names": t.beside for t in targets}
    )
    files = [target.path for target in targets if target.path is not None and not is_stream(target.path)]
    if resume and not files:
        raise UsageError("--resume goes on with the run that wrote to an --output: name that output")
    for folder in (*plan.folders, *plan.beside):
        if any(target.path == folder and target.format not in _FOLDERS for target in targets):
            raise UsageError(f"'{folder}' cannot be a file and a folder")
    if any(target.path is None for target in targets) and sys.stdout is None:
        raise OutputError("standard output is closed; give an --output")
    return replace(plan, journal=journal_path(files[0]) if files else None)


def check_plan(plan: OutputPlan, inputs: Sequence[str | Path], *, if_exists: IfExists, resume: bool) -> OutputPlan:
    """The plan without the outputs that exist and are to be skipped. Touches nothing.

    inputs  the sources, and the other files that the run reads

    Raises UsageError where an output would take the place of an input, OutputError where one exists and may not be
    replaced.
    """
    for path in plan.paths:
        if any(_same(path, given) for given in inputs):
            raise UsageError(f"'{path}' is input and output at once; write somewhere else")

    def wanted(path: Path | None, *, folder: bool) -> bool:
        if path is None:
            return True
        return prepare_output(path, if_exists=if_exists, folder=folder, journal=plan.journal, resume=resume)

    targets = tuple(target for target in plan.targets if wanted(target.path, folder=target.format in _FOLDERS))
    skipped = tuple(target.path for target in plan.targets if target not in targets and target.path is not None)
    for folder in (*plan.folders, *(target.beside for target in targets)):
        wanted(folder, folder=True)
    films = tuple(film for film in plan.films if prepare_output(film.path, if_exists=if_exists, resumable=False))
    skipped += tuple(film.path for film in plan.films if film not in films)
    files = [target.path for target in targets if target.path is not None and not is_stream(target.path)]
    journal = journal_path(files[0]) if files and plan.journal is not None else None
    return replace(plan, targets=targets, films=films, journal=journal, skipped=skipped)


def _target(output: str, format_name: str | None) -> ResultTarget:
    if not output:
        raise UsageError("--output is empty; '-' is standard output")
    if output == "-":
        name = format_name or (TABLE if is_terminal(sys.stdout) else "jsonl")
        if name in (*_FOLDERS, *MASKS_ONLY):
            what = "a folder of files" if name in _FOLDERS else "a file and a folder"
            raise UsageError(f"--format {name} writes {what}: name it with --output")
        return ResultTarget(name, None)
    name = format_name or format_of(output)
    if name == TABLE:
        raise UsageError("--format table is for standard output; files take " + ", ".join(SINKS))
    return ResultTarget(name, Path(output))


def _refuse_formats(targets: Sequence[ResultTarget], task: str | None) -> None:
    """Raise UsageError for a format that cannot hold what is found."""
    for target in targets:
        if task is not None and target.format in BOXES_ONLY:
            raise UsageError(
                f"'{target.name}' would be {target.format.upper()} texts, which hold boxes and no masks: end it in "
                ".jsonl or .json (COCO), or take --save-masks DIR; 'detcli detect' writes the boxes"
            )
        if task not in ("panoptic", "semantic") and target.format in MASKS_ONLY:
            raise UsageError(f"{target.format} is made of segments that share an image out: take --task panoptic")


def _refuse_one_folder_for_two(folders: Mapping[str, Path | None]) -> None:
    """Raise UsageError where two kinds of images would go to one folder; by what each holds."""
    seen: dict[Path, str] = {}
    for what, folder in folders.items():
        if folder is not None and seen.setdefault(folder, what) != what:
            raise UsageError(f"'{folder}' cannot hold {seen[folder]} and {what}: give each a folder")


def refuse_twice(paths: Sequence[Path | None]) -> None:
    """Raise UsageError where two outputs would go to one place."""
    seen: set[str] = set()
    for path in paths:
        place = "-" if path is None else os.path.normpath(path.absolute())
        if place in seen:
            raise UsageError(f"two outputs would go to {'standard output' if path is None else repr(str(path))}")
        seen.add(place)


def _same(path: Path, given: str | Path) -> bool:
    try:
        return path.samefile(given)
    except (OSError, ValueError):
        return False
