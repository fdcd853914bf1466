import subprocess
import sys
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.sinks.sink import SINKS, BaseSink, format_of, remarks


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
def test_the_suffix_names_the_format(output: str, name: str) -> None:
    if sys.platform == "win32" and output.startswith("/dev"):
        pytest.skip("POSIX devices")
    assert format_of(output) == name


def test_a_folder_that_exists_takes_yolo_texts_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "out.json").mkdir()
    assert format_of(tmp_path / "out.json") == "yolo"


def test_any_other_suffix_is_a_usage_error_that_names_the_choices() -> None:
    with pytest.raises(UsageError) as caught:
        format_of("out.xml")
    assert all(name in str(caught.value) for name in (*SINKS, ".jsonl", ".csv"))


def test_listing_the_formats_imports_no_numpy() -> None:
    code = "import sys; from detcli.sinks.sink import SINKS; list(SINKS); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_base_sink_buffers_nothing_and_has_no_remarks() -> None:
    sink = BaseSink()
    sink.flush()
    sink.close(complete=False)
    sink.abort()
    assert sink.remarks == ()


def test_remarks_of_several_sinks_keep_their_order() -> None:
    class WithRemarks(BaseSink):
        ordered, needs_pixels = True, False
        remarks = ("a", "b")  # type: ignore[assignment]

        def write(self, frame: object, detections: object) -> None: ...

    class Without(BaseSink):
        ordered, needs_pixels = True, False

        def write(self, frame: object, detections: object) -> None: ...

    assert remarks([Without(), WithRemarks(), Without()]) == ("a", "b")
