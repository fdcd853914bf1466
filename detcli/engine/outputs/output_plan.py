"""Where the results of a run go, decided and checked before anything heavy is imported."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detcli.engine.outputs.check_stores import check_stores, no_resume
from detcli.engine.outputs.count_targets import CountTarget, count_targets
from detcli.engine.outputs.format_needs import check_format_needs
from detcli.engine.outputs.output_targets import ResultTarget, VideoTarget
from detcli.engine.outputs.standard_output import TABLE, StandardOutput
from detcli.engine.requests.run_request import OutputSettings
from detcli.errors import UsageError
from detcli.io.journal import journal_path
from detcli.io.output_paths import is_same_file
from detcli.io.outputs import is_stream, prepare_output
from detcli.io.remote.store_path import StorePath, as_path, final_path
from detcli.io.results.format_choice import format_of_output
from detcli.io.results.formats import FORMATS, suffixes_of, writable_formats
from detcli.io.results.yolo_layout import linked_images


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """All outputs of a run.

    targets               results
    images, crops, masks  folders of images, or None
    journal               next to the first output that is a file or folder; None where the run cannot be resumed
    skipped               outputs that exist and stay as they are
    task                  the segmentation task; None: boxes
    videos                annotated videos
    linked                folders of images that are linked to the inputs, never to be read as input
    video_folders         the folder of annotated videos, where the user named a folder
    tables                counts and events
    parts                 on a cluster, in place of the journal: the folder of parts of an incomplete run
    kept                  on a cluster: the folder of the parts that are kept as results, and their format
    """

    targets: tuple[ResultTarget, ...]
    images: Path | None = None
    crops: Path | None = None
    masks: Path | None = None
    journal: Path | None = None
    skipped: tuple[Path, ...] = ()
    task: str | None = None
    videos: tuple[VideoTarget, ...] = ()
    linked: tuple[Path, ...] = ()
    video_folders: tuple[Path, ...] = ()
    tables: tuple[CountTarget, ...] = ()
    parts: Path | None = None
    kept: ResultTarget | None = None

    @property
    def state(self) -> Path | None:
        """What an interrupted run leaves, so that it can be resumed; None where it cannot."""
        return self.parts or self.journal

    @property
    def kept_folders(self) -> tuple[Path, ...]:
        """The folder of the parts that are kept."""
        return () if self.kept is None or self.kept.path is None else (self.kept.path,)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of annotated images, crops and label maps."""
        return tuple(folder for folder in (self.images, self.crops, self.masks) if folder is not None)

    @property
    def extra_folders(self) -> tuple[Path, ...]:
        """Folders that belong to files."""
        return tuple(target.extra_folder for target in self.targets if target.extra_folder is not None)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file and folder that is written, never to be read as input."""
        files = (*(target.path for target in self.targets), self.journal, self.parts, *self.kept_folders, *self.skipped)
        videos = tuple(video.path for video in self.videos)
        tables = tuple(table.path for table in self.tables)
        written = (*files, *tables, *videos, *self.folders, *self.extra_folders, *self.linked)
        return tuple(path for path in written if path is not None and not is_stream(path))

    @property
    def results(self) -> tuple[tuple[Path, bool], ...]:
        """The files and folders that the user finds at the end, and whether each is a folder."""
        targets = [(target.path, target.is_folder) for target in self.targets if target.path is not None]
        tables = [(table.path, False) for table in self.tables]
        targets += [(folder, True) for folder in self.kept_folders]
        videos = [(video.path, False) for video in self.videos]
        return (*targets, *tables, *videos, *((folder, True) for folder in (*self.extra_folders, *self.folders)))

    def written(self, *, complete: bool) -> tuple[tuple[Path, bool], ...]:
        """The same after the run: an interrupted one writes objects of object stores under other names."""
        return tuple((final_path(path, complete=complete or is_folder), is_folder) for path, is_folder in self.results)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written."""
        return not (self.targets or self.folders or self.videos or self.tables or self.kept)

    @property
    def needs_all_scores(self) -> bool:
        """Whether an output is meant for computing AP, which needs every score."""
        return self.all_scores_format is not None

    @property
    def all_scores_format(self) -> str | None:
        """The format that needs every score, if an output is in one."""
        targets = (*self.targets, *([] if self.kept is None else [self.kept]))
        records = [target.record for target in targets] if self.task in (None, "instance") else []
        return next((record.name for record in records if record is not None and record.needs_all_scores), None)


