"""Which format an output is written in, and which format existing results are in."""

import os
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.io.results.formats import Format, all_formats, readable_formats, suffixes_of, writable_formats
from detcli.io.results.open_file import opened
from detcli.io.results.recognize import HEAD_BYTES

# Suffixes of outputs that are not results: what writes them, as arguments.
_OTHER_OUTPUTS = {
    (".txt",): "YOLO text files go to a folder: use '{stem}/', or set `format` to yolo",
    (".jpg", ".jpeg", ".png", ".webp"): "annotated images go to a folder: set `save_images`",
    (".mp4", ".mkv", ".mov", ".avi", ".webm"): "annotated videos: set `save_video`, of runs over videos",
    (".xlsx", ".xls", ".tsv"): "spreadsheets read CSV: use '{stem}.csv'",
    (".arrow", ".feather", ".orc"): "data frames and databases read Parquet: use '{stem}.parquet'",
}


def format_of_output(output: str | Path, *, masks: bool = False) -> str:
    """The name of the format for an output path.

    masks  of results with masks; decides which formats the message about an unknown suffix lists

    The suffix decides. An existing folder, a slash at the end or no suffix mean a folder of YOLO text files; a pipe or
    a device gets JSON Lines. Raises UsageError for an unknown suffix.
    """
    path = Path(output)
    if is_stream(path):
        return "jsonl"
    suffix = path.suffix.lower()
    is_folder = str(output).endswith(("/", "\\")) or os.path.isdir(path)  # noqa: PTH112 - pathlib raises for some names
    for record in all_formats():
        if record.writer is not None and (record.is_folder if is_folder or not suffix else suffix in record.suffixes):
            return record.name
    names = writable_formats(boxes=not masks, masks=masks)
    advice = next((text for suffixes, text in _OTHER_OUTPUTS.items() if suffix in suffixes), None)
    shown = f"cannot tell the format of '{output}' from its suffix"
    if advice is not None:
        raise UsageError(f"{shown}: {advice.format(stem=path.with_suffix(''))}; results are {suffixes_of(names)}")
    raise UsageError(f"{shown}: use {suffixes_of(names)}, or set `format` to one of {', '.join(names)}")


def format_of_results(path: Path) -> str:
    """The name of the format that existing results are in.

    The suffix decides if only one format has it; otherwise the first bytes do. Raises NoDataError if the file is
    missing, and UsageError if its format is unknown.
    """
    readable = [record for record in all_formats() if record.reader is not None]
    if os.path.isdir(path):  # noqa: PTH112 - any name
        return _format_of_folder(path, [record for record in readable if record.is_folder])
    with opened(path) as file:
        head = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    by_suffix = [record for record in readable if path.suffix.lower() in record.suffixes]
    if len(by_suffix) == 1:
        return by_suffix[0].name
    for record in readable:
        if _recognizes(record, head):
            return record.name
    raise UsageError(
        f"cannot tell the format of '{path}' from its name or its first bytes: set `results_format` to one of "
        f"{', '.join(readable_formats())}"
    )


def _format_of_folder(path: Path, formats: list[Format]) -> str:
    """The format of the first file in a folder that has the suffix of one; the first format if there is none."""
    for _, _, names in os.walk(path):
        for record in formats:
            if record.files is not None and any(name.endswith(record.files) for name in names):
                return record.name
    return formats[0].name


def _recognizes(record: Format, head: bytes) -> bool:
    return record.recognizes is not None and record.recognizes(head)
