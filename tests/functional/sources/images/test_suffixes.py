"""Every usual suffix of a format that is read is taken from folders, and files of other suffixes are counted."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from detcli.datasets.yolo.yolo_dataset import YoloDataset
from detcli.io.images.formats import IMAGE_SUFFIXES, SUFFIXES_OF
from detcli.io.naming import SkippedEntries
from detcli.sources.source import Source
from tests.helpers.annotated_datasets import write_image

Opened = Callable[..., Source]
Codes = Callable[..., dict[str, str]]
Tree = Callable[..., Path]
_PIXELS = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)


def encoded(format_name: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_PIXELS).convert(mode).save(file, format_name, **options)
    return file.getvalue()


def content(suffix: str) -> bytes:
    """A real file of a suffix."""
    special = {
        "mpo": lambda: encoded("MPO", save_all=True, append_images=[Image.fromarray(_PIXELS)]),
        "apng": lambda: encoded("PNG", save_all=True, append_images=[Image.fromarray(255 - _PIXELS)]),
        "btf": lambda: encoded("TIFF", big_tiff=True),
        "tf8": lambda: encoded("TIFF", big_tiff=True),
        "pgm": lambda: encoded("PPM", "L"),
        "pbm": lambda: encoded("PPM", "1"),
        "j2k": lambda: encoded("JPEG2000", no_jp2=True),
        "j2c": lambda: encoded("JPEG2000", no_jp2=True),
        "jpc": lambda: encoded("JPEG2000", no_jp2=True),
        "avifs": lambda: encoded("AVIF", save_all=True, append_images=[Image.fromarray(255 - _PIXELS)]),
    }
    name = next(name for name, suffixes in SUFFIXES_OF.items() if suffix in suffixes)
    return special.get(suffix, lambda: encoded(name))()


@pytest.mark.parametrize("suffix", [suffix for suffix in IMAGE_SUFFIXES if suffix not in SUFFIXES_OF["HEIF"]])
def test_a_file_of_every_suffix_is_read_from_a_folder(tmp_path: Path, codes: Codes, suffix: str) -> None:
    if suffix in SUFFIXES_OF["AVIF"] and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    (tmp_path / f"a.{suffix.upper()}").write_bytes(content(suffix))
    assert codes(str(tmp_path)) == {str(tmp_path / f"a.{suffix.upper()}"): "ok"}


def test_no_suffix_belongs_to_two_formats() -> None:
    assert len(set(IMAGE_SUFFIXES)) == len(IMAGE_SUFFIXES)


def test_files_of_other_suffixes_are_counted_once(tree: Tree, opened: Opened) -> None:
    tree("d/a.jpg", "d/b.DNG", "d/in/c.dng", "d/in/README", "d/.hidden", "d/out/x.txt", "d/no/y.txt")
    skipped = SkippedEntries()
    source = opened("d", "d/a.jpg", skipped=skipped, outputs=(Path("d/out"),), exclude=("no",))
    for _ in range(2):
        assert len(list(source)) == source.count() == 2
        assert skipped.by_suffix == {".dng": 2, "": 1}


def test_globs_and_chosen_suffixes_count_nothing(tree: Tree, opened: Opened) -> None:
    tree("d/a.jpg", "d/b.dng")
    skipped = SkippedEntries()
    assert len(list(opened("d/*.jpg", skipped=skipped))) == 1
    assert len(list(opened("d", skipped=skipped, extensions=("jpg",)))) == 1
    assert not skipped


def test_the_message_names_the_most_frequent_suffixes() -> None:
    assert SkippedEntries().ending() == ""
    assert SkippedEntries(Counter({".a": 1})).ending() == "; skipped 1 file of other suffixes: 1 .a"
    counts = {f".{letter}": 1 for letter in "abcdefg"} | {"": 2000}
    expected = "2,000 without suffix, 1 .a, 1 .b, 1 .c, 1 .d and 3 more"
    assert SkippedEntries(Counter(counts)).ending() == f"; skipped 2,007 files of other suffixes: {expected}"


def test_a_yolo_dataset_reports_files_of_other_suffixes(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a.png")
    (tmp_path / "images/a.txt").write_text("")
    (tmp_path / "images/b.dng").write_bytes(b"x")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat]\n")
    dataset = YoloDataset(str(tmp_path))
    assert dataset.report.issues == ("skipped 1 file of other suffixes: 1 .dng",)
