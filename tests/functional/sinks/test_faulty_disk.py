"""Whichever call of the file system fails: it is reported, nothing hidden stays, and what has a final name is complete."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.evaluation.report_files import write_report
from detcli.io.journal import Journal
from detcli.io.results.formats import FORMATS
from detcli.sinks.folders.output_folder import OutputFolders
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.sinks.folders.written_files import LIST_NAME
from detcli.sinks.gallery.gallery_image import GalleryImage
from detcli.sinks.images.annotated_images import AnnotatedImageSink
from detcli.sinks.images.crops import Crops
from detcli.sinks.images.label_maps import LabelMaps
from detcli.sinks.sink import Sink, SinkSettings, sink_class
from detcli.sinks.video.video_writer import VideoWriter
from detcli.structures.frame import Frame
from detcli.structures.run_info import RunInfo
from tests.helpers.faulty_disk import fail_everywhere
from tests.helpers.galleries import records_of, write_gallery
from tests.helpers.sink_fixtures import LABELS, frame_named, random_segments
from tests.helpers.video_writer_samples import LABELS as VIDEO_LABELS
from tests.helpers.video_writer_samples import frame_at, one_box, see

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files are neither renamed nor removed there")

INFO = RunInfo("m", None, None, "0", LABELS, "now")
PIXELS = np.zeros((48, 64, 3), np.uint8)
GROWING = (".jsonl", ".csv", ".mot", ".journal", LIST_NAME)  # complete lines, which may be the first ones only
RESULTS = [
    (Frame(frame_named(f"sub/{n}.png", n).origin, (48, 64), PIXELS), random_segments(n, 2)) for n in range(3)
]  # fmt: skip


def run(open_sink: Callable[[Path, OutputFolders], Sink], path: Path) -> None:
    """A run with one sink, which is aborted after an error, as the pipeline does."""
    folders = OutputFolders(lambda _: True)
    sink = None
    try:
        sink = open_sink(path, folders)
        for result in RESULTS:
            sink.write(*result)
            sink.flush()
        sink.close(complete=True)
    except BaseException:
        if sink is not None:
            sink.abort()
        raise
    finally:
        folders.close()


def of_format(name: str) -> Callable[[Path, OutputFolders], Sink]:
    suffix = (
        (FORMATS[name].suffixes or (".mot" if name == "mot" else ".json",))[0] if not FORMATS[name].is_folder else ""
    )
    return lambda path, folders: sink_class(name)(path / f"out{suffix}", SinkSettings(INFO, folders=folders))


SINKS: dict[str, Callable[[Path, OutputFolders], Sink]] = {
    **{name: of_format(name) for name in FORMATS if FORMATS[name].writer},
    "images": lambda path, folders: AnnotatedImageSink(folders.open(path / "out"), LABELS),
    "crops": lambda path, folders: Crops(folders.open(path / "out"), LABELS),
    "masks": lambda path, folders: LabelMaps(folders.open(path / "out"), LABELS, of_classes=True),
    "journal": lambda path, _: Journal.open(path / "a.journal", {}, labels=LABELS),
}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(folders: list[Path]) -> None:
    """Compare each folder with the last one, whose run met no fault."""
    *after_faults, complete = map(files, folders)
    for left in after_faults:
        assert not [name for name in left if name.endswith(".part")]
        for name, data in left.items():
            if name.endswith(GROWING):
                assert data == b"" or data.endswith(b"\n") or Path(name).name == LIST_NAME
            elif name in complete:
                assert data == complete[name], name
            else:
                raise AssertionError(f"{name} is no output")


@pytest.mark.parametrize("name", SINKS)
def test_every_fault_of_a_sink_leaves_complete_files(tmp_path: Path, name: str) -> None:
    check(list(fail_everywhere(tmp_path, lambda path: run(SINKS[name], path))))


@pytest.mark.parametrize("name", ["images", "yolo", "coco-panoptic", "jsonl", "coco"])
def test_every_fault_of_a_run_that_overwrites_leaves_complete_files(tmp_path: Path, name: str) -> None:
    def twice(path: Path) -> None:
        run(SINKS[name], path)
        run(SINKS[name], path)

    check(list(fail_everywhere(tmp_path, twice)))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_fault_of_a_video_leaves_one_that_plays(tmp_path: Path, suffix: str) -> None:
    def write(path: Path) -> None:
        video = VideoWriter(path / f"video{suffix}", VIDEO_LABELS, rate=10)
        try:
            for number in range(45):
                video.write(frame_at(number, number / 10, (16, 16)), one_box())
            video.close(complete=True)
        except BaseException:
            video.abort()
            raise

    for folder in fail_everywhere(tmp_path, write):
        names = [path.name for path in folder.iterdir()]
        assert names in ([], [f"video{suffix}"])
        assert not names or len(see(folder / names[0]).times_s) >= 10


def test_every_fault_of_a_checkpoint_or_report_leaves_complete_files(tmp_path: Path) -> None:
    import torch

    def write(path: Path) -> None:
        write_checkpoint(path / "model", {"a": 1}, {"b": 2}, {"weight": torch.ones(3)})
        write_report({"metrics": {"ap": 0.5}}, path / "report.json")

    check(list(fail_everywhere(tmp_path, write)))


def test_every_fault_of_a_gallery_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    """The page is there with every file that it needs, or it is not there; a second run replaces the first."""

    def write(path: Path) -> None:
        for count in (2, 1):
            with StagedFolder(path / "report") as staged:
                write_gallery(staged.folder, [GalleryImage(str(n), (9, 9), thumbnail=b"x") for n in range(count)], [])
                staged.commit(last="index.html", replace=True)

    for folder in fail_everywhere(tmp_path, write):
        report = folder / "report"
        assert not (report / ".detcli-new").exists()
        if (report / "index.html").exists():
            count = len(records_of(report))
            assert count in (2, 1)
            assert len(list(report.glob("thumbs/*/*.jpg"))) == count
            assert len(list(report.glob("page/*"))) == 7
