"""`detcli video` from sources to results, as a user runs it."""

import csv
import json
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from detcli.cli.detect import standard_output
from detcli.cli.detect.requests import video_request
from detcli.cli.detect.video.video import video as video_command
from detcli.io.outputs import open_output
from detcli.sources.video import camera
from detcli.structures.frame import Pixels
from tests.helpers.cli_runs import Run, options_read, start
from tests.helpers.stream_servers import answer, serving
from tests.helpers.video_frames import frames_of, images, video
from tests.helpers.video_samples import Part, write_streams

DetectVideo = Callable[..., Run]


@pytest.fixture
def detect_video(
    detcli: Callable[..., Run], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DetectVideo:
    """Run `detcli video` here with the tiny model, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETCLI_VIDEO_DEVICE", "cpu")

    def run(*arguments: str | Path, **others: Any) -> Run:
        return detcli("video", "--model", model, "--threshold", "0.01", "--max-det", "2", *arguments, **others)

    return run


@pytest.fixture
def short(detect_video: DetectVideo, tmp_path: Path) -> Path:
    """Six frames, a tenth of a second each."""
    return video(tmp_path / "in.mp4", images(6))


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_request_takes_every_option() -> None:
    read, options = options_read(video_command, video_request)
    assert read | {"dry_run"} == options


def test_a_video_gives_the_detections_of_its_frames_as_images(
    detcli: Callable[..., Run], detect_video: DetectVideo
) -> None:
    from detcli.datasets.shapes import draw

    frames = [draw(102, number, size_hw=(240, 320))[0] for number in range(1, 6)]
    video(Path("in.mov"), frames, codec="png", pixels="rgb24")
    Path("frames").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(f"frames/{number}.png")
    of_video = detcli("video", "-m", "shapes", "-d", "cpu", "in.mov", "-b", "2")
    of_images = detcli("detect", "-m", "shapes", "-d", "cpu", "frames", "-b", "2")
    assert (of_video.code, of_images.code) == (0, 0)
    compared = 0
    for frame, image in zip(records(of_video.out), records(of_images.out), strict=True):
        assert [d["label"] for d in frame["detections"]] == [d["label"] for d in image["detections"]]
        for a, b in zip(frame["detections"], image["detections"], strict=True):
            assert a["score"] == pytest.approx(b["score"], abs=1e-4)
            assert a["bbox"] == pytest.approx(b["bbox"], abs=0.05)
            compared += 1
    assert compared > 10


def test_files_without_a_video_suffix_are_counted_on_screen(detect_video: DetectVideo, short: Path) -> None:
    Path("films").mkdir()
    Path("in.mp4").rename("films/in.mp4")
    Path("films/a.srt").write_text("")
    run = detect_video("films", "-o", "a.jsonl")
    assert (run.code, run.err.splitlines()[:-1]) == (0, ["detcli: skipped 1 file of other suffixes: 1 .srt"])


def test_each_frame_is_a_record_with_number_and_time(detect_video: DetectVideo, short: Path) -> None:
    run = detect_video("in.mp4")
    assert run.code == 0
    lines = records(run.out)
    assert [line["frame"] for line in lines] == list(range(6))
    assert [line["time_s"] for line in lines] == pytest.approx([n / 10 for n in range(6)], abs=1e-3)
    assert {(line["file"], line["width"], line["height"], len(line["detections"])) for line in lines} == {
        ("in.mp4", 64, 48, 2)
    }
    assert "6 frames, 12 boxes in " in run.err


def test_coco_has_an_image_per_frame_and_csv_the_frame_number(detect_video: DetectVideo, short: Path) -> None:
    assert detect_video("in.mp4", "-o", "out.json", "-o", "out.csv", "--stride", "2").code == 0
    coco = json.loads(Path("out.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [f"in/frame_00000{n}.jpg" for n in (0, 2, 4)]
    assert coco["info"]["arguments"]["stride"] == 2
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [(row["frame"], float(row["time_s"])) for row in rows] == [
        (str(n), pytest.approx(n / 10, abs=1e-3)) for n in (0, 0, 2, 2, 4, 4)
    ]


@pytest.mark.parametrize(
    ("flags", "frames"),
    [
        (["--start", "0.2", "--max-frames", "2"], [2, 3]),
        (["--fps", "5"], [0, 2, 4]),
        (["--start", "0:00.1", "--duration", ".3"], [1, 2, 3]),
    ],
)
def test_options_select_frames(detect_video: DetectVideo, short: Path, flags: list[str], frames: list[int]) -> None:
    assert [line["frame"] for line in records(detect_video("in.mp4", *flags).out)] == frames


def test_without_frames_the_reason_is_given_and_no_video_is_listed(detect_video: DetectVideo, short: Path) -> None:
    run = detect_video("in.mp4", "--start", "5", "-o", "out.jsonl", "--save-video", "out.mp4")
    assert (run.code, Path("out.mp4").exists()) == (4, False)
    first, last = run.err.splitlines()
    assert first == "detcli: 'in.mp4' is 0.6 s long and has no frame to process after --start 5"
    assert last.startswith("0 frames, 0 boxes in")
    assert last.endswith("-> out.jsonl")


def test_the_annotated_video_and_images_have_every_frame(detect_video: DetectVideo, short: Path) -> None:
    assert detect_video("in.mp4", "--save-video", "out.mp4", "--save-images", "drawn", "-o", "out.jsonl").code == 0
    assert frames_of(Path("out.mp4")) == 6
    assert len(list(Path("drawn/in").iterdir())) == 6
    again = detect_video("in.mp4", "--save-video", "out.mp4")
    assert again.code == 8
    assert "out.mp4" in again.err


def test_a_second_run_cannot_write_to_the_same_outputs(detect_video: DetectVideo, short: Path) -> None:
    outputs = Path("out.mp4"), Path("out.jsonl")
    first = [open_output(path, in_place=True) for path in outputs]
    for flags in (["--save-video", "out.mp4"], ["-o", "out.jsonl", "--track"], ["-o", "out.jsonl"]):
        run = detect_video("in.mp4", *flags, "-y")
        assert run.code == 8
        assert "locked: another run writes to it" in run.err
    for output in first:
        output.discard()
    assert detect_video("in.mp4", "--save-video", "out.mp4", "-o", "out.jsonl", "-y").code == 0


def test_each_of_several_sources_has_its_own_outputs(detect_video: DetectVideo, short: Path) -> None:
    video(Path("other.mp4"), images(3, seed=1))
    run = detect_video(
        "in.mp4", "other.mp4", "-o", "o/{name}.jsonl", "-o", "all.jsonl", "--save-video", "videos/", "-b", "1"
    )
    assert run.code == 0
    for name, count in (("in", 6), ("other", 3)):
        assert Path(f"o/{name}.jsonl").read_text() == detect_video(f"{name}.mp4", "-b", "1").out
        assert frames_of(Path(f"videos/{name}.mp4")) == count
    together = records(Path("all.jsonl").read_text())
    assert [line["index"] for line in together] == list(range(9))
    assert [line["file"] for line in together[:4]] == ["in.mp4", "other.mp4"] * 2


def test_a_missing_source_is_a_record_next_to_the_others(detect_video: DetectVideo, short: Path) -> None:
    run = detect_video("gone.mp4", "in.mp4")
    assert run.code == 3
    first, *others = records(run.out)
    assert (first["file"], first["error"]["code"], first["detections"]) == ("gone.mp4", "not-found", None)
    assert len(others) == 6
    assert first["error"]["message"] == "no such file or folder"
    assert "detcli: 'gone.mp4': no such file or folder; skipped\n" in run.err


def test_if_no_source_can_be_read_each_is_reported(detect_video: DetectVideo) -> None:
    run = detect_video("gone.mp4", "cam123", "-o", "out.jsonl")
    assert (run.code, run.out) == (4, "")
    first, second, last = run.err.splitlines()
    assert first == "detcli: 'gone.mp4': no such file or folder; skipped"
    assert second.startswith("detcli: 'cam123': camera 123 does not exist")
    assert last == "detcli: none of the 2 sources can be read"


def test_tracks_are_numbered_in_every_format(detect_video: DetectVideo, tmp_path: Path) -> None:
    still = images(1, seed=1) * 4
    video(tmp_path / "in.mp4", still)
    assert detect_video("in.mp4", "--track", "-o", "out.jsonl", "-o", "out.csv").code == 0
    ids = [[d["track_id"] for d in line["detections"]] for line in records(Path("out.jsonl").read_text())]
    assert ids[0] == ids[-1] == [1, 2]
    assert {row["track_id"] for row in csv.DictReader(Path("out.csv").read_text().splitlines())} == {"1", "2"}
    assert not Path("out.jsonl.journal").exists()


def test_on_a_terminal_a_run_without_outputs_says_so(
    detect_video: DetectVideo, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_output, "is_terminal", lambda stream: True)
    words = "nothing is saved: use -o FILE for the results, or --save-video FILE for an annotated video"
    run = detect_video("in.mp4", "--max-frames", "1")
    assert (run.code, run.out) == (0, "")
    assert words in run.err
    for flags in (["-o", "out.jsonl"], ["--save-video", "out.mp4"], ["-f", "table"]):
        assert words not in detect_video("in.mp4", "--max-frames", "1", *flags).err


def test_a_dry_run_describes_the_source_and_writes_nothing(
    detect_video: DetectVideo, short: Path, tmp_path: Path
) -> None:
    run = detect_video("in.mp4", "--dry-run", "-o", "out.jsonl", "--save-video", "out.mp4")
    assert (run.code, run.out) == (0, "in.mp4\n")
    assert "would process 'in.mp4': 64 x 48, 10 frames/s, 6 frames" in run.err
    assert re.search(r"time: about [\d.]+ s for 6 frames, at [\d.,]+ frames/s on cpu, measured on 6 frames", run.err)
    assert "output: out.mp4" in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert "6 frames, 0.6 s, every frame\n" in run.err
    assert "6 frames, 0.6 s, not live\n" in detect_video("in.mp4", "--dry-run", "--stride", "2").err


def test_folders_are_searched_for_videos_and_globs_are_expanded(detect_video: DetectVideo, short: Path) -> None:
    video(Path("d/sub/b.mkv"), images(2))
    video(Path("d/a.mp4"), images(1))
    Path("d/notes.txt").write_text("not a video")
    assert [line["file"] for line in records(detect_video("d").out)] == ["d/a.mp4", "d/sub/b.mkv", "d/sub/b.mkv"]
    assert {line["file"] for line in records(detect_video("*.mp4").out)} == {"in.mp4"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to process"),
        (["cam123"], 4, "camera 123 does not exist"),
        (["webcam"], 4, "cameras are named cam0"),
        (["gone.mp4"], 4, "no such file"),
        (["image.png"], 4, "an image, not a video"),
        (["words.txt"], 4, "cannot read 'words.txt': not a "),
        (["empty.mp4"], 4, "empty"),
        (["pointer.mp4"], 4, "'git lfs pull' fetches it"),
        (["page.mp4"], 4, "a web page, not a video"),
        (["folder"], 4, "no videos in 'folder'"),
        (["no*.mp4"], 4, "no file matches 'no*.mp4'"),
        (["ftp://me:secret@example.org/a.mp4"], 2, "'ftp://example.org/a.mp4'"),
        (["-", "-"], 2, "more than once"),
        (["in.mp4", "--start", "soon"], 2, "'soon' is not a time"),
        (["in.mp4", "--stride", "1.5"], 2, "'1.5' is not an integer from 1\n"),
        (["in.mp4", "--start", "1:75"], 2, "less than 60"),
        (["in.mp4", "--duration", "0:00"], 2, "must be greater than 0"),
        (["in.mp4", "--camera-size", "big"], 2, "1280x720"),
        (["in.mp4", "--fps", "0"], 2, "frames per second"),
        (["in.mp4", "in.mp4", "--save-video", "out.mp4"], 2, "{name}"),
        (["in.mp4", "--save-video", "in.mp4"], 2, "input and output at once"),
        (["in.mp4", "--save-video", "out.gif"], 2, ".mp4"),
        (["in.mp4", "--save-images", "drawn/{name}"], 2, "each source has its own folder"),
        (["in.mp4", "--save-video", "-"], 2, "cannot write to standard output"),
        (["in.mp4", "-o", "out.jsonl", "--resume", "--track"], 2, "--resume cannot be combined with --track"),
        (["in.mp4", "-o", "out.jsonl", "--resume", "--live"], 2, "cannot be read again"),
    ],
)
def test_invalid_input_is_an_error_of_one_line(
    detect_video: DetectVideo, short: Path, arguments: list[str], code: int, words: str
) -> None:
    Image.new("RGB", (8, 8)).save("image.png")
    Path("words.txt").write_text("hello\n" * 100)
    Path("empty.mp4").touch()
    Path("pointer.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    Path("page.mp4").write_text("\n<!DOCTYPE html><title>Sign in</title>")
    Path("folder").mkdir()
    run = detect_video(*arguments)
    assert (run.code, run.out) == (code, "")
    assert words in run.err
    assert "secret" not in run.err
    assert "bug" not in run.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems are asked by OpenCV")
def test_a_window_without_a_screen_is_refused_at_once(detect_video: DetectVideo, short: Path) -> None:
    run = detect_video("in.mp4", "--show", env={"DISPLAY": "", "WAYLAND_DISPLAY": ""})
    assert run.code == 2
    assert "--show needs a screen" in run.err


def test_a_resumed_run_ends_like_one_that_was_never_interrupted(detect_video: DetectVideo, short: Path) -> None:
    flags = ("--deterministic", "-b", "2")
    then = {"SOURCE_DATE_EPOCH": "0"}
    assert detect_video("in.mp4", "gone.mp4", "-o", "complete.json", *flags, env=then).code == 3
    assert detect_video("in.mp4", "gone.mp4", "-o", "out.json", "--strict", *flags).code == 3
    journal = Path("out.json.journal")
    assert 0 < len(journal.read_bytes().splitlines()) - 1 < 7
    assert detect_video("in.mp4", "gone.mp4", "-o", "out.json", "--resume", *flags, env=then).code == 3
    assert Path("out.json").read_text() == Path("complete.json").read_text()
    assert not journal.exists()


def test_a_resumed_run_completes_the_output_of_each_source(detect_video: DetectVideo, short: Path) -> None:
    flags = ("--deterministic", "-b", "2")
    then = {"SOURCE_DATE_EPOCH": "0"}
    assert detect_video("in.mp4", "gone.mp4", "-o", "complete/{name}.json", *flags, env=then).code == 3
    assert detect_video("in.mp4", "gone.mp4", "-o", "out/{name}.json", "--strict", *flags).code == 3
    assert list(Path("out").glob("*.journal"))
    for output in Path("out").glob("*.json"):  # a killed run leaves only the journal
        output.unlink()
    assert detect_video("in.mp4", "gone.mp4", "-o", "out/{name}.json", "--resume", *flags, env=then).code == 3
    assert Path("out/in.json").read_text() == Path("complete/in.json").read_text()
    assert not list(Path("out").glob("*.journal"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Files of the test's folder over HTTP, on loopback; the address without its scheme."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


def test_a_warning_names_sound_that_cannot_be_copied(detect_video: DetectVideo, server: str) -> None:
    video(Path("in.ts"), images(6), sound=True)
    assert "sound" not in detect_video("in.ts", "--save-video", "file.mp4").err
    run = detect_video(f"http://{server}/in.ts", "--save-video", "stream.mp4")
    assert run.code == 0
    assert f"the audio of 'http://{server}/in.ts' is left out: it can only be copied from a file\n" in run.err


def test_a_server_without_ranges_cannot_give_every_mp4(detect_video: DetectVideo, server: str) -> None:
    video(Path("large.mp4"), images(20, size_hw=(240, 320)))
    run = detect_video(f"http://{server}/large.mp4")
    assert run.code == 4
    assert "this MP4 ends with its index: download it" in run.err


def test_a_web_page_is_not_a_video(detect_video: DetectVideo, server: str) -> None:
    Path("page.html").write_text("<!doctype html><title>a video</title>" + "<p>words</p>" * 100)
    run = detect_video(f"http://{server}/page.html")
    assert (run.code, run.out) == (4, "")
    assert run.err.endswith("the server sends no video; the address of a page is not that of the video on it\n")


def test_credentials_of_an_address_are_never_shown(detect_video: DetectVideo, short: Path, server: str) -> None:
    address = f"http://me:hunter2@{server}/in.mp4?token=hunter3"
    run = detect_video(address, "--no-live", "-o", "out.json", "-o", "out.jsonl", "-v", "--header")
    assert run.code == 0
    written = [path.read_text() for path in (Path("out.json"), Path("out.jsonl"))]
    assert len(records(written[1])) == 7
    for text in (*written, run.err):
        assert "hunter" not in text
    assert f"http://{server}/in.mp4?token=..." in written[1]


class StillCamera:
    """Gives the same image for ever."""

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, Pixels]:
        return True, np.zeros((48, 64, 3), np.uint8)

    def get(self, what: int) -> float:
        return 0.0

    def set(self, what: int, value: float) -> bool:
        return True

    def release(self) -> None:
        pass


def test_a_camera_is_live_and_its_latency_is_shown(
    detect_video: DetectVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video0").touch()
    monkeypatch.setattr(camera, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(camera, "open_capture", lambda number: StillCamera())
    run = detect_video("cam0", "--max-frames", "5", "-o", "out.jsonl")
    assert run.code == 0
    lines = records(Path("out.jsonl").read_text())
    assert len(lines) == 5
    frames = [line["frame"] for line in lines]
    assert frames == sorted(set(frames))
    assert "latency " in run.err
    assert not Path("out.jsonl.journal").exists()
    assert Path("out.jsonl").read_text().count("cam0") == 5


# ------------------------------------------------------------------------------------------ processes of their own


def words(model: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "detcli", "video", "--model", str(model), "--device", "cpu"),
        *("--threshold", "0.01", "--max-det", "2", "--workers", "1"),
    ]


def test_a_video_comes_through_a_pipe(model: Path, tmp_path: Path) -> None:
    data = video(tmp_path / "in.ts", images(6)).read_bytes()
    process = start(words(model), "-", cwd=tmp_path)
    out, err = process.communicate(data, timeout=120)
    assert process.returncode == 0, err
    lines = records(out.decode())
    assert [line["frame"] for line in lines] == list(range(6))
    assert {line["file"] for line in lines} == {"-"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outputs_of_an_interrupted_run_are_complete_files(model: Path, tmp_path: Path, number: int, code: int) -> None:
    video(tmp_path / "in.mp4", images(400))
    command = [*words(model), "in.mp4", "-b", "1", "-o", "-", "-o", "out.json", "--save-video", "out.mp4"]
    process = start(command, cwd=tmp_path, bufsize=0)  # a buffer would keep lines from communicate()
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    rest, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert b"Traceback" not in err
    lines = records((first + rest).decode())
    assert 0 < len(lines) < 400
    coco = json.loads((tmp_path / "out.json").read_text())
    assert not coco["info"]["complete"]
    assert len(coco["images"]) == frames_of(tmp_path / "out.mp4") == len(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_run_can_be_interrupted_while_a_server_is_silent(model: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = start(words(model), f"rtsp://127.0.0.1:{silent.getsockname()[1]}/", cwd=tmp_path)
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)  # it asks, and waits for 15 seconds
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=8)
    assert process.returncode == 130, err
    assert b"Traceback" not in err


def test_it_says_which_of_several_video_streams_is_read(detect_video: DetectVideo, tmp_path: Path) -> None:
    parts = [Part((96, 128), 1, codec="mjpeg"), Part((48, 64), 12)]
    write_streams(tmp_path / "a.mkv", parts, container="matroska")
    run = detect_video("a.mkv", "-o", "a.jsonl", "--save-video", "out.mkv")
    assert "2 video streams; used is stream 1: h264, 64 x 48" in " ".join(run.err.split())
    assert len(records(Path("a.jsonl").read_text())) == frames_of(Path("out.mkv")) == 12


def test_tracking_gives_no_box_below_the_threshold(detect_video: DetectVideo, tmp_path: Path) -> None:
    from detcli.datasets.shapes import draw

    video(tmp_path / "in.mp4", [draw(7, 1, size_hw=(160, 160))[0] // (1 + number % 4) for number in range(12)])
    options = ["in.mp4", "-m", "shapes", "-t", "0.6", "--max-det", "50", "--track"]
    assert detect_video(*options, "-o", "out.jsonl", "-o", "out.csv", "-o", "out.json").code == 0
    scores = [box["score"] for line in records(Path("out.jsonl").read_text()) for box in line["detections"]]
    assert scores
    assert min(scores) > 0.6
    assert min(float(row["score"]) for row in csv.DictReader(Path("out.csv").read_text().splitlines())) > 0.6
    assert min(box["score"] for box in json.loads(Path("out.json").read_text())["annotations"]) > 0.6
    assert detect_video(*options, "--weak-boxes", "-o", "weak.jsonl").code == 0
    weak = [box["score"] for line in records(Path("weak.jsonl").read_text()) for box in line["detections"]]
    assert len(weak) >= len(scores)


def test_weak_boxes_need_tracking(detect_video: DetectVideo, short: Path) -> None:
    run = detect_video("in.mp4", "--weak-boxes", "-o", "out.jsonl")
    assert run.code == 2
    assert "--weak-boxes needs --track" in " ".join(run.err.split())


@pytest.mark.parametrize("name", ["film.mkv", "my film.mkv"])
def test_what_a_saved_video_lacks_is_said_once_for_each_file(detect_video: DetectVideo, name: str) -> None:
    for path in (Path(name), Path("other.mkv")):
        with av.open(str(path), "w") as file:
            file.metadata.update({"title": "a lake", "serial_of_camera": "17"})
            stream = file.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
            for pixels in images(4):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:48, :64]), "rgb24")
                file.mux(stream.encode(frame.reformat(format="yuv420p10le")))
            file.mux(stream.encode(None))
    run = detect_video(name, "other.mkv", "--save-video", "saved")
    assert run.code == 0
    told = [line for line in run.err.splitlines() if "has not everything of" in line]
    assert len(told) == 2
    for line in told:
        assert line.count("10 bits per channel (8 are written)") == line.count("metadata (SERIAL_OF_CAMERA)") == 1
    with av.open(f"saved/{Path(name).stem}.mp4") as copy:
        assert copy.metadata["title"] == "a lake"


@pytest.mark.parametrize(("status", "code"), [("401 No", 7), ("403 No", 7), ("404 No", 7), ("500 No", 4)])
def test_a_refused_stream_ends_with_the_code_of_denied_access(
    detect_video: DetectVideo, monkeypatch: pytest.MonkeyPatch, status: str, code: int
) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(answer(status)) as server:
        address = f"http://127.0.0.1:{server.port}/film.mp4"
        run = detect_video(address)
        assert (run.code, run.out) == (code, "")
        assert status[:3] in run.err or "5xx" in run.err
        assert detect_video(address, f"{address}?b").code == code
