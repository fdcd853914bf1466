"""Videos in object stores give what the same files give, are read by few requests, and fail alone and with a code."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detcli as package
from detcli.errors import InputError, LibraryError, SourceError
from detcli.io.naming import SkippedEntries
from detcli.io.remote import ahead_reader, stores
from detcli.sources.video.find_videos import find_videos, source_names
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
from detcli.structures.frame import Frame
from tests.helpers.cli_runs import Run
from tests.helpers.object_store import ACCESS_KEY, SECRET_KEY, Answer, StoreServer, refusal
from tests.helpers.video_samples import gaps_of, read, write_video

pytestmark = pytest.mark.functional
FRAMES, LONG_FRAMES = 24, 60
Detect = Callable[..., Run]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos: with the index first and last, in other containers, one in a folder of its own."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "sub").mkdir()
    write_video(folder / "first.mp4", FRAMES, noise=True, sound=True)
    write_video(folder / "last.mp4", FRAMES, noise=True, movflags="write_colr")
    write_video(folder / "other.mkv", FRAMES, sound=True)
    write_video(folder / "raw.mjpeg", 5, codec="mjpeg", container="mjpeg")
    write_video(folder / "sub" / "stream.ts", FRAMES, turned=90)
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of more bytes than FFmpeg reads to open it."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write_video(path, LONG_FRAMES, size_hw=(96, 128), noise=True).read_bytes()


@pytest.fixture
def stored(s3: StoreServer, clips: Path) -> str:
    """The same as a prefix; returns its address."""
    s3.put({f"in/{path.relative_to(clips)}": path.read_bytes() for path in clips.rglob("*.*")})
    s3.requests.clear()
    return f"s3://{s3.bucket}/in"


@pytest.fixture
def video(detcli: Detect, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Run `detcli video` here with the tiny model, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETCLI_VIDEO_DEVICE", "cpu")

    def run(*arguments: str | Path) -> Run:
        return detcli("video", "--model", model, "--threshold", "0.01", "--max-det", "2", *arguments)

    return run


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 2 kB, so that a small video has many."""
    monkeypatch.setattr(ahead_reader, "_FIRST_BYTES", 1 << 11)
    monkeypatch.setattr(ahead_reader, "_MOST_BYTES", 1 << 11)


