"""Lost streams are reopened, with a reported gap and no invented frame; refusals are final."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import SourceError, StreamAccessError
from detcli.sources.video.backoff import BackOff, BackoffClock, wait_for_server
from detcli.sources.video.ffmpeg.container import ContainerLimits
from detcli.sources.video.video_source import StreamGap, VideoSettings
from detcli.sources.video.video_stream import VideoStream
from detcli.structures.frame import Frame
from tests.helpers.stream_servers import StreamServer, answer, datagram_stream, mjpeg, part_of, rtsp, serving
from tests.helpers.video_samples import decode_with_pyav, frames_of, gaps_of, image, read, write_video

QUICK = ContainerLimits(open_s=3.0, read_s=0.4)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Hasty(BackoffClock):
    """A clock that does not wait: the time passes at once. It records the requested waits."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        return time.monotonic() + sum(self.waits)

    def wait(self, closed: threading.Event, seconds: float) -> None:
        self.waits.append(seconds)


def video(
    server: StreamServer, *, path: str = "/cam", clock: BackoffClock | None = None, **settings: Any
) -> VideoStream:
    address = f"http://127.0.0.1:{server.port}{path}"
    return VideoStream(address, VideoSettings(**settings), limits=QUICK, clock=clock or Hasty())


def sent_number(frame: Frame) -> int:
    """Which of the server's images it is; raises where it is none of them."""
    assert frame.pixels is not None
    differences = [np.abs(frame.pixels.astype(int) - image(number)).mean() for number in range(60)]
    best = int(np.argmin(differences))
    assert differences[best] < 3
    return best


class TestLoss:
    @pytest.mark.parametrize("then", ["close", "reset", "stall"])
    def test_a_stream_continues_after_a_gap_with_the_sent_frames(self, then: str) -> None:
        with serving(mjpeg(8, then), mjpeg(50)) as server:
            results = [item() for item in video(server, max_frames=14)]
        frames, [gap] = frames_of(results), gaps_of(results)
        assert gap.code == "gap"
        numbers = [sent_number(frame) for frame in frames]
        assert numbers == sorted(set(numbers))
        assert [frame.origin.frame for frame in frames] == list(range(14))
        assert [item.origin.index for item in results] == list(range(15))
        assert gap.origin.frame == results[gap.origin.index + 1].origin.frame

    def test_time_continues_by_the_clock(self) -> None:
        clock = Hasty()
        with serving(mjpeg(8), mjpeg(50)) as server:
            results = [item() for item in video(server, max_frames=14, clock=clock)]
        times = [result.origin.time_s or 0.0 for result in results]
        assert times == sorted(times)
        [gap] = gaps_of(results)
        before, after = (results[gap.origin.index + step].origin.time_s or 0.0 for step in (-1, 1))
        assert after - before >= sum(clock.waits) > 0
        assert after - before < sum(clock.waits) + 5

    @pytest.mark.parametrize("then", ["close", "stall"])
    def test_rtsp_is_read_over_tcp_and_reopened(self, tmp_path: Path, then: str) -> None:
        path = write_video(tmp_path / "a.ts", 40)
        complete = [pixels for _, pixels in decode_with_pyav(path)]
        with serving(rtsp(path.read_bytes(), then, every_s=0.005)) as server:
            address = f"rtsp://127.0.0.1:{server.port}/cam"
            results = read(address, VideoSettings(max_frames=60), limits=QUICK, clock=Hasty())
        frames, [gap] = frames_of(results), gaps_of(results)
        first, second = frames[: gap.origin.index], frames[gap.origin.index :]
        assert len(first) >= 35
        for part in (first, second):
            assert all(np.array_equal(frame.pixels, pixels) for frame, pixels in zip(part, complete, strict=False))

    def test_silence_before_a_loss_is_part_of_the_gap(self, tmp_path: Path) -> None:
        path, clock = write_video(tmp_path / "a.ts", 40), Hasty()
        with serving(rtsp(path.read_bytes(), "stall", every_s=0.005)) as server:
            address = f"rtsp://127.0.0.1:{server.port}/cam"
            results = read(address, VideoSettings(max_frames=60), limits=QUICK, clock=clock)
        [gap] = gaps_of(results)
        before, after = (results[gap.origin.index + step].origin.time_s or 0.0 for step in (-1, 1))
        assert after - before >= sum(clock.waits) + 0.9 * QUICK.read_s

    def test_a_loss_is_reported_before_the_server_is_back(self) -> None:
        with serving(mjpeg(500)) as server:
            source = video(server, clock=BackoffClock())
            images = iter(source)
            next(images)
            server.hang_up()
            late = threading.Timer(5, source.close)
            late.start()
            gap = next(item for item in images if isinstance(item, StreamGap))
            late.cancel()
            source.close()
        assert gap.code == "gap"
        assert "lost" in gap.message

    def test_without_reconnecting_a_loss_is_an_error_with_the_reason(self) -> None:
        with serving(mjpeg(8, "reset")) as server:
            images = iter(video(server, reconnect=False))
            with pytest.raises(SourceError, match="was lost after") as caught:
                list(images)
        assert caught.value.code == "gap"
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("status", "code"), [("401 Unauthorized", "no-permission"), ("404 Not Found", "not-found")]
    )
    def test_a_refusal_of_the_server_is_final(self, status: str, code: str) -> None:
        with serving(mjpeg(8), answer("503 Busy"), answer(status)) as server:
            source = iter(video(server))
            with pytest.raises(SourceError, match=status[:3]) as caught:
                list(source)
            assert len(server.requests) == 3
        assert caught.value.code == code

    def test_a_gap_longer_than_the_duration_ends_the_video(self) -> None:
        clock = Hasty()
        with serving(mjpeg(8), answer("503 Busy")) as server:
            results = [item() for item in video(server, duration_s=5.0, clock=clock)]
        assert 4 < sum(clock.waits) < 5.1
        assert len(frames_of(results)) >= 7
        assert [gap.code for gap in gaps_of(results)] == ["gap"]

    def test_closing_ends_the_wait_for_a_server(self) -> None:
        with serving(mjpeg(8)) as server:
            source = video(server, clock=BackoffClock())
            images = iter(source)
            thread = threading.Thread(target=lambda: list(images))
            thread.start()
            while not server.requests:
                time.sleep(0.01)
            server.hang_up()
            source.close()
            thread.join(5)
            assert not thread.is_alive()

    def test_closing_does_not_wait_for_a_silent_server(self) -> None:
        with serving(mjpeg(0, "stall")) as server:
            source = VideoStream(f"http://127.0.0.1:{server.port}/", VideoSettings(), limits=ContainerLimits(2.0, 2.0))

            def look() -> None:
                with pytest.raises(SourceError):
                    source.info()

            thread = threading.Thread(target=look)
            thread.start()
            while not server.requests:
                time.sleep(0.01)
            begun = time.monotonic()
            source.close()
            assert time.monotonic() - begun < 1
            thread.join()


