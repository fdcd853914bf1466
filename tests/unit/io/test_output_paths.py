import os
from pathlib import Path

import pytest

from detcli.io.output_paths import is_same_file, label_folder, path_below


@pytest.mark.parametrize("relative", ["../../x", "/etc/x", "a/../../x", "./x", "a//x", "..", ""])
def test_no_name_leads_out_of_the_folder(relative: str) -> None:
    path = path_below(Path("/out"), relative)
    assert ".." not in path.parts
    assert path.is_relative_to("/out")


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "汉" * 120 + ".png", "b" * 250 + ".jpg.drawn.png", "c" * 400])
def test_a_name_that_is_too_long_is_cut_and_stays_unique(tmp_path: Path, name: str) -> None:
    path, other = path_below(tmp_path, name), path_below(tmp_path, "x" + name)
    path.write_bytes(b"fits")
    assert path.suffix == Path(name).suffix
    assert path != other


def test_valid_names_stay_the_same(tmp_path: Path) -> None:
    for name in ("sub/a b.jpg", "line\nbreak.jpg", "\udcff.jpg", "n" * 255):
        assert str(path_below(tmp_path, name)) == f"{tmp_path}{os.sep}{name}"


def test_labels_become_folder_names_on_any_system() -> None:
    assert label_folder("traffic light") == "traffic_light"
    assert label_folder("a/b\\c:d") == "a_b_c_d"
    assert label_folder("..") == "unnamed"
    assert label_folder("con") == "_con"
    assert label_folder("CONIN$") == "_CONIN$"
    assert label_folder("lpt1.old") == "_lpt1.old"
    assert label_folder("console") == "console"
    assert label_folder("汽车") == "汽车"
    assert len(os.fsencode(label_folder("汉" * 300))) <= 255


@pytest.mark.parametrize(
    "sign",
    ["\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u2028", "\u2029", "\x85", "\x1b", "\x7f", "\u200b",
     "\ufeff", "\u00ad", "\U000e0041", "\ue000", "\ud800"],
)  # fmt: skip
def test_folders_of_labels_have_no_invisible_characters(sign: str) -> None:
    assert label_folder(f"cat{sign}gpj.exe") == "cat_gpj.exe"
    assert label_folder(f"{sign}cat{sign}") == "cat"
    assert label_folder(sign) == "unnamed"


def test_folders_of_labels_keep_letters_of_every_script() -> None:
    for label in ("汽车", "кошка", "قطة", "חתול", "कुत्ता", "แมว", "고양이", "café", "🐈"):
        assert label_folder(label) == label


def test_a_link_is_the_same_file_and_a_missing_path_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert is_same_file(tmp_path / "link", str(tmp_path / "a"))
    assert not is_same_file(tmp_path / "a", tmp_path / "b")
    assert not is_same_file(tmp_path / "a", tmp_path / "missing")
    assert not is_same_file(tmp_path / "a", "no\0name")
