"""Output files: an atomic file, a file that grows by complete records, a stream, or an object of an object store."""

from pathlib import Path
from typing import BinaryIO

from detcli.io.atomic_write import AtomicFile
from detcli.io.outputs.growing_file import GrowingFile
from detcli.io.outputs.output_file import OutputFile
from detcli.io.outputs.prepare_output import IfExists, prepare_output
from detcli.io.outputs.stream_output import StreamOutput, is_stream, open_stream
from detcli.io.remote.store_path import StorePath

__all__ = ["GrowingFile", "IfExists", "OutputFile", "StreamOutput", "is_stream", "open_output", "prepare_output"]


def open_output(target: Path | BinaryIO, *, in_place: bool, never_empty: bool = False) -> OutputFile:
    """Open the output for a target: a stream, a file that grows in place, or a file that appears at the end.

    A file is locked, so that two runs never write to it at the same time.

    never_empty  a file that grows in place appears with its first records; until then, an old file stays
    """
    if not isinstance(target, Path):
        return StreamOutput(target, "standard output")
    if isinstance(target, StorePath):
        from detcli.io.remote.write_objects import ObjectFile  # takes a part of the start-up

        return ObjectFile(target.address)
    if is_stream(target):
        return StreamOutput(open_stream(target), str(target), owned=True)
    return GrowingFile(target, never_empty=never_empty) if in_place else AtomicFile(target, locked=True)