class TestDatagrams:
    @pytest.mark.parametrize("scheme", ["udp", "rtp"])
    def test_a_transport_stream_is_read_from_datagrams(self, tmp_path: Path, scheme: str) -> None:
        path = write_video(tmp_path / "a.ts", 60)
        with datagram_stream(path.read_bytes(), rtp=scheme == "rtp") as port:
            source = VideoStream(f"{scheme}://127.0.0.1:{port}", VideoSettings(max_frames=20), limits=QUICK)
            frames = frames_of([item() for item in source])
        numbers = [sent_number(frame) for frame in frames]
        assert numbers == [(numbers[0] + step) % 60 for step in range(20)]


class TestReturn:
    @pytest.mark.parametrize("away_s", [0.3, 2.6])
    def test_a_server_that_is_back_is_found_within_three_seconds(self, away_s: float) -> None:
        with serving(mjpeg(500)) as server:
            images = iter(video(server, clock=BackoffClock()))
            for _ in range(5):
                next(images)
            server.hang_up()
            threading.Timer(away_s, server.listen).start()
            next(item for item in images if isinstance(item, StreamGap))
            assert isinstance(next(images)(), Frame)
            assert 0 <= time.monotonic() - server.came_back < 3

    def test_pauses_double_from_half_a_second_to_thirty(self) -> None:
        back_off = BackOff()
        pauses = [back_off.pause_s() for _ in range(9)]
        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        back_off.ran_for(2.0)
        assert back_off.pause_s() == 30
        back_off.ran_for(4.0)  # as from a camera that ends each connection after some seconds
        assert back_off.pause_s() == 0.5

    def test_a_server_that_is_down_is_checked_every_two_seconds(self) -> None:
        with serving(mjpeg(1)) as server:
            server.hang_up()
            clock = Hasty()
            wait_for_server(("127.0.0.1", server.port), 9.0, clock, threading.Event())
            assert clock.waits == pytest.approx([2, 2, 2, 2, 1], abs=0.2)

    def test_a_server_that_answers_is_not_checked(self) -> None:
        with serving(mjpeg(1)) as server:
            clock = Hasty()
            wait_for_server(("127.0.0.1", server.port), 9.0, clock, threading.Event())
            assert clock.waits == pytest.approx([9], abs=0.2)


