"""The images that arguments name: their order and names, and the errors of the others."""

import os
import random
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import UsageError
from detcli.io.images.formats import IMAGE_SUFFIXES
from detcli.sources.source import Source, SourceSettings, make_source
from detcli.structures.frame import FailedFrame, Frame

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
Tree = Callable[..., Path]
Files = Callable[..., list[str]]
Codes = Callable[..., dict[str, str]]
Opened = Callable[..., Source]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_walked_in_the_order_of_full_paths(tree: Tree, files: Files) -> None:
    tree("d/b.jpg", "d/a.png", "d/a/z.webp", "d/a-b/c.gif", "d/a.b/c.bmp", "d/B.TIF", "d/ä.jpeg")
    found = files("d")
    assert found == ["d/B.TIF", "d/a-b/c.gif", "d/a.b/c.bmp", "d/a.png", "d/a/z.webp", "d/b.jpg", "d/ä.jpeg"]
    assert found == sorted(found, key=os.fsencode)


def test_any_tree_is_listed_completely_and_sorted(tree: Tree, files: Files) -> None:
    random_numbers = random.Random(0)
    parts = ["a", "b", "a-", "a.", "a0", "A", "ü", "a b"]
    names = {
        "/".join(random_numbers.choices(parts, k=random_numbers.randint(0, 4))) + f"/{number}.jpg"
        for number in range(150)
    }
    tree(*(f"d/{name.lstrip('/')}" for name in names))
    assert files("d") == sorted((f"d/{name.lstrip('/')}" for name in names), key=os.fsencode)


def test_image_suffixes_are_taken_in_any_case(tree: Tree, files: Files) -> None:
    taken = [*IMAGE_SUFFIXES, "JPG", "Png"]
    skipped = ["txt", "mp4", "json", "jpg.txt", "jpgx", "pdf"]
    tree(*(f"d/a.{suffix}" for suffix in (*taken, *skipped)), "d/jpg", "d/no")
    assert sorted(files("d")) == sorted(f"d/a.{suffix}" for suffix in taken)


def test_extensions_replace_the_suffixes(tree: Tree, files: Files) -> None:
    tree("d/a.jpg", "d/a.DAT", "d/a.png")
    assert files("d", extensions=("dat", ".PNG")) == ["d/a.DAT", "d/a.png"]


def test_hidden_files_and_folders_are_skipped_unless_named(tree: Tree, files: Files) -> None:
    tree("d/.a.jpg", "d/._b.jpg", "d/.git/c.jpg", "d/e.jpg")
    assert files("d") == ["d/e.jpg"]
    assert files("d/.a.jpg") == ["d/.a.jpg"]
    assert files("d/.git") == ["d/.git/c.jpg"]
    assert files("d/.*.jpg") == ["d/._b.jpg", "d/.a.jpg"]


def test_without_recursion_only_the_folder_itself_is_listed(tree: Tree, files: Files) -> None:
    tree("d/a.jpg", "d/sub/b.jpg")
    assert files("d", recursive=False) == ["d/a.jpg"]


@pytest.mark.parametrize(
    ("typed", "printed"), [("d", "d/a.jpg"), ("d/", "d/a.jpg"), (".", "./d/a.jpg"), ("./d", "./d/a.jpg")]
)
def test_paths_are_shown_as_the_user_can_type_them(tree: Tree, files: Files, typed: str, printed: str) -> None:
    tree("d/a.jpg")
    assert files(typed) == [printed]


@posix
def test_linked_folders_are_skipped_and_linked_files_are_read(tree: Tree, codes: Codes) -> None:
    folder = tree("d/real/a.jpg", "other/b.jpg")
    (folder / "d/linked").symlink_to(folder / "other")
    (folder / "d/loop").symlink_to(folder / "d")
    (folder / "d/named.jpg").symlink_to(folder / "other")
    (folder / "d/file.jpg").symlink_to(folder / "other/b.jpg")
    assert codes("d") == {"d/file.jpg": "ok", "d/real/a.jpg": "ok"}
    assert codes("d/linked") == {"d/linked/b.jpg": "ok"}


