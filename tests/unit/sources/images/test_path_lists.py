"""Lists of paths, and standard input that may be an image instead."""

import io
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.sources.images.path_lists import head_of, is_image, paths_in
from detcli.sources.source import Source, SourceSettings, make_source
from detcli.structures.frame import FailedFrame, Frame

posix = pytest.mark.skipif(os.name == "nt", reason="needs pipes of POSIX")
Tree = Callable[..., Path]
Opened = Callable[..., Source]


class Drip:
    """A stream that returns its bytes in parts and records the requested sizes."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.asked = 0

    def read1(self, size: int, /) -> bytes:
        self.asked += 1
        return self.parts.pop(0) if self.parts else b""


def listed(*parts: bytes, null_separated: bool = False) -> list[str]:
    return list(paths_in(Drip(*parts), null_separated=null_separated))


def read_all(source: Source) -> list[tuple[str, str]]:
    answers = [read() for read in source]
    return [(answer.origin.file, "ok" if isinstance(answer, Frame) else answer.code) for answer in answers]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put bytes on standard input."""

    def put(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))  # type: ignore[arg-type]

    return put


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a.jpg", ["a.jpg"]),
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg\r\n", ["a.jpg", "b.jpg"]),
        (b"\xef\xbb\xbfa.jpg\n", ["a.jpg"]),
        (b" a.jpg \n", [" a.jpg "]),
        (b"#a.jpg\n*.jpg\n", ["#a.jpg", "*.jpg"]),
        (b"\xff\n", ["\udcff"]),
    ],
)
def test_each_line_is_a_path(data: bytes, paths: list[str]) -> None:
    assert listed(data) == paths


def test_zero_bytes_separate_names_of_any_kind() -> None:
    assert listed(b"a\nb.jpg\0c\r\0\0d.jpg", null_separated=True) == ["a\nb.jpg", "c\r", "d.jpg"]


@pytest.mark.parametrize("null_separated", [False, True])
def test_parts_of_any_size_give_the_same_paths(null_separated: bool) -> None:
    random_numbers = random.Random(0)
    for _ in range(100):
        names = ["x" * random_numbers.randint(1, 90) + str(number) for number in range(random_numbers.randint(0, 30))]
        data = ("\0" if null_separated else "\n").join(names).encode()
        parts, place = [], 0
        while place < len(data):
            size = random_numbers.randint(1, 40)
            parts.append(data[place : place + size])
            place += size
        assert listed(*parts, null_separated=null_separated) == names