class TestFilesBehindAddresses:
    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_video(tmp_path_factory.mktemp("served") / "a.mp4", 90, noise=True)

    @pytest.mark.parametrize("ranges", [True, False])
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.h264"])
    def test_a_lost_connection_loses_no_frame(self, tmp_path: Path, name: str, ranges: bool) -> None:
        path = write_video(tmp_path / name, 90, noise=True)
        data, expected = path.read_bytes(), decode_with_pyav(path)
        if name == "a.h264":  # it has no time stamps: FFmpeg takes 25 frames per second
            expected = [(number / 25, pixels) for number, (_, pixels) in enumerate(expected)]
        half = len(data) // 2
        with serving(part_of(data, half, ranges=ranges), part_of(data, ranges=ranges)) as server:
            results = [item() for item in video(server, path=f"/{name}")]
            assert len(server.requests) > 1
        assert len(results) == len(expected) == 90
        for number, (item, (time_s, pixels)) in enumerate(zip(frames_of(results), expected, strict=True)):
            assert item.origin.frame == number
            assert item.origin.time_s == pytest.approx(time_s, abs=1e-3)
            assert np.array_equal(item.pixels, pixels)

    def test_a_file_out_of_reach_for_long_loses_no_frame(self, path: Path) -> None:
        data, away = path.read_bytes(), [answer("503 Busy")] * 4
        with serving(part_of(data, len(data) // 2), *away, part_of(data)) as server:
            results = [item() for item in video(server, path="/a.mp4", duration_s=2.5)]
            assert len(server.requests) > 5
        assert [result.origin.frame for result in results] == list(range(75))

    def test_a_server_that_always_stops_at_one_position_is_an_error(self, tmp_path: Path) -> None:
        data = write_video(tmp_path / "a.mp4", 90, noise=True).read_bytes()
        clock = Hasty()
        with serving(part_of(data, len(data) // 2, ranges=False)) as server:
            images = iter(video(server, path="/a.mp4", clock=clock))
            with pytest.raises(SourceError, match="cannot be reopened"):
                list(images)
            assert len(server.requests) == 11
        assert sum(clock.waits) > 60

    def test_every_frame_of_a_file_is_read(self, path: Path) -> None:
        assert not VideoStream("https://example.org/a.mp4?x=1", VideoSettings()).live
        assert VideoStream("https://example.org/stream", VideoSettings()).live
        assert not VideoStream("https://example.org/stream", VideoSettings(live=False)).live
        with serving(part_of(path.read_bytes())) as server:
            assert video(server, path="/a.mp4").count() == 90

    def test_hls_is_read(self, tmp_path: Path) -> None:
        segments = [write_video(tmp_path / f"{n}.ts", 30).read_bytes() for n in range(2)]
        playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.ts\n#EXTINF:1,\n1.ts\n#EXT-X-ENDLIST\n"
        with serving(part_of(playlist), *[part_of(segment) for segment in segments]) as server:
            results = [item() for item in video(server, path="/a.m3u8")]
        assert len(frames_of(results)) == 60
        times = [result.origin.time_s or 0.0 for result in results]
        assert times == sorted(set(times))


class TestRefused:
    def refused(self, server: StreamServer, path: str = "/cam") -> SourceError:
        with pytest.raises(SourceError) as caught:
            video(server, path=path).info()
        return caught.value

    @pytest.mark.parametrize(
        ("status", "code"),
        [("401 No", "no-permission"), ("403 No", "no-permission"), ("404 No", "not-found"), ("500 No", "not-found")],
    )
    def test_a_refusal_at_the_beginning_is_an_error(self, status: str, code: str) -> None:
        with serving(answer(status)) as server:
            error = self.refused(server)
            assert error.code == code
            assert isinstance(error, StreamAccessError) == (not status.startswith("500"))
            assert error.exit_code == (4 if status.startswith("500") else 7)
            assert len(server.requests) == 1

    @pytest.mark.parametrize("path", ["/cam", "/film.mp4", "/list.m3u8"])
    @pytest.mark.parametrize("header", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-A: "], ids=["status", "header"])
    def test_a_header_that_drips_ends_with_the_limit(self, path: str, header: bytes) -> None:
        def drip(connection: socket.socket, server: StreamServer) -> None:
            connection.sendall(header)
            while not server.gone.wait(0.02):
                connection.sendall(b"1")

        begun = time.monotonic()
        limits = ContainerLimits(open_s=0.5, read_s=0.5, playlist_s=0.5)
        with serving(drip) as server:
            source = VideoStream(f"http://127.0.0.1:{server.port}{path}", VideoSettings(), limits=limits)
            with pytest.raises(SourceError, match=r"no answer within 0\.5 s"):
                source.info()
        assert time.monotonic() - begun < 10

    def test_a_segment_of_a_playlist_that_drips_ends_with_the_limit(self) -> None:
        playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"

        def drip(connection: socket.socket, server: StreamServer) -> None:
            if b"a.ts" not in server.requests[-1]:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(playlist) + playlist)
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
            while not server.gone.wait(0.02):
                connection.sendall(b"1")

        begun = time.monotonic()
        limits = ContainerLimits(open_s=0.5, read_s=0.5, playlist_s=0.5)
        with serving(drip) as server, pytest.raises(SourceError):
            VideoStream(f"http://127.0.0.1:{server.port}/list.m3u8", VideoSettings(), limits=limits).info()
        assert time.monotonic() - begun < 10

    def test_no_server_at_the_address_is_an_error(self) -> None:
        with serving(answer("200 OK")) as server:
            server.hang_up()
            assert "refused" in str(self.refused(server))

    def test_silence_has_a_limit(self) -> None:
        with serving(mjpeg(0, "stall")) as server:
            source = VideoStream(f"http://127.0.0.1:{server.port}/", VideoSettings(), limits=ContainerLimits(0.3, 0.3))
            with pytest.raises(SourceError, match=r"no answer within 0\.3 s"):
                source.info()

    def test_a_web_page_is_not_a_video(self) -> None:
        with serving(answer("200 OK", b"<!doctype html><p>Please log in</p>" * 20)) as server:
            assert self.refused(server).code == "unsupported"


class TestSecrets:
    def words(self, server: StreamServer) -> Iterator[str]:
        """All that is said of a stream in the course of its life."""
        address = f"http://bob:pa55word@127.0.0.1:{server.port}/cam?token=pa55word&x=1"
        source = VideoStream(address, VideoSettings(), limits=QUICK, clock=Hasty())
        yield repr(source)
        yield repr(vars(source))
        yield repr(source.info())
        try:
            for item in source:
                yield repr(item)
        except SourceError as error:
            yield repr(error)
            yield repr((error.__cause__, error.__context__ if not error.__suppress_context__ else None))

    def test_no_name_and_no_message_has_credentials(self) -> None:
        with serving(mjpeg(4), mjpeg(4, "reset"), answer("404 Gone")) as server:
            said = "\n".join(self.words(server))
            assert "pa55word" in str(server.requests)  # the server gets it
        assert "127.0.0.1" in said
        assert "pa55word" not in said
        assert "bob" not in said

    def test_the_password_is_sent_when_the_server_requests_it(self) -> None:
        challenge = answer("401 Unauthorized", headers=['WWW-Authenticate: Basic realm="cam"'])
        with serving(challenge, mjpeg(5)) as server:
            source = VideoStream(
                f"http://bob:pa55word@127.0.0.1:{server.port}/", VideoSettings(max_frames=2), limits=QUICK
            )
            assert len(list(source)) == 2
            assert b"Authorization: Basic " in server.requests[-1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
class TestCertificates:
    @pytest.fixture(scope="class")
    @classmethod
    def certificate(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("certificate")
        made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(["openssl", *made.split(), *files], check=True, capture_output=True)
        return folder / "cert.pem"

    @pytest.mark.parametrize("trusted", [True, False])
    def test_a_password_is_sent_only_with_a_valid_certificate(
        self, certificate: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
        with serving(mjpeg(20), tls=tls) as server:
            source = VideoStream(
                f"https://bob:pa55word@127.0.0.1:{server.port}/", VideoSettings(max_frames=3), limits=QUICK
            )
            if trusted:
                assert len(list(source)) == 3
            else:
                with pytest.raises(SourceError, match="certificate"):
                    source.info()
                assert server.requests == []
