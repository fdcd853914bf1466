"""However a video ends, what stands under its name plays: killed, out of room, or in a file system that is full."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.sinks.video.video_writer import VideoWriter
from tests.helpers.processes import environment
from tests.helpers.video_writer_samples import LABELS, make_video, see, shoot, top_boxes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")

ENDLESS = """
import sys
from pathlib import Path
from tests.helpers.video_writer_samples import LABELS, frame_at, one_box
from detcli.sinks.video.video_writer import VideoWriter

video = VideoWriter(Path(sys.argv[1]), LABELS, rate=10, copy_from=sys.argv[2])
for number in range(1_000_000):
    video.write(frame_at(number, number / 10), one_box())
    if number == int(sys.argv[3]):
        print("written", flush=True)
"""

START = """
import sys, time
from pathlib import Path
from tests.helpers.video_writer_samples import LABELS, frame_at, one_box
from detcli.sinks.video.video_writer import VideoWriter

video = VideoWriter(Path(sys.argv[1]), LABELS, rate=10, copy_from=sys.argv[2])
for number in range(10):
    video.write(frame_at(number, number / 10), one_box())
print("written", flush=True)
time.sleep(60)
"""

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from tests.helpers.video_writer_samples import LABELS, frame_at, one_box
from detcli.errors import OutputError
from detcli.sinks.video.video_writer import VideoWriter

for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    video = VideoWriter(Path(sys.argv[1]) / f"{limit}{sys.argv[2]}", LABELS, rate=10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        for number in range(120):
            video.write(frame_at(number, number / 10), one_box())
        video.close(complete=True)
        print(limit, "whole", *video.remarks)
    except OutputError as error:
        video.close(complete=False)
        video.abort()
        print(limit, "failed", error)
"""


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_after_a_kill_the_video_plays_to_its_last_fragment(tmp_path: Path, suffix: str) -> None:
    codec = "libopus" if suffix == ".webm" else "aac"
    source = make_video(tmp_path / "in.mkv", [number / 10 for number in range(400)], sound=codec, size_hw=(16, 16))
    path = tmp_path / f"video{suffix}"
    with run(ENDLESS, path, source, 300) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
    seen = see(path)
    assert len(seen.times_s) >= 200
    step = max(abs(time_s - number / 10) for number, time_s in enumerate(seen.times_s))
    assert step <= 0.001
    assert seen.sound[0][-1][1] == pytest.approx(seen.times_s[-1], abs=4)
    if suffix == ".mp4":
        assert set(top_boxes(path)) == {"ftyp", "moov", "moof", "mdat"}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_a_kill_at_the_start_leaves_no_broken_video(tmp_path: Path, suffix: str, old: bool) -> None:
    source = make_video(tmp_path / "in.mkv", [0, 0.1, 0.2], size_hw=(16, 16))
    path = tmp_path / f"video{suffix}"
    if old:
        shoot(VideoWriter(path, LABELS, rate=10), [0, 0.1])
    before = path.read_bytes() if old else None
    with run(START, path, source) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
    assert (path.read_bytes() if path.exists() else None) == before
    shoot(VideoWriter(path, LABELS, rate=10), [0, 0.1])
    assert len(see(path).times_s) == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.mkv", path.name], (
        "the next run takes the rest away"
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_on_a_full_disk_the_video_plays_or_is_missing(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    shoot(VideoWriter(whole, LABELS, rate=10), [number / 10 for number in range(120)])
    size = whole.stat().st_size
    limits = [0, 1, 100, 2_000, *(size * part // 10 for part in range(1, 13)), 10 * size]
    with run(LIMITED, tmp_path, suffix, *limits) as child:
        assert child.stdout is not None
        told = {int(line.split()[0]): line.split(maxsplit=2)[1:] for line in child.stdout}
    assert list(told) == limits
    outcomes = set()
    for limit, (outcome, *words) in told.items():
        path = tmp_path / f"{limit}{suffix}"
        count = len(see(path).times_s) if path.exists() else 0
        assert count == 120 if outcome == "whole" else count < 120, (limit, outcome, count)
        outcomes.add((outcome, count > 0, bool(words)))
        if outcome == "failed":
            assert f"cannot write '{path}': it is larger than" in words[0]
    assert (
        (("failed", False, True) in outcomes)
        & (("failed", True, True) in outcomes)
        & (("whole", True, False) in outcomes)
    )
    assert not list(tmp_path.glob(".detcli-*"))


def test_a_video_that_cannot_be_rewritten_stays_fragmented(tmp_path: Path) -> None:
    """The index has its room next to the frames, so a short video in order is larger than its fragments."""
    whole = tmp_path / "whole.mp4"
    shoot(VideoWriter(whole, LABELS, rate=10), [number / 10 for number in range(120)])
    limit = whole.stat().st_size - 4000
    with run(LIMITED, tmp_path, ".mp4", limit) as child:
        assert child.stdout is not None
        told = child.stdout.read()
    path = tmp_path / f"{limit}.mp4"
    assert told.startswith(f"{limit} whole '{path}' is playable, but stays fragmented: cannot write")
    assert "moof" in see(path).boxes
    assert len(see(path).times_s) == 120
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([whole.name, path.name])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_device_is_reported(tmp_path: Path) -> None:
    link = tmp_path / "video.mp4"
    link.symlink_to("/dev/full")
    video = VideoWriter(link, LABELS)
    with pytest.raises(OutputError, match=r"video\.mp4': the disk is full"):
        shoot(video, [number / 10 for number in range(60)])
    video.abort()
    video.close(complete=False)
    assert str(link.readlink()) == "/dev/full"