def make_plan(output: OutputSettings, stdout: StandardOutput | None, *, task: str | None = None) -> OutputPlan:
    """Decide what goes where. Raises UsageError for a combination that makes no sense."""
    names = output.outputs or (() if stdout is None else ("-",))
    if output.format is not None and len(names) > 1:
        raise UsageError(
            f"`format={output.format}` is for one output, and there are {len(names)}: let the suffixes decide"
        )
    targets = tuple(_target(name, output.format, stdout, masks=task is not None) for name in names)
    linked = _linked(targets) if output.no_scores else ()
    plan = OutputPlan(targets, output.save_images, output.save_crops, output.save_masks, task=task, linked=linked)
    refuse_formats(targets, task)
    check_format_needs([target.record for target in targets if target.record is not None], output)
    tables = count_targets(output)
    refuse_duplicates([*(target.path for target in targets), *(table.path for table in tables)])
    _refuse_shared_folders(
        {"the images": plan.images, "the crops": plan.crops, "the masks": plan.masks}
        | {f"the files of {target.name}": target.extra_folder for target in targets}
    )
    files = _resumable_files(targets, tables)
    if output.select is not None and not targets:
        raise UsageError("`select` is for results: name a file or a folder in `outputs`")
    if output.resume and not files:
        raise UsageError(no_resume(targets))
    check_stores(targets, tables, plan.folders, output)
    for folder in (*plan.folders, *plan.extra_folders):
        if any(target.path == folder and not target.is_folder for target in targets):
            raise UsageError(f"'{folder}' cannot be a file and a folder")
    for target in targets:
        if stdout is not None and target.path is None:
            stdout.check(binary=target.record is not None and target.record.is_binary)
    return replace(plan, tables=tables, journal=journal_path(files[0]) if files else None)


def _resumable_files(targets: Sequence[ResultTarget], tables: Sequence[CountTarget]) -> list[Path]:
    """The outputs on this machine, next to the first of which the journal is."""
    paths = (*(target.path for target in targets), *(table.path for table in tables))
    files = [path for path in paths if path is not None and not is_stream(path)]
    return [path for path in files if not isinstance(path, StorePath)]


def _linked(targets: Sequence[ResultTarget]) -> tuple[Path, ...]:
    """The folders of linked images of YOLO datasets. Raises UsageError if no output takes `no_scores`."""
    taking = [target for target in targets if target.record is not None and "no_scores" in target.record.options]
    if not taking:
        raise UsageError(
            "`no_scores` is for the formats yolo and voc: name a folder in `outputs`, and use `format=yolo`"
        )
    images = (linked_images(target.path) for target in taking if target.path is not None and target.format == "yolo")
    return tuple(folder for folder in images if folder is not None)