@posix
def test_special_files_with_an_image_suffix_are_failed_images(tree: Tree, codes: Codes) -> None:
    folder = tree("d/a.jpg", "d/folder.jpg/b.jpg")
    os.mkfifo(folder / "d/pipe.jpg")
    os.mkfifo(folder / "d/pipe")
    (folder / "d/broken.jpg").symlink_to("nowhere")
    (folder / "d/device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("d/socket.jpg")
        assert codes("d") == {
            "d/a.jpg": "ok",
            "d/broken.jpg": "not-found",
            "d/device.jpg": "not-a-file",
            "d/folder.jpg/b.jpg": "ok",
            "d/pipe.jpg": "not-a-file",
            "d/socket.jpg": "not-a-file",
        }


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that may not be read, between two that may, for a user whom permissions bind."""
    root = Path(os.path.realpath("/tmp")) / f"detcli-sources-{os.getpid()}"
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True)
        (root / name / "x.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "b").chmod(0)
    yield root
    (root / "b").chmod(0o700)
    shutil.rmtree(root)
    if was_root:
        os.seteuid(0)


@posix
def test_an_unreadable_folder_is_a_failed_image(locked: Path, opened: Opened) -> None:
    answers = [read() for read in opened(str(locked))]
    assert [(answer.origin.relative, answer.code) for answer in answers if isinstance(answer, FailedFrame)] == [
        ("a/x.jpg", "truncated"),
        ("b", "no-permission"),
        ("c/x.jpg", "truncated"),
    ]
    assert [read().code for read in opened(str(locked / "b"))] == ["no-permission"]  # type: ignore[union-attr]


def test_a_folder_without_images_is_empty(tree: Tree, files: Files) -> None:
    folder = tree("d/notes.txt")
    (folder / "empty").mkdir()
    assert files("empty", "d") == []


def test_outputs_of_the_run_are_never_read(tree: Tree, files: Files) -> None:
    folder = tree("a.jpg", "drawn/a.jpg", "drawn/b/c.jpg", "drawn-not/a.jpg", "sheet.png")
    outputs = (Path("drawn"), folder / "sheet.png")
    assert files(".", outputs=outputs) == ["./a.jpg", "./drawn-not/a.jpg"]
    assert files(str(folder), outputs=outputs) == [f"{folder}/a.jpg", f"{folder}/drawn-not/a.jpg"]
    assert files("**/*.jpg", outputs=outputs) == ["a.jpg", "drawn-not/a.jpg"]
    assert files("drawn", outputs=outputs) == ["drawn/a.jpg", "drawn/b/c.jpg"]  # named, and then it is the input
    assert files("drawn-not", outputs=(Path(),)) == ["drawn-not/a.jpg"]  # an output around the input excludes nothing


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.png", ["d/a.jpg", "d/s/a.jpg", "d/s/t/c.jpg"]),
        ("a.*", ["d/b.png", "d/s/t/c.jpg"]),
        ("s", ["d/a.jpg", "d/b.png"]),
        ("s/", ["d/a.jpg", "d/b.png"]),
        ("s/t", ["d/a.jpg", "d/b.png", "d/s/a.jpg"]),
        ("s/*.jpg", ["d/a.jpg", "d/b.png"]),
        ("t/*", ["d/a.jpg", "d/b.png", "d/s/a.jpg", "d/s/t/c.jpg"]),
        ("[ab].*", ["d/s/t/c.jpg"]),
    ],
)
def test_exclude_matches_names_and_paths_below_the_source(
    tree: Tree, files: Files, pattern: str, left: list[str]
) -> None:
    tree("d/a.jpg", "d/b.png", "d/s/a.jpg", "d/s/t/c.jpg")
    assert files("d", exclude=(pattern,)) == left


def test_exclude_applies_to_named_files_too(tree: Tree, files: Files) -> None:
    tree("d/a.jpg", "d/a_mask.jpg")
    assert files("d/a.jpg", "d/a_mask.jpg", exclude=("*_mask.jpg",)) == ["d/a.jpg"]


def test_limit_takes_the_first(tree: Tree, files: Files) -> None:
    tree("d/a.jpg", "d/b.jpg", "d/c.jpg")
    assert files("d", limit=2) == ["d/a.jpg", "d/b.jpg"]
    assert files("d", limit=0) == []
    assert files("nope.jpg", "d", limit=2) == ["nope.jpg", "d/a.jpg"]


def test_folders_deeper_than_the_recursion_limit_are_listed(tree: Tree, files: Files) -> None:
    folder = tree("d/a.jpg")
    os.chdir(folder / "d")
    for _ in range(1500):
        os.mkdir("x")  # noqa: PTH102 - the path as a whole is longer than some systems take
        os.chdir("x")
    os.chdir(folder)
    assert files("d")[0] == "d/a.jpg"
    os.chdir(folder / "d" / "/".join("x" * 1000))
    os.chdir("/".join("x" * 500))
    for _ in range(1500):  # pytest would remove it by calling itself
        os.chdir("..")
        os.rmdir("x")  # noqa: PTH106


# --- arguments --------------------------------------------------------------------------------------------------------


def test_arguments_come_in_the_order_they_are_given(tree: Tree, files: Files) -> None:
    tree("b.jpg", "a/z.jpg", "c.jpg")
    assert files("c.jpg", "a", "b.jpg", "c.jpg") == ["c.jpg", "a/z.jpg", "b.jpg", "c.jpg"]


def test_a_missing_file_is_a_failed_image(tree: Tree, codes: Codes) -> None:
    tree("a.jpg")
    assert codes("nope.jpg", "a.jpg", "no/such", "") == {
        "nope.jpg": "not-found",
        "a.jpg": "ok",
        "no/such": "not-found",
        "": "not-found",
    }


def test_a_named_file_is_checked_by_its_content_not_its_suffix(tree: Tree, codes: Codes) -> None:
    folder = tree("image.txt", "none")
    (folder / "notes.txt").write_text("hello")
    (folder / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100))
    assert codes("image.txt", "none", "notes.txt", "film.mp4") == {
        "image.txt": "ok",
        "none": "ok",
        "notes.txt": "not-an-image",
        "film.mp4": "not-an-image",
    }


@posix
@pytest.mark.parametrize(
    "name",
    ["[red]x[/red].jpg", "a*b?.jpg", "-o.jpg", ":smile:.jpg", "new\nline.jpg", "\udcff\udcfe.jpg", " .jpg", "=1+1.jpg"],
)
def test_unusual_names_are_read(tree: Tree, codes: Codes, name: str) -> None:
    try:
        tree(f"d/{name}")
    except OSError:
        pytest.skip("this file system does not take the name")
    assert codes("d") == {f"d/{name}": "ok"}
    assert codes(f"d/{name}") == {f"d/{name}": "ok"}


def test_other_schemes_than_http_are_rejected(tree: Tree, opened: Opened) -> None:
    tree()
    for address in ("ftp://host/a.jpg", "sftp://host/a.jpg", "rtsp://cam/1", "file:///a.jpg"):
        (answer,) = [read() for read in opened(address)]
        assert isinstance(answer, FailedFrame)
        assert answer.code == "unsupported"
        assert "http and https" in answer.message


def test_no_source_and_standard_input_twice_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no images are named"):
        make_source([], SourceSettings())
    with pytest.raises(UsageError, match="more than once"):
        make_source(["-", "a.jpg", "-"], SourceSettings())
    with pytest.raises(UsageError, match="more than once"):
        make_source(["-"], SourceSettings(files_from="-"))
    with pytest.raises(UsageError, match="does not exist"):
        make_source([], SourceSettings(files_from=str(tmp_path / "nope.txt")))
    with pytest.raises(UsageError, match="cannot open the list 'xxx"):
        make_source([], SourceSettings(files_from="x" * 300))  # a name that no file system has


def test_listing_opens_nothing_and_reading_works_in_any_thread(tree: Tree, opened: Opened) -> None:
    folder = tree(*(f"d/{number}.jpg" for number in range(20)))
    images = list(opened("d"))
    (folder / "d/0.jpg").unlink()
    answers: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda read=read: answers.__setitem__(read.origin.index, read())) for read in images
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(answers[0], FailedFrame)
    assert answers[0].code == "not-found"
    assert all(isinstance(answers[index], Frame) for index in range(1, 20))
    assert answers[1].size_hw == (6, 8)
    assert answers[1].metadata.format == "JPEG"


def test_the_pixel_limit_reaches_the_decoder(tree: Tree, codes: Codes) -> None:
    tree("a.jpg")
    assert codes("a.jpg", max_pixels=47) == {"a.jpg": "too-large"}
    assert codes("a.jpg", max_pixels=48) == {"a.jpg": "ok"}


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error"), OSError("odd")])
def test_a_machine_error_is_a_failed_image(
    tree: Tree, codes: Codes, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise error

    tree("a.jpg")
    monkeypatch.setattr("detcli.sources.images.image_source.read_bytes", fail)
    assert codes("a.jpg") == {"a.jpg": "too-large" if isinstance(error, MemoryError) else "decode-failed"}


# --- names of outputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["s/d"], ["a.jpg", "sub/b.jpg"]),
        (["s/d/"], ["a.jpg", "sub/b.jpg"]),
        (["s/d/a.jpg"], ["a.jpg"]),
        (["s/d/a.jpg", "s/d/sub/b.jpg"], ["a.jpg", "sub/b.jpg"]),
        (["s/d", "s/e"], ["d/a.jpg", "d/sub/b.jpg", "e/a.jpg"]),
        (["s/d", "s/d/a.jpg"], ["a.jpg", "sub/b.jpg", "a-2.jpg"]),
        (["s/d/sub", "s/e/a.jpg"], ["d/sub/b.jpg", "e/a.jpg"]),
        (["s/*/a.jpg"], ["d/a.jpg", "e/a.jpg"]),
        (["s/d/*.jpg"], ["a.jpg"]),
        (["s/../s/d"], ["a.jpg", "sub/b.jpg"]),
        (["s/e", "nope/x.jpg"], ["s/e/a.jpg", "nope/x.jpg"]),
    ],
)
def test_names_are_relative_to_the_nearest_common_folder(
    tree: Tree, relatives: Files, arguments: list[str], expected: list[str]
) -> None:
    tree("s/d/a.jpg", "s/d/sub/b.jpg", "s/e/a.jpg")
    assert relatives(*arguments) == expected


def test_the_source_of_an_image_is_the_argument_that_named_it(tree: Tree, opened: Opened) -> None:
    tree("d/sub/a.jpg", "b.jpg", "c.jpg")
    Path("list.txt").write_text("c.jpg\n")
    found = opened("d", "b.*", "http://user:word@localhost/e.jpg", "gone.jpg", files_from="list.txt")
    assert [(item.origin.file, item.origin.source) for item in found] == [
        ("d/sub/a.jpg", "d"), ("b.jpg", "b.*"), ("http://localhost/e.jpg", "http://localhost/e.jpg"),
        ("gone.jpg", "gone.jpg"), ("c.jpg", "list.txt"),
    ]  # fmt: skip


def test_stems_are_unique_across_suffixes(tree: Tree, opened: Opened) -> None:
    tree("d/a.jpg", "d/a.png", "d/b.jpg")
    assert [read.origin.stem for read in opened("d")] == ["a", "a.png", "b"]


# --- globs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d/*.jpg", ["d/a.jpg", "d/b.jpg"]),
        ("d/?.jpg", ["d/a.jpg", "d/b.jpg"]),
        ("d/[!a].jpg", ["d/b.jpg"]),
        ("*/s/*.jpg", ["d/s/a.jpg"]),
        ("d/**/a.jpg", ["d/a.jpg", "d/s/a.jpg", "d/s/t/a.jpg"]),
        ("**/t/a.jpg", ["d/s/t/a.jpg"]),
        ("d/**", ["d/a.jpg", "d/b.jpg", "d/s/a.jpg", "d/s/t/a.jpg"]),
        ("d/*", ["d/a.jpg", "d/b.jpg", "d/s/a.jpg", "d/s/t/a.jpg"]),
        ("d/*.txt", ["d/n.txt"]),
        ("d/s*", ["d/s/a.jpg", "d/s/t/a.jpg"]),
        ("./d/*.jpg", ["./d/a.jpg", "./d/b.jpg"]),
        ("**/**/t/**/a.jpg", ["d/s/t/a.jpg"]),
        ("d//*.jpg", ["d//a.jpg", "d//b.jpg"]),
    ],
)
def test_a_quoted_glob_matches_like_the_shell(tree: Tree, files: Files, pattern: str, expected: list[str]) -> None:
    tree("d/a.jpg", "d/b.jpg", "d/n.txt", "d/.h.jpg", "d/s/a.jpg", "d/s/t/a.jpg", "d/.g/a.jpg", "e/n.txt")
    assert files(pattern) == expected


def test_any_glob_matches_like_python(tree: Tree, files: Files) -> None:
    random_numbers = random.Random(0)
    parts = ["a", "b", "ab", "ba", "c"]
    names = ["/".join(random_numbers.choices(parts, k=random_numbers.randint(1, 4))) + ".jpg" for _ in range(60)]
    folder = tree(*(f"d/{name}" for name in names))
    for _ in range(60):
        levels = random_numbers.choices(["*", "**", "a*", "?", "[ab]*", "a", "ab"], k=random_numbers.randint(0, 3))
        pattern = "/".join(["d", *levels, random_numbers.choice(["*.jpg", "a*.jpg", "?.jpg"])])
        expected = {str(path.relative_to(folder)) for path in folder.glob(pattern) if path.is_file()}
        found = files(pattern)
        assert found == (sorted(expected, key=os.fsencode) or [pattern]), pattern


def test_a_file_named_like_a_glob_is_a_file(tree: Tree, files: Files) -> None:
    tree("d/[a].jpg", "d/a.jpg", "[set]/b.jpg")
    assert files("d/[a].jpg") == ["d/[a].jpg"]
    assert files("[set]") == ["[set]/b.jpg"]


def test_a_glob_without_a_match_is_a_failed_image(tree: Tree, opened: Opened) -> None:
    tree("d/a.jpg")
    for pattern in ("d/*.png", "nope/*.jpg", "d/a.jpg/*"):
        (answer,) = [read() for read in opened(pattern)]
        assert isinstance(answer, FailedFrame)
        assert (answer.origin.file, answer.code) == (pattern, "not-found")
        assert answer.message == "no file matches this pattern"


@posix
def test_a_glob_follows_links_by_name_but_not_by_two_stars(tree: Tree, files: Files) -> None:
    folder = tree("real/a.jpg", "d/b.jpg")
    (folder / "d/link").symlink_to(folder / "real")
    assert files("d/*/a.jpg") == ["d/link/a.jpg"]
    assert files("d/**/*.jpg") == ["d/b.jpg"]
