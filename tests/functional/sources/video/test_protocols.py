"""FFmpeg may only open what the kind of source needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.errors import SourceError, UsageError
from detcli.sources.video.protocols import access_of
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
from tests.helpers.stream_servers import answer, part_of, serving
from tests.helpers.video_samples import read, write_video

READ_STDIN = """
import json, sys
from detcli.errors import DetcliError
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
try:
    print(json.dumps([one().origin.time_s for one in VideoStream("-", VideoSettings(start_s=float((*sys.argv[1:], 0)[0])))]))
except DetcliError as error:
    print(json.dumps(str(error)))
"""


def playlist(segment: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n"


class TestFiles:
    @pytest.fixture
    def segment(self, tmp_path: Path) -> bytes:
        return write_video(tmp_path / "segment.ts", 30).read_bytes()

    @pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat", "a.txt", "a.sdp", "a.mpd"])
    def test_no_file_opens_a_connection(self, tmp_path: Path, segment: bytes, name: str) -> None:
        with serving(part_of(segment)) as server:
            address = f"http://127.0.0.1:{server.port}/segment.ts"
            text = {
                "a.m3u8": playlist(address),
                "a.mp4": playlist(address),
                "a.ffconcat": f"ffconcat version 1.0\nfile {address}\n",
                "a.txt": f"ffconcat version 1.0\nfile '{address}'\n",
                "a.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {server.port} RTP/AVP 33\n",
                "a.mpd": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{address}</BaseURL></MPD>',
            }[name]
            (tmp_path / name).write_text(text)
            with pytest.raises(SourceError) as caught:
                read(tmp_path / name)
            assert server.requests == []
        assert name in str(caught.value)

    def test_a_playlist_of_files_next_to_it_is_read(self, tmp_path: Path, segment: bytes) -> None:
        (tmp_path / "a.m3u8").write_text(playlist("segment.ts"))
        assert len(read(tmp_path / "a.m3u8")) == 30

    def test_scripts_that_join_files_are_not_followed(self, tmp_path: Path, segment: bytes) -> None:
        (tmp_path / "a.ffconcat").write_text("ffconcat version 1.0\nfile segment.ts\n")
        with pytest.raises(SourceError):
            read(tmp_path / "a.ffconcat")


class TestStreams:
    def refused(self, *serves: object) -> str:
        with serving(*serves) as server:  # type: ignore[arg-type]
            with pytest.raises(SourceError) as caught:
                VideoStream(f"http://127.0.0.1:{server.port}/a.m3u8", VideoSettings()).info()
            assert len(server.requests) == 1
        return str(caught.value)

    def test_a_remote_playlist_opens_no_local_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "secret.ts", 30)
        for name in (f"file://{path}", str(path), f"file:{path}", f"concat:{path}", f"subfile,,start,0,end,0,,:{path}"):
            body = playlist(name).encode()
            with serving(part_of(body), answer("404 Not Found")) as server, pytest.raises(SourceError):
                read(f"http://127.0.0.1:{server.port}/a.m3u8")

    def test_a_redirect_opens_no_local_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "secret.ts", 30)
        self.refused(answer("302 Found", headers=[f"Location: file://{path}"]))

    @pytest.mark.parametrize("address", ["ftp://h/a.mp4", "gopher://h/", "smb://h/a", "file:///a.mp4", "concat://a|b"])
    def test_the_error_of_another_scheme_names_the_supported_ones(self, address: str) -> None:
        with pytest.raises(UsageError, match=r"http://, https://, rtsp://"):
            access_of(address)

    def test_rejected_addresses_are_shown_without_credentials(self) -> None:
        with pytest.raises(UsageError) as caught:
            access_of("ftp://bob:pa55word@h/a.mp4?key=pa55word")
        assert "pa55word" not in str(caught.value)

    def test_an_invalid_port_is_a_usage_error(self) -> None:
        with pytest.raises(UsageError, match="port"):
            access_of("http://bob:pa55word@host:99999/")

    @pytest.mark.parametrize("address", ["http://", "rtsp:///stream", "https://bob:pa55word@/a.mp4"])
    def test_an_address_without_a_host_is_a_usage_error(self, address: str) -> None:
        with pytest.raises(UsageError, match="has no host") as caught:
            access_of(address)
        assert "pa55word" not in str(caught.value)

    def test_rtsp_uses_tcp(self) -> None:
        access = access_of("rtsp://cam.local/1")
        assert access.options["rtsp_transport"] == "tcp"
        assert "udp" not in access.options["protocol_whitelist"].split(",")
        assert access.server == ("cam.local", 554)

    @pytest.mark.parametrize("address", ["http://h/a.m3u8", "rtsp://h/1", "udp://h:5", "rtmp://h/live"])
    def test_no_stream_may_open_files(self, address: str) -> None:
        allowed = access_of(address).options["protocol_whitelist"].split(",")
        assert not {"file", "pipe", "fd", "concat", "subfile", "unix"} & set(allowed)

    def test_frame_names_start_with_host_and_path(self) -> None:
        assert access_of("rtsp://u:p@cam.local:554/yard/1?key=x").source_name == "cam.local/yard/1"


class TestStandardInput:
    def results(self, data: bytes, *, as_file: Path | None = None, start_s: float = 0.0) -> object:
        command = [sys.executable, "-c", READ_STDIN, str(start_s)]
        if as_file is not None:
            as_file.write_bytes(data)
            with as_file.open("rb") as file:
                done = subprocess.run(command, stdin=file, capture_output=True, check=True)
        else:
            done = subprocess.run(command, input=data, capture_output=True, check=True)
        assert done.stderr == b""
        return json.loads(done.stdout)

    @pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.y4m"])
    def test_a_stream_is_read_from_a_pipe(self, tmp_path: Path, name: str) -> None:
        codec = "wrapped_avframe" if name == "a.y4m" else "libx264"
        data = write_video(tmp_path / name, 30, codec=codec).read_bytes()
        assert self.results(data) == pytest.approx([number / 30 for number in range(30)], abs=1e-3)

    @pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.h264"])
    def test_a_start_in_a_pipe_is_exact(self, tmp_path: Path, name: str) -> None:
        data = write_video(tmp_path / name, 30, options={"x264-params": "intra-refresh=1:keyint=12"}).read_bytes()
        whole = self.results(data)
        assert isinstance(whole, list)
        assert self.results(data, start_s=0.5) == [time_s for time_s in whole if time_s >= 0.5 - 1e-6]

    def test_a_file_is_read_from_standard_input(self, tmp_path: Path) -> None:
        data = write_video(tmp_path / "a.mp4", 30).read_bytes()
        assert len(self.results(data, as_file=tmp_path / "b.mp4")) == 30  # type: ignore[arg-type]

    def test_empty_standard_input_is_reported(self, tmp_path: Path) -> None:
        assert "standard input: it is empty" in str(self.results(b""))
        assert "standard input: it is empty" in str(self.results(b"", as_file=tmp_path / "a.ts"))
        done = subprocess.run(
            [sys.executable, "-c", READ_STDIN], stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
        assert b"it is empty" in done.stdout

    def test_standard_input_without_a_video_is_not_called_empty(self) -> None:
        assert "standard input: not a video" in str(self.results(b"hello"))

    @pytest.mark.skipif(sys.platform == "win32", reason="a shell closes it")
    def test_closed_standard_input_is_reported(self) -> None:
        command = ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, READ_STDIN]
        done = subprocess.run(command, capture_output=True, check=True)
        assert b"standard input is closed" in done.stdout

    def test_a_playlist_opens_no_connection_and_no_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.ts", 3)
        assert "cannot read standard input" in str(self.results(playlist(str(path)).encode()))

    @pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals there")
    def test_a_terminal_is_not_a_video(self) -> None:
        master, slave = os.openpty()
        done = subprocess.run(
            [sys.executable, "-c", READ_STDIN], stdin=slave, capture_output=True, check=True, timeout=20
        )
        os.close(master)
        os.close(slave)
        assert b"terminal" in done.stdout
