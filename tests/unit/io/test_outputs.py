import io
import os
import sys
import threading
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.io.outputs import GrowingFile, StreamOutput, is_stream, open_output, prepare_output

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")


def test_a_growing_file_has_what_was_flushed(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "x")
    file.write(b"one\n")
    file.flush()
    file.write(b"two\n")
    assert (tmp_path / "x").read_bytes() == b"one\n"
    file.commit()
    assert (tmp_path / "x").read_bytes() == b"one\ntwo\n"


@posix
def test_a_file_that_is_never_empty_appears_with_its_first_records(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)
    file = GrowingFile(path, never_empty=True)
    file.write(b"one\n")
    assert path.read_bytes() == b"old"
    file.flush()
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o777 == 0o640
    file.write(b"two\n")
    file.commit()
    assert path.read_bytes() == b"one\ntwo\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@posix
@pytest.mark.parametrize("end", ["discard", "commit"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_file_that_is_never_empty_leaves_nothing_or_the_old_file(tmp_path: Path, end: str, old: bytes | None) -> None:
    path = tmp_path / "x"
    if old is not None:
        path.write_bytes(old)
    file = GrowingFile(path, never_empty=True)
    if end == "discard":
        file.write(b"one\n")
    getattr(file, end)()
    file.discard()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({} if old is None else {"x": old})


@posix
@pytest.mark.parametrize("flushed", [False, True])
def test_two_runs_do_not_write_the_same_file_that_is_never_empty(tmp_path: Path, flushed: bool) -> None:
    file = GrowingFile(tmp_path / "x", never_empty=True)
    if flushed:
        file.write(b"one\n")
        file.flush()
    with pytest.raises(OutputError, match="x' is locked: another run writes to it"):
        GrowingFile(tmp_path / "x", never_empty=True)
    file.write(b"two\n")
    file.commit()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@posix
def test_a_link_to_a_file_that_is_never_empty_stays(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "other/target")
    file = GrowingFile(tmp_path / "x", never_empty=True)
    file.write(b"one\n")
    file.commit()
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "other/target").read_bytes() == b"one\n"


def test_two_runs_do_not_grow_the_same_file(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "x")
    file.write(b"one\n")
    file.flush()
    with pytest.raises(OutputError, match="locked: another run writes to it"):
        GrowingFile(tmp_path / "x")
    file.commit()
    assert (tmp_path / "x").read_bytes() == b"one\n"
    GrowingFile(tmp_path / "x").commit()
    assert (tmp_path / "x").read_bytes() == b""


class _FullAfter(io.RawIOBase):
    """A disk that takes so many bytes, and of the last write a part."""

    def __init__(self, file: io.FileIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data) -> int:
        taken = self.file.write(bytes(data)[: self.room])
        self.room -= taken
        if taken == 0:
            raise OSError(28, "No space left on device")
        return taken

    def truncate(self, size=None) -> int:
        return self.file.truncate(size)

    def close(self) -> None:
        self.file.close()
        super().close()


@pytest.mark.parametrize("room", range(0, 40, 3))
def test_on_a_full_disk_a_growing_file_has_complete_records(tmp_path: Path, room: int) -> None:
    path = tmp_path / "x"
    file = GrowingFile(path)
    file._file = _FullAfter(file._file, room)
    pieces = [b"first\n", b"second piece\n", b"third\n", b"the last of them\n"]

    def write_all() -> None:
        for piece in pieces:
            file.write(piece)
            file.flush()

    with pytest.raises(OutputError, match="disk is full"):
        write_all()
    file.discard()
    whole = [b"".join(pieces[:n]) for n in range(len(pieces))]
    assert path.read_bytes() in whole


@posix
def test_dev_full_is_an_output_error() -> None:
    output = open_output(Path("/dev/full"), in_place=True)
    output.write(b"x")
    with pytest.raises(OutputError, match="'/dev/full': the disk is full"):
        output.commit()
    output.discard()


@posix
def test_a_named_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    output = open_output(pipe, in_place=False)
    output.write(b"through")
    output.commit()
    reader.join(timeout=10)
    assert got == [b"through"]
    assert pipe.is_fifo()


@posix
def test_a_reader_that_ended_is_a_broken_pipe_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as stream:
        output = StreamOutput(stream, "standard output")
        output.write(b"x")
        with pytest.raises(BrokenPipeError):
            output.flush()


@posix
def test_a_pipe_made_non_blocking_by_its_reader_loses_nothing() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    data = os.urandom(1_000_000)
    got = bytearray()

    def drain() -> None:
        while piece := os.read(read, 65536):
            got.extend(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    with os.fdopen(write, "wb") as stream:
        output = StreamOutput(stream, "standard output")
        output.write(data)
        output.commit()
    reader.join(timeout=30)
    os.close(read)
    assert bytes(got) == data


@posix
def test_streams_are_distinguished_from_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert is_stream(Path("/dev/stdout"))
    assert is_stream(Path("/dev/fd/1"))
    assert is_stream(Path("/dev/null"))
    assert not is_stream(tmp_path / "file")
    assert not is_stream(tmp_path)
    assert not is_stream(tmp_path / "missing")


def test_a_missing_output_may_be_written(tmp_path: Path) -> None:
    assert prepare_output(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_an_existing_output_is_an_error_that_names_the_arguments(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"")
    with pytest.raises(OutputError, match=r"x\.json' exists.*`if_exists=overwrite`.*`resume`"):
        prepare_output(path)
    assert prepare_output(path, if_exists="overwrite")
    assert not prepare_output(path, if_exists="skip")


def test_resume_needs_a_journal(tmp_path: Path) -> None:
    path, journal = tmp_path / "x.jsonl", tmp_path / "x.jsonl.journal"
    path.write_bytes(b"")
    with pytest.raises(OutputError, match="no interrupted run"):
        prepare_output(path, journal=journal, resume=True)
    journal.write_bytes(b"")
    assert prepare_output(path, journal=journal, resume=True)
    with pytest.raises(OutputError, match="interrupted or is still running"):
        prepare_output(path, journal=journal)


@posix
@pytest.mark.parametrize("length", [300, 245], ids=["its name", "its journal's name"])
def test_a_name_that_is_too_long_is_reported(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("x" * length + ".jsonl")
    with pytest.raises(OutputError, match="the name is too long"):
        prepare_output(path, journal=path.with_name(path.name + ".journal"))


def test_an_empty_folder_counts_as_missing(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"")
    assert prepare_output(folder, folder=True)
    (folder / "a.jpg").write_bytes(b"")
    with pytest.raises(OutputError, match="is not empty"):
        prepare_output(folder, folder=True)
    assert prepare_output(folder, folder=True, if_exists="skip")  # each file decides
    assert prepare_output(folder, folder=True, if_exists="overwrite")


def test_a_folder_instead_of_a_file_is_always_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="it is a folder"):
        prepare_output(tmp_path, if_exists="overwrite")
    with pytest.raises(OutputError, match="it is a file"):
        prepare_output(tmp_path / "file", folder=True, if_exists="overwrite")