def test_a_path_is_returned_before_the_next_arrives() -> None:
    stream = Drip(b"a.jpg\n", b"b.jpg\n")
    paths = paths_in(stream, null_separated=False)
    assert next(paths) == "a.jpg"
    assert stream.asked == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xfea\0.\0j\0p\0g\0", "is in UTF-16: save it as UTF-8"),
        (b"a.jpg\0b.jpg\0", "`null_separated` reads a list that is separated by them"),
        (b"x" * 40_000, "is not a list of paths: an entry is longer than 32,768 bytes"),
    ],
)
def test_an_invalid_list_is_a_usage_error(data: bytes, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        listed(data)


# --- lists as sources -------------------------------------------------------------------------------------------------


def test_a_list_follows_the_arguments_and_names_any_path(tree: Tree, opened: Opened) -> None:
    folder = tree("a.jpg", "d/b.jpg", "d/s/c.jpg", "[x].jpg", "z.jpg")
    (folder / "list.txt").write_text("d\nnope.jpg\n[x].jpg\n*.jpg\na.jpg\n")
    source = opened("z.jpg", files_from="list.txt")
    assert read_all(source) == [
        ("z.jpg", "ok"),
        ("d/b.jpg", "ok"),
        ("d/s/c.jpg", "ok"),
        ("nope.jpg", "not-found"),
        ("[x].jpg", "ok"),
        ("*.jpg", "not-found"),
        ("a.jpg", "ok"),
    ]
    assert source.count() == 7
    assert [read.origin for read in source] == [read.origin for read in source]


def test_names_of_a_list_are_relative_to_the_current_folder(tree: Tree, opened: Opened) -> None:
    folder = tree("d/a.jpg", "e/b.jpg", "f/list.txt")
    outside = f"{folder.parent}/else/c.jpg"
    (folder / "list").write_text(f"d/a.jpg\n./e/../d/a.jpg\n{folder}/e/b.jpg\n../up.jpg\n{outside}\n")
    relatives = [read.origin.relative for read in opened(files_from="list")]
    assert relatives[:3] == ["d/a.jpg", "d/a-2.jpg", "e/b.jpg"]
    assert relatives[3:] == [f"{folder.parent}/up.jpg".lstrip("/"), outside.lstrip("/")]


def test_a_list_never_names_outputs_of_the_run(tree: Tree, opened: Opened) -> None:
    folder = tree("a.jpg", "drawn/a.jpg")
    (folder / "list").write_text(f"a.jpg\ndrawn/a.jpg\n{folder}/drawn/a.jpg\ndrawn\n./drawn/../a.jpg\n")
    assert [file for file, _ in read_all(opened(files_from="list", outputs=(Path("drawn"),)))] == [
        "a.jpg",
        "./drawn/../a.jpg",
    ]
    assert len(read_all(opened(files_from="list", outputs=(Path(),)))) == 5


def test_exclude_and_limit_apply_to_lists(tree: Tree, opened: Opened) -> None:
    folder = tree("a.jpg", "m/b.jpg", "c.jpg", "d.jpg")
    (folder / "list").write_text("a.jpg\nm/b.jpg\nc.jpg\nd.jpg\n")
    assert [file for file, _ in read_all(opened(files_from="list", exclude=("m",), limit=2))] == ["a.jpg", "c.jpg"]


@posix
def test_a_pipe_starts_the_work_before_it_ends(tree: Tree, opened: Opened) -> None:
    folder = tree("a.jpg", "b.jpg")
    os.mkfifo(folder / "pipe")
    seen = threading.Event()

    def write() -> None:
        with (folder / "pipe").open("wb", buffering=0) as pipe:
            pipe.write(b"a.jpg\n")
            assert seen.wait(30)
            pipe.write(b"b.jpg\n")

    writer = threading.Thread(target=write)
    writer.start()
    source = opened(files_from="pipe")
    assert source.count() is None
    images = iter(source)
    assert isinstance(next(images)(), Frame)
    seen.set()
    assert [read.origin.file for read in images] == ["b.jpg"]
    writer.join()


def test_a_list_that_cannot_be_opened_is_a_usage_error(tree: Tree, opened: Opened) -> None:
    folder = tree()
    (folder / "list").mkdir()
    with pytest.raises(UsageError, match="cannot open the list 'list'"):
        list(opened(files_from="list"))


# --- standard input ---------------------------------------------------------------------------------------------------


def test_a_dash_reads_a_list_from_standard_input(tree: Tree, opened: Opened, typed: Callable[[bytes], None]) -> None:
    tree("a.jpg", "b.jpg", "z.jpg")
    typed(b"b.jpg\nnope.jpg\n")
    source = opened("z.jpg", "-", "a.jpg")
    assert source.count() is None
    assert read_all(source) == [("z.jpg", "ok"), ("b.jpg", "ok"), ("nope.jpg", "not-found"), ("a.jpg", "ok")]


def test_files_from_dash_reads_zero_separated_paths(tree: Tree, opened: Opened, typed: Callable[[bytes], None]) -> None:
    tree("a b.jpg", "c.jpg")
    typed(b"a b.jpg\0c.jpg\0")
    assert read_all(opened(files_from="-", null_separated=True)) == [("a b.jpg", "ok"), ("c.jpg", "ok")]
    typed(b"a b.jpg\0c.jpg\0")
    assert read_all(opened("-", null_separated=True)) == [("a b.jpg", "ok"), ("c.jpg", "ok")]


def test_a_dash_reads_an_images_bytes_from_standard_input(
    opened: Opened, typed: Callable[[bytes], None], image: bytes
) -> None:
    typed(image)
    (answer,) = [read() for read in opened("-")]
    assert isinstance(answer, Frame)
    assert (answer.origin.file, answer.origin.relative, answer.size_hw) == ("-", "stdin.jpg", (6, 8))


def test_bytes_that_are_neither_image_nor_list_are_a_failed_image(
    opened: Opened, typed: Callable[[bytes], None]
) -> None:
    typed(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100))
    (answer,) = [read() for read in opened("-")]
    assert isinstance(answer, FailedFrame)
    assert (answer.code, answer.message) == ("not-an-image", "a video, not an image")


