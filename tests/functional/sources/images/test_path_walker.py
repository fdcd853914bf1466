"""Globs and their start folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.sources.images.path_walker import is_glob, split_glob
from detcli.sources.source import SourceSettings, make_source


@pytest.mark.parametrize(
    ("pattern", "start", "levels"),
    [
        ("*.jpg", "", ("*.jpg",)),
        ("d/*.jpg", "d/", ("*.jpg",)),
        ("/d/e/**/*.jpg", "/d/e/", ("**", "*.jpg")),
        ("/*", "/", ("*",)),
        ("d//x*/y/[z].jpg", "d//", ("x*", "y", "[z].jpg")),
        ("./a?b/", "./", ("a?b",)),
    ],
)
def test_a_glob_starts_from_the_folder_before_its_wildcard(pattern: str, start: str, levels: tuple[str, ...]) -> None:
    assert split_glob(pattern) == (start, levels)


@pytest.mark.parametrize(
    ("text", "answer"), [("a*", True), ("a?", True), ("[a]", True), ("a/b.jpg", False), ("{a,b}", False)]
)
def test_wildcards_make_a_glob(text: str, answer: bool) -> None:
    assert is_glob(text) is answer


LISTS_ONLY = """
import sys
from detcli.sources.source import SourceSettings, make_source
images = list(make_source([sys.argv[1]], SourceSettings()))
heavy = {"cv2", "torch", "PIL"} & set(sys.modules)
assert not heavy, heavy
print(images[0]().size_hw)
assert "cv2" not in sys.modules and "torch" not in sys.modules
"""


@pytest.mark.skipif(os.name == "nt", reason="names that are not UTF-8")
def test_listing_needs_no_decoder_and_opencv_gets_no_path(tmp_path: Path, image: bytes) -> None:
    try:
        (tmp_path / "\udcff\udcfe.jpg").write_bytes(image)  # OpenCV ends the process over such a name
    except OSError:
        pytest.skip("this file system does not take the name")
    command = [sys.executable, "-c", LISTS_ONLY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(6, 8)\n", "")


@pytest.mark.parametrize("target", ["..", "../..", ".", "/", "{absolute}"])
@pytest.mark.parametrize("pattern", ["*", "**/*", "**/*.jpg", "*/*", "ba*"])
def test_a_wildcard_enters_no_link_that_leads_back(tmp_path: Path, image: bytes, target: str, pattern: str) -> None:
    folder = tmp_path / "top" / "images"
    (folder / "inner").mkdir(parents=True)
    for path in (folder / "a.jpg", folder / "inner" / "b.jpg", tmp_path / "top" / "outside.jpg"):
        path.write_bytes(image)
    (folder / "back").symlink_to(target.format(absolute=folder), target_is_directory=True)
    found = [one.origin.file for one in make_source([f"{folder}/{pattern}"], SourceSettings())]
    assert not [path for path in found if "back" in path]
    assert len(found) == len({os.path.realpath(path) for path in found})


def test_a_link_that_leads_back_is_entered_by_its_name(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(image)
    (tmp_path / "back").symlink_to(".", target_is_directory=True)
    found = [one.origin.file for one in make_source([f"{tmp_path}/back/*.jpg"], SourceSettings())]
    assert found == [f"{tmp_path}/back/a.jpg"]


def test_a_wildcard_enters_links_to_other_folders(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").write_bytes(image)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to("../elsewhere", target_is_directory=True)
    found = [one.origin.file for one in make_source([f"{tmp_path}/links/*/*.jpg"], SourceSettings())]
    assert found == [f"{tmp_path}/links/one/a.jpg"]
