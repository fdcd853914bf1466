"""Every command gives the same files without OpenCV; what needs it says so, with the remedy."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.broken_opencv import KINDS, break_opencv
from tests.helpers.cli_runs import Run
from tests.helpers.segment_samples import write_panoptic_model
from tests.helpers.train_command_fixtures import SHORT, dataset
from tests.helpers.video_writer_samples import make_video

PROJECT = Path(__file__).parents[2]
_DATE = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# Runs every command of a JSON file in one process: each has its exit code in codes.json.
_DRIVER = """
import json, sys
from pathlib import Path
from detcli.cli.main import cli
codes = []
for command in json.loads(Path("commands.json").read_text()):
    try:
        cli.main(command)
    except SystemExit as end:
        codes.append(end.code)
Path("codes.json").write_text(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A folder with models, a dataset and a video."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "detector").symlink_to(tiny_checkpoint)
    write_panoptic_model(folder / "panoptic")
    dataset(folder / "data", 8)
    make_video(folder / "clip.mp4", [0.0, 0.04, 0.08], size_hw=(97 // 2 * 2, 130))
    return folder


def commands(inputs: Path) -> list[list[str]]:
    """Commands that need no OpenCV, each with its outputs below the current folder."""
    images, truth = "demo/images", "demo/images/ground_truth.json"
    same = "--deterministic -q"
    detect = f"detect {images} -m shapes -o out.json --save-images drawn --save-crops crops {same}"
    video = f"video {inputs}/clip.mp4 -m {inputs}/detector -t 0.01 -o video.jsonl --save-video clip.mp4 --track {same}"
    segment = (
        f"segment {inputs}/data -m {inputs}/panoptic -t 0.2 -o seg.jsonl --save-masks maps --save-images regions {same}"
    )
    evaluate = f"eval out.json --gt {truth} -o report.json --save-worst worst --save-plots plots -q"
    train = f"train -m {inputs}/detector --data {inputs}/data/truth.json -o run -q"
    lines = ["demo -o demo -q", detect, video, segment, evaluate]
    return [*(line.split() for line in lines), [*train.split(), *SHORT, "--set", "photometric=1"]]


def run(folder: Path, opencv: Path | None, *arguments: str, **variables: str) -> Run:
    """A process in this folder whose OpenCV is broken, or the real one."""
    paths = [str(path) for path in (opencv, PROJECT) if path is not None]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"} | variables
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Run(done.returncode, done.stdout, done.stderr)


def files_of_all_commands(folder: Path, inputs: Path, opencv: Path | None) -> dict[str, bytes]:
    """Run all commands in a new folder. Returns the files that they wrote, without dates."""
    folder.mkdir()
    (folder / "commands.json").write_text(json.dumps(commands(inputs)))
    done = run(folder, opencv, "-c", _DRIVER)
    assert (done.code, done.err) == (0, ""), done.err
    codes = json.loads((folder / "codes.json").read_text())
    assert codes == [0] * len(codes), done.err
    with_times = ("tfevents", ".detcli-files")
    paths = [p for p in folder.rglob("*") if p.is_file() and not any(name in p.name for name in with_times)]
    return {str(path.relative_to(folder)): _DATE.sub(b"", path.read_bytes()) for path in paths}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> dict[str, bytes]:
    """The files that the commands write with OpenCV."""
    return files_of_all_commands(tmp_path_factory.mktemp("with") / "here", inputs, None)


@pytest.mark.parametrize("kind", ["missing library", "empty package", "empty folder"])
def test_all_commands_write_the_same_files_without_opencv(
    kind: str, tmp_path: Path, inputs: Path, expected: dict[str, bytes]
) -> None:
    files = files_of_all_commands(tmp_path / "here", inputs, break_opencv(tmp_path / "broken", kind))
    assert files.keys() == expected.keys()
    for part in ("drawn/", "crops/", "maps/", "regions/", "worst/", "plots/", "clip.mp4"):
        assert any(name.startswith(part) for name in files), part
    different = [name for name in files if files[name] != expected[name] and not _depends_on_batches(name)]
    assert different == []


def _depends_on_batches(name: str) -> bool:
    """Whether last bits in a file depend on which images happened to be in one batch: those of `demo`."""
    return name.startswith(("demo/annotated/", "demo/detections."))


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (("video", "cam0", "-m", "shapes"), "a camera needs"),
        (("eval", "-m", "shapes", "--data", "shapes:1:4"), "the synthetic images (shapes) need"),
    ],
)
def test_what_needs_opencv_names_the_cause_and_the_remedy(
    arguments: tuple[str, ...], needs: str, tmp_path: Path
) -> None:
    opencv = break_opencv(tmp_path / "broken", "missing library")
    done = run(tmp_path, opencv, "-m", "detcli", *arguments)
    assert (done.code, done.out) == (2, "")
    cause = "OpenCV, which cannot be loaded because the system library libGL.so.1 is missing"
    assert done.err.startswith(f"detcli: {needs} {cause}: apt-get install libgl1 "), done.err
    assert "opencv-python-headless" in done.err
    assert "bug" not in done.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says by DISPLAY that there is a screen")
def test_a_window_names_the_cause_and_what_works_instead(tmp_path: Path, inputs: Path) -> None:
    opencv = break_opencv(tmp_path / "broken", "missing library")
    command = ("-m", "detcli", "video", str(inputs / "clip.mp4"), "-m", "shapes", "--show", "-o", "out.jsonl")
    done = run(tmp_path, opencv, *command, DISPLAY=":0")
    assert (done.code, done.out) == (2, "")
    assert "--show needs OpenCV, which cannot be loaded because the system library libGL.so.1 is missing" in done.err
    assert "apt-get install libgl1" in done.err
    assert "use --save-video or --save-images instead" in done.err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_doctor_warns_of_a_broken_opencv_and_exits_with_0(kind: str, tmp_path: Path) -> None:
    done = run(tmp_path, break_opencv(tmp_path / "broken", kind), "-m", "detcli", "doctor", "--json")
    assert done.code == 0
    opencv = next(one for one in json.loads(done.out)["findings"] if one["name"] == "OpenCV")
    assert opencv["state"] == "warning"
    assert opencv["advice"].startswith("only cameras, --show and the synthetic images need it: ")
    assert "opencv-python" in opencv["advice"]
