"""What a browser says of a video: Chromium without a screen plays it, where it is installed."""

import re
import shutil
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest

from detcli.sinks.video.video_writer import VideoWriter
from tests.helpers.video_writer_samples import LABELS, frame_at, make_video, one_box, shoot

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

# Jumps into the video, looks at the color of a pixel, then plays it from its beginning to its end, and tells.
PAGE = b"""<!doctype html><video muted preload=auto src="video"></video><script>
const video = document.querySelector("video"), said = [];
const tell = (...words) => fetch("said", {method: "POST", body: said.concat(words).join(" ")});
video.onerror = () => tell("error", video.error.message);
video.onloadeddata = () => {
  said.push(video.videoWidth, video.videoHeight, video.duration);
  video.currentTime = 1;
};
video.onseeked = () => {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const image = canvas.getContext("2d");
  image.drawImage(video, 0, 0);
  said.push(video.currentTime, ...image.getImageData(100, 90, 1, 1).data);
  video.onseeked = () => video.play();
  video.playbackRate = 4;
  video.currentTime = 0;
};
video.onended = () => tell("ended", video.currentTime, video.webkitAudioDecodedByteCount > 0);
</script>"""


class Site(ThreadingHTTPServer):
    """Serves the page and a video, whole or in parts, and takes what the page tells."""

    daemon_threads = True

    def __init__(self, video: Path) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.video = video.read_bytes()
        self.kind = {".mp4": "video/mp4", ".webm": "video/webm"}[video.suffix]
        self.said: Queue[list[str]] = Queue()


class Visit(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, PAGE, {"Content-Type": "text/html"})
        elif self.path == "/video":
            video, first, last = self.server.video, 0, len(self.server.video) - 1
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            headers = {"Content-Type": self.server.kind, "Accept-Ranges": "bytes"}
            if asked:
                headers["Content-Range"] = f"bytes {first}-{last}/{len(video)}"
            self.answer(206 if asked else 200, video[first : last + 1], headers)
        else:
            self.answer(404, b"", {})

    def do_POST(self) -> None:
        self.server.said.put(self.rfile.read(int(self.headers["Content-Length"])).decode().split())
        self.answer(204, b"", {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the browser has seen enough
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def play(path: Path, folder: Path) -> list[str]:
    """What the page tells: width, height, duration, where it jumped to, a pixel's color there, its end, its sound."""
    assert CHROMIUM is not None
    with Site(path) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run"]
        command = [CHROMIUM, *options, f"--user-data-dir={folder / 'profile'}", f"http://127.0.0.1:{site.server_port}/"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return site.said.get(timeout=60)
            finally:
                browser.terminate()
                site.shutdown()


def assert_plays(said: list[str], *, sound: bool) -> None:
    width, height, duration, at, red, green, blue, _ = (float(word) for word in said[:8])
    assert (width, height) == (128, 96)
    assert duration == pytest.approx(3.0, abs=0.1)
    assert at == 1
    expected = frame_at(10, 1.0).pixels
    assert expected is not None
    assert max(abs(one - other) for one, other in zip((red, green, blue), expected[90, 100], strict=True)) < 20
    assert said[8] == "ended"
    assert float(said[9]) == pytest.approx(3.0, abs=0.1)
    assert said[10] == str(sound).lower()


@pytest.mark.parametrize(("suffix", "encoder"), [(".mp4", "libx264"), (".mp4", "libvpx-vp9"), (".webm", "libvpx-vp9")])
def test_a_video_plays_with_its_audio(tmp_path: Path, suffix: str, encoder: str) -> None:
    times_s = [number / 10 for number in range(30)]
    source = make_video(tmp_path / "in.mkv", times_s, sound="libopus" if suffix == ".webm" else "aac", sound_s=3.0)
    path = tmp_path / f"video{suffix}"
    shoot(VideoWriter(path, LABELS, rate=10, copy_from=str(source), has=lambda name: name == encoder), times_s)
    assert_plays(play(path, tmp_path), sound=True)


def test_fragments_play_too(tmp_path: Path) -> None:
    """What a kill leaves: a video that was never closed."""
    path = tmp_path / "video.mp4"
    video = VideoWriter(path, LABELS, rate=10)
    for number in range(130):  # the encoder holds back some, and the last fragment is not whole
        video.write(frame_at(number, number / 10), one_box())
    left = path.read_bytes()
    video.abort()
    path.write_bytes(left)
    said = play(path, tmp_path)
    assert said[:2] == ["128", "96"]
    assert "error" not in said
    assert "ended" in said
