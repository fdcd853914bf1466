"""The table of result formats, and the format of an output or of existing results."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.io.results.format_choice import format_of_output
from detcli.io.results.formats import FORMATS, readable_formats, suffixes_of, writable_formats


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("out.jsonl", "jsonl"),
        ("out.NDJSON", "jsonl"),
        ("out.json", "coco"),
        ("out.coco.json", "coco"),
        ("out.csv", "csv"),
        ("labels", "yolo"),
        ("labels.v2/", "yolo"),
        ("/dev/null", "jsonl"),
    ],
)
def test_the_suffix_decides_the_format_of_an_output(output: str, name: str) -> None:
    if sys.platform == "win32" and output.startswith("/dev"):
        pytest.skip("POSIX devices")
    assert format_of_output(output) == name


def test_an_existing_folder_gets_yolo_files_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "out.json").mkdir()
    assert format_of_output(tmp_path / "out.json") == "yolo"


@pytest.mark.parametrize(
    ("masks", "other"), [(False, {"coco-panoptic"}), (True, {"yolo", "label-studio", "mot", "voc"})]
)
def test_an_unknown_suffix_is_a_usage_error_with_the_choices(masks: bool, other: set[str]) -> None:
    with pytest.raises(UsageError) as caught:
        format_of_output("out.xml", masks=masks)
    assert all(name in str(caught.value) for name in {*FORMATS, ".jsonl", ".csv"} - other)
    assert not any(name in str(caught.value).lower() for name in other)


def test_listing_the_formats_imports_no_numpy_and_no_writer() -> None:
    code = (
        "import sys; from detcli.io.results.formats import FORMATS, writable_formats; writable_formats(boxes=True); "
        "sys.exit('numpy' in sys.modules or 'detcli.sinks' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_importing_the_table_reads_no_entry_points() -> None:
    code = "import sys, detcli.io.results.formats; sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_formats_of_boxes_and_of_masks_are_those_that_take_them() -> None:
    assert "coco-panoptic" not in writable_formats(boxes=True)
    assert "yolo" not in writable_formats(masks=True)
    assert set(writable_formats()) == set(FORMATS)
    assert "coco-panoptic" not in readable_formats()


def test_suffixes_are_listed_once_with_the_title_if_needed() -> None:
    boxes = suffixes_of(writable_formats(boxes=True)).split(", ")
    masks = suffixes_of(writable_formats(masks=True)).split(", ")
    assert boxes[:4] == [".jsonl", ".json (COCO)", ".csv", "a folder (YOLO)"]
    assert masks[:3] == [".jsonl", ".json (COCO)", ".csv"]
    assert len(set(boxes)) == len(boxes)


def test_a_format_without_a_reader_says_that_it_cannot_be_read() -> None:
    with pytest.raises(UsageError, match=r"results cannot be read as COCO panoptic \(format 'coco-panoptic'\)"):
        FORMATS["coco-panoptic"].load_reader()


def test_a_writer_of_another_package_that_is_missing_is_named() -> None:
    record = replace(FORMATS["csv"], name="acme", writer="no_such_package.sink:Sink")
    with pytest.raises(UsageError, match=r"cannot load 'no_such_package\.sink:Sink' of the format 'acme': No module"):
        record.load_writer()


def test_the_image_folder_has_the_name_of_the_file_without_suffix() -> None:
    assert FORMATS["coco-panoptic"].image_folder(Path("a/out.json")) == Path("a/out")
    assert FORMATS["coco"].image_folder(Path("a/out.json")) is None
    with pytest.raises(UsageError, match=r"end 'a/out' in \.json"):
        FORMATS["coco-panoptic"].image_folder(Path("a/out"))