def records(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_results_are_those_of_the_files_but_for_names(
    video: Detect, stored: str, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for number, options in enumerate(
        (
            ("--track",),
            ("--start", "0.4", "--stride", "2", "--duration", "0.3"),
            ("--shard", "2/2", "--fps", "5", "-f", "coco"),
        )
    ):
        for source, name in ((stored, "stored"), (str(clips), "local")):
            run = video(source, "-o", f"{name}{number}.json", "-f", "jsonl", "--deterministic", *options)
            assert (run.code, run.err.count("failed")) == (0, 0), run.err
        found = Path(f"stored{number}.json").read_text().replace(stored, str(clips))
        assert found == Path(f"local{number}.json").read_text()
        assert found.count('"file') >= 5


@pytest.mark.usefixtures("_small_parts")
def test_pixels_numbers_and_times_are_those_of_the_file(stored: str, clips: Path) -> None:
    for name in ("first.mp4", "last.mp4", "other.mkv", "raw.mjpeg", "sub/stream.ts"):
        for settings in (VideoSettings(), VideoSettings(start_s=0.1), VideoSettings(stride=3, max_frames=4)):
            frames, expected = read(f"{stored}/{name}", settings), read(clips / name, settings)
            assert len(frames) == len(expected) > 0
            for frame, other in zip(frames, expected, strict=True):
                assert isinstance(frame, Frame)
                assert isinstance(other, Frame)
                assert np.array_equal(frame.pixels, other.pixels)
                assert (frame.origin.frame, frame.origin.time_s) == (other.origin.frame, other.origin.time_s)


def test_outputs_are_named_below_the_common_prefix(video: Detect, stored: str, s3: StoreServer) -> None:
    assert source_names([f"{stored}/a/1.mp4", f"{stored}/b/1.mp4"]) == ["a/1", "b/1"]
    assert source_names([f"{stored}/a/1.mp4"]) == ["1"]
    assert source_names([f"{stored}/a/1.mp4", "x.mp4"]) == [f"{s3.bucket}/in/a/1", "x"]
    run = video(stored, "-o", "out/{name}.jsonl", "--save-images", "drawn", "--max-frames", "1")
    assert run.code == 0, run.err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "first.jsonl",
        "last.jsonl",
        "other.jsonl",
        "raw.jsonl",
        "sub-stream.jsonl",
    ]
    assert Path("drawn/sub/stream/frame_000000.jpg").exists()
    assert {record["file"] for record in records("out/sub-stream.jsonl")} == {f"{stored}/sub/stream.ts"}


def test_prefixes_and_patterns_are_filtered_as_folders_are(s3: StoreServer) -> None:
    names = (
        "a.mp4",
        "b.MOV",
        "film",
        "list.m3u8",
        "notes.txt",
        ".x.mp4",
        "sub/c.mkv",
        "old/d.mp4",
        "old/.detcli-output",
    )
    s3.put(dict.fromkeys((f"in/{name}" for name in names), b"x"))
    start, skipped = f"s3://{s3.bucket}/in", SkippedEntries()
    for argument, expected in (
        (start, ["a.mp4", "b.MOV", "sub/c.mkv"]),
        (f"{start}/", ["a.mp4", "b.MOV", "sub/c.mkv"]),
        (f"{start}/*.mp4", ["a.mp4"]),
        (f"{start}/**/*.mkv", ["sub/c.mkv"]),
        (f"{start}/old/", ["old/d.mp4"]),
        (f"{start}/film", ["film"]),
        (f"{start}/missing.mp4", ["missing.mp4"]),  # which fails when it is opened
    ):
        assert find_videos([argument], skipped=skipped) == [f"{start}/{name}" for name in expected]
    assert skipped.by_suffix[".txt"] > 0
    assert f"{start}/old" in skipped.output_folders
    for argument, words in ((f"{start}/none/", "no videos in"), (f"{start}/*.avi", "no object matches this pattern")):
        with pytest.raises(InputError, match=words):
            find_videos([argument])


def test_an_index_at_the_end_costs_few_requests(s3: StoreServer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 60, size_hw=(240, 320), noise=True, movflags="write_colr")
    data = path.read_bytes()
    assert data.index(b"mdat") < len(data) // 2 < data.index(b"moov")
    s3.put({"a.mp4": data})
    for settings, most in ((VideoSettings(), 6), (VideoSettings(start_s=1.5), 6)):
        s3.requests.clear()
        assert read(f"s3://{s3.bucket}/a.mp4", settings)
        assert Counter(method for method, _ in s3.requests)["GET"] <= most, (len(data), s3.requests)


def test_what_is_no_video_has_the_code_of_the_file(
    s3: StoreServer, video: Detect, clips: Path, tmp_path: Path, image: bytes
) -> None:
    whole = (clips / "first.mp4").read_bytes()
    contents = {
        "cut.mp4": whole[: len(whole) // 2],
        "empty.mp4": b"",
        "headless.mp4": (clips / "last.mp4").read_bytes()[:5000],
        "list.m3u8": b"#EXTM3U\n#EXTINF:1,\nhttps://host/a.ts\n",
        "page.mp4": b"<html>" * 50,
        "photo.mp4": image,
        "text.mp4": b"text" * 100,
    }
    s3.put({f"odd/{name}": data for name, data in contents.items()})
    found = []
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    for start, output in ((f"s3://{s3.bucket}/odd", "stored.jsonl"), (str(tmp_path), "local.jsonl")):
        run = video(*(f"{start}/{name}" for name in contents), "-o", output, "--no-progress")
        assert run.code == 3
        failed = [record for record in records(output) if record["error"]]
        found.append({record["file"].removeprefix(f"{start}/"): record["error"]["code"] for record in failed})
    assert found[0] == found[1]
    assert found[0].keys() == contents.keys()


def test_what_the_store_refuses_is_named_with_its_code(s3: StoreServer, stored: str, video: Detect) -> None:
    for argument, code, words in (
        (f"{stored}/none.mp4", "not-found", "no object has this name"),
        ("s3://no-such-bucket/a.mp4", "not-found", "there is no bucket 'no-such-bucket'|no object has this name"),
        ("s3://no-such-bucket/in/", "not-found", "there is no bucket 'no-such-bucket'"),
        (f"{stored}/a.mp4?X-Amz-Signature=c0ffee", "unsupported", "signed https:// URL"),
    ):
        with pytest.raises(SourceError, match=words) as caught, package.open_video(argument):
            pass
        assert caught.value.code == code
        assert "c0ffee" not in str(caught.value)
        assert video(argument).code == 4
    denied = refusal("403 Forbidden", "AccessDenied")
    s3.fault = lambda method, path: ("403 Forbidden", [], 0) if method == "HEAD" else denied
    for argument in (f"{stored}/first.mp4", f"{stored}/"):
        with pytest.raises(SourceError, match="the store denies access") as caught, package.open_video(argument):
            pass
        assert caught.value.code == "no-permission"


@pytest.mark.usefixtures("_small_parts")
def test_an_object_that_vanishes_ends_its_video_only(s3: StoreServer, stored: str, video: Detect, long: bytes) -> None:
    s3.put({"in/long.mp4": long})
    asked: Counter[str] = Counter()

    def vanish(method: str, path: str) -> Answer | None:
        asked[path] += method == "GET"
        return refusal("404 Not Found", "NoSuchKey") if path.endswith("long.mp4") and asked[path] > most else None

    most = len(long) // (1 << 11) * 3 // 4
    s3.fault = vanish
    run = video(f"{stored}/long.mp4", f"{stored}/other.mkv", "-o", "out.jsonl")
    assert run.code == 3, run.err
    by_file: dict[str, list[Any]] = {}
    for record in records("out.jsonl"):
        by_file.setdefault(record["file"].rpartition("/")[2], []).append(record["error"])
    assert by_file["other.mkv"] == [None] * FRAMES
    *good, last = by_file["long.mp4"]
    assert good == [None] * len(good)
    assert LONG_FRAMES // 2 < len(good) < LONG_FRAMES
    assert (last["code"], last["message"]) == ("not-found", "no object has this name")
    assert "no object has this name" in run.err


@pytest.mark.usefixtures("_small_parts")
def test_a_body_that_stalls_ends_its_video_in_time(
    s3: StoreServer, stored: str, video: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LIMITS", replace(stores.LIMITS, attempts=2, attempt_s=0.5))
    released, asked = threading.Event(), Counter[str]()

    def stalled() -> Iterator[bytes]:
        yield b"\0" * 100
        released.wait(30)

    def stall(method: str, path: str) -> Answer | None:
        asked[path] += method == "GET"
        stalls = path.endswith("first.mp4") and asked[path] > 4
        return ("206 Partial Content", stalled(), None) if stalls else None

    s3.fault = stall
    try:
        run = video(f"{stored}/first.mp4", f"{stored}/other.mkv", "-o", "out.jsonl")
    finally:
        released.set()
    assert run.code == 3
    errors = [record["error"] for record in records("out.jsonl") if record["error"]]
    assert [error["code"] for error in errors] == ["not-found"]
    assert "the store did not answer in time" in errors[0]["message"]


@pytest.mark.usefixtures("_small_parts")
def test_an_overloaded_store_is_asked_again_for_each_part(s3: StoreServer, stored: str) -> None:
    asked: Counter[int] = Counter()

    def throttle(method: str, path: str) -> Answer | None:
        asked[0] += 1
        return refusal("503 Slow Down", "SlowDown") if asked[0] % 2 else None

    s3.fault = throttle
    frames = read(f"{stored}/last.mp4")
    assert (len(frames), gaps_of(frames)) == (FRAMES, [])


@pytest.mark.usefixtures("_small_parts")
def test_closing_a_video_ends_a_read_that_waits(s3: StoreServer, stored: str, long: bytes) -> None:
    s3.put({"in/long.mp4": long})
    released, waiting = threading.Event(), threading.Event()

    def stalled() -> Iterator[bytes]:
        waiting.set()
        released.wait(60)
        yield b""

    video = VideoStream(f"{stored}/long.mp4", VideoSettings())
    items = iter(video)
    s3.fault = lambda method, path: ("206 Partial Content", stalled(), None)
    left: list[Any] = []
    reading = threading.Thread(target=lambda: left.extend(items), daemon=True)
    reading.start()
    try:
        assert waiting.wait(20)
        video.close()
        reading.join(10)
        assert not reading.is_alive()
    finally:
        released.set()
    assert len(left) < LONG_FRAMES


def test_no_credential_of_a_video_is_shown(s3: StoreServer, stored: str, video: Detect, tmp_path: Path) -> None:
    address = stored.replace("s3://", f"s3://{ACCESS_KEY}:{SECRET_KEY}@")
    for number, arguments in enumerate(
        (
            (f"{address}/", f"{address}/none.mp4", "--max-frames", "1", "--header", "-v"),
            (f"{address}/*.mp4", "--max-frames", "1", "-f", "coco", "--debug", "--save-images", "drawn"),
            (f"{address}/nothing/",),
            (f"{address}/first.mp4", "-n"),
        )
    ):
        run = video(*arguments, "-o", f"{number}.json", "-f", "jsonl")
        written = "".join(f"{path}{path.read_bytes()!r}" for path in tmp_path.rglob("*") if path.is_file())
        for secret in (ACCESS_KEY, SECRET_KEY, SECRET_KEY.partition("/")[0]):
            assert secret not in run.out + run.err + written
    assert {record["file"] for record in records("0.json")[1:]} > {f"{stored}/first.mp4"}
    with package.open_video(f"{address}/first.mp4") as frames:
        assert ACCESS_KEY not in repr(frames) + repr(next(iter(frames)).origin)


def test_credentials_of_the_address_of_a_prefix_are_used(
    s3: StoreServer, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (found,) = find_videos([stored.replace("s3://", f"s3://{ACCESS_KEY}:{SECRET_KEY}@") + "/l*.mp4"])
    assert len(read(found)) == FRAMES
    with pytest.raises(SourceError, match="AWS_ACCESS_KEY_ID"):
        read(f"{stored}/last.mp4")


def test_an_annotated_copy_says_that_audio_is_left_out(video: Detect, stored: str) -> None:
    run = video(f"{stored}/first.mp4", "--save-video", "out.mp4", "--max-frames", "5")
    assert run.code == 0, run.err
    assert f"the audio of '{stored}/first.mp4' is left out" in run.err
    assert len(read(Path("out.mp4"))) == 5


def test_an_interrupted_run_over_objects_is_resumed(video: Detect, stored: str) -> None:
    arguments = (f"{stored}/first.mp4", f"{stored}/none.mp4", "--deterministic", "-b", "2", "-o")
    assert video(*arguments, "whole.jsonl").code == 3
    assert video(*arguments, "out.jsonl", "--strict").code == 3
    assert 0 < len(records("out.jsonl")) < FRAMES
    assert video(*arguments, "out.jsonl", "--resume").code == 3
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_python_reads_videos_in_memory(clips: Path, model: Path) -> None:
    import fsspec

    name = f"memory://clips-{id(clips)}/a.mp4"
    fsspec.filesystem("memory").pipe_file(name, (clips / "last.mp4").read_bytes())
    with package.open_video(name, start=0.5) as frames:
        stored = [frame.origin.time_s for frame in frames]
    with package.open_video(clips / "last.mp4", start=0.5) as frames:
        assert stored == [frame.origin.time_s for frame in frames]
    results = list(package.track_video(name, model=str(model), threshold=0.01, device="cpu", max_frames=3))
    assert [frame.origin.file for frame, _ in results] == [name] * 3


def test_a_missing_driver_is_named_before_a_video_is_read(monkeypatch: pytest.MonkeyPatch, video: Detect) -> None:
    for scheme, driver in (("gs", "gcsfs"), ("az", "adlfs"), ("s3", "s3fs")):
        monkeypatch.setitem(sys.modules, driver, None)
        with pytest.raises(LibraryError, match=f"{scheme}:// needs {driver}"):
            find_videos([f"{scheme}://bucket/a.mp4"])
    assert video("s3://bucket/a.mp4").code == 2
