""".pth files read in this process, by the code that otherwise runs in a process of its own: quicker, for files without harm."""

from collections.abc import Callable
from pathlib import Path

from detcli.checkpoints.pth import pth_reader
from detcli.checkpoints.pth.pth_files import OriginalFile
from detcli.checkpoints.safetensors_files import read_tensors


def reader_in(folder: Path) -> Callable[[Path], OriginalFile]:
    """A function in place of `read_original_file`; its temporary file is in the folder."""

    def read(path: Path) -> OriginalFile:
        weights = folder / "read-in-process.safetensors"
        answer = pth_reader.read_content(str(path), str(weights))
        return OriginalFile(read_tensors(weights), answer["args"], answer["where"])

    return read