def test_an_image_cut_short_on_standard_input_is_truncated(
    opened: Opened, typed: Callable[[bytes], None], image: bytes
) -> None:
    typed(image[:200])
    (answer,) = [read() for read in opened("-")]
    assert isinstance(answer, FailedFrame)
    assert (answer.code, answer.message) == ("truncated", "truncated after 200 bytes")


def test_endless_standard_input_is_rejected(opened: Opened, monkeypatch: pytest.MonkeyPatch, image: bytes) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            buffer[:] = (image * (len(buffer) // len(image) + 1))[: len(buffer)]
            return len(buffer)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    (answer,) = [read() for read in opened("-", max_pixels=1000)]
    assert isinstance(answer, FailedFrame)
    assert answer.code == "too-large"


def test_empty_standard_input_has_no_images(opened: Opened, typed: Callable[[bytes], None]) -> None:
    typed(b"")
    assert list(opened("-")) == []


def test_a_process_without_standard_input_is_an_error(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="this process has none"):
        list(opened("-"))


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
def test_images_and_lists_are_distinguished_in_chunks_of_any_size(size: int, image: bytes) -> None:
    heads = {
        image: True,
        b"\x89PNG\r\n\x1a\n" + bytes(80): True,
        b"GIF89a" + bytes(80): True,
        b"BM" + bytes(12) + b"\x28\0\0\0" + bytes(80): True,
        b"P6\n# a comment\n8 6\n255\n" + bytes(80): True,
        b"a.jpg\nb.jpg\n": False,
        b"BMW/a.jpg\nb.jpg\n": False,
        b"P6\na.jpg\n": False,
        b"Images/a.jpg\n" * 9: False,
        b"\xc3\xa4.jpg\n": False,
        b"a.jpg": False,
    }
    for data, expected in heads.items():
        parts = [data[place : place + size] for place in range(0, len(data), size)]
        head = head_of(Drip(*parts), null_separated=False)
        assert is_image(head, null_separated=False) is expected, data


def test_a_list_on_standard_input_starts_with_its_first_line() -> None:
    stream = Drip(b"Ima", b"ges/a.jpg\n", b"more")
    assert head_of(stream, null_separated=False) == b"Images/a.jpg\n"
    assert stream.asked == 2


PIPELINE = """
from detcli.sources.source import SourceSettings, make_source
images = iter(make_source(["-"], SourceSettings()))
for read in images:
    print(read().origin.file, flush=True)
"""


@pytest.fixture
def pipeline(tree: Tree) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that lists what standard input names."""
    folder = tree("a.jpg", "b.jpg")
    command = [sys.executable, "-c", PIPELINE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, bufsize=0) as process:
        yield process


def test_work_starts_while_find_is_still_finding(pipeline: "subprocess.Popen[bytes]") -> None:
    assert pipeline.stdin is not None
    assert pipeline.stdout is not None
    pipeline.stdin.write(b"a.jpg\n")
    assert pipeline.stdout.readline().strip() == b"a.jpg"  # before the second path, and before the end
    pipeline.stdin.write(b"b.jpg\n")
    pipeline.stdin.close()
    assert pipeline.stdout.readline().strip() == b"b.jpg"
    assert pipeline.wait(30) == 0


def test_settings_stand_without_a_list(tmp_path: Path) -> None:
    assert make_source([str(tmp_path)], SourceSettings()).count() == 0