def check_plan(plan: OutputPlan, inputs: Sequence[str | Path], output: OutputSettings) -> OutputPlan:
    """The plan without the outputs that exist and are skipped. Writes nothing.

    inputs  the sources, and the other files that the run reads

    Raises UsageError where an output would overwrite an input, OutputError where an output exists and may not be
    replaced.
    """
    if_exists, resume = output.if_exists, output.resume
    for path in plan.paths:
        if any(is_same_file(path, name) for name in inputs):
            raise UsageError(f"'{path}' is input and output at once; write to another path")

    def is_written(path: Path | None, *, folder: bool) -> bool:
        if path is None:
            return True
        return prepare_output(
            path,
            if_exists=if_exists,
            folder=folder,
            journal=plan.state,
            resume=resume,
            resumable=plan.state is not None,
        )

    targets = tuple(target for target in plan.targets if is_written(target.path, folder=target.is_folder))
    skipped = tuple(target.path for target in plan.targets if target not in targets and target.path is not None)
    for folder in (*plan.folders, *plan.kept_folders, *(target.extra_folder for target in targets)):
        is_written(folder, folder=True)
    videos = tuple(video for video in plan.videos if prepare_output(video.path, if_exists=if_exists, resumable=False))
    skipped += tuple(video.path for video in plan.videos if video not in videos)
    tables = tuple(table for table in plan.tables if is_written(table.path, folder=False))
    skipped += tuple(table.path for table in plan.tables if table not in tables)
    files = _resumable_files(targets, tables)
    journal = journal_path(files[0]) if files and plan.journal is not None else None
    return replace(plan, targets=targets, videos=videos, tables=tables, journal=journal, skipped=skipped)


def refuse_duplicates(paths: Sequence[Path | None]) -> None:
    """Raise UsageError where two outputs would go to the same path."""
    seen: set[str] = set()
    for path in paths:
        key = "-" if path is None else os.path.normpath(path.absolute())
        if key in seen:
            raise UsageError(f"two outputs would go to {'standard output' if path is None else repr(str(path))}")
        seen.add(key)


def _target(output: str, format_name: str | None, stdout: StandardOutput | None, *, masks: bool) -> ResultTarget:
    formats = ", ".join(writable_formats(boxes=not masks, masks=masks))
    if not output:
        raise UsageError("one of `outputs` is empty; '-' is standard output")
    if format_name is not None and format_name != TABLE and format_name not in FORMATS:
        raise UsageError(f"`format` must be one of {formats}, not {format_name[:40]!r}")
    if output == "-":
        return _standard_output(format_name, stdout)
    name = format_name or format_of_output(output, masks=masks)
    if name == TABLE:
        raise UsageError(f"`format=table` is for standard output; files take {formats}")
    target = ResultTarget(name, as_path(output))
    if output.endswith(("/", "\\")) and target.record is not None and not target.is_folder:
        suffix = target.record.suffixes[0] if target.record.suffixes else ""
        raise UsageError(f"'{output}' is a folder, and the format {name} is one file: use '{as_path(output)}{suffix}'")
    return target


def _standard_output(format_name: str | None, stdout: StandardOutput | None) -> ResultTarget:
    if stdout is None:
        raise UsageError("`outputs` cannot hold '-': only the command line writes to standard output")
    name = format_name or stdout.default_format
    target = ResultTarget(name, None)
    if target.record is not None and (target.record.is_folder or target.record.has_image_folder):
        what = "a folder of files" if target.is_folder else "a file and a folder"
        raise UsageError(f"`format={name}` writes {what}: `outputs` must name it")
    return target


def refuse_formats(targets: Sequence[ResultTarget], task: str | None) -> None:
    """Raise UsageError for a format that cannot hold the results."""
    for target in targets:
        record = target.record
        if record is None:
            continue
        if task is not None and not record.takes_masks:
            raise UsageError(
                f"'{target.name}' would be in the format {target.format}, which holds boxes and no masks: use "
                f"{suffixes_of(writable_formats(masks=True))}, or `save_masks`"
            )
        if task not in ("panoptic", "semantic") and not record.takes_boxes:
            raise UsageError(f"the format {target.format} holds panoptic segments: use `task=panoptic`")


def _refuse_shared_folders(folders: Mapping[str, Path | None]) -> None:
    """Raise UsageError where two kinds of images would go to one folder; keys are what each folder holds."""
    seen: dict[Path, str] = {}
    for what, folder in folders.items():
        if folder is not None and seen.setdefault(folder, what) != what:
            raise UsageError(f"'{folder}' cannot hold {seen[folder]} and {what}: use one folder for each")
