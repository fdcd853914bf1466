"""The kind of a video source (file, standard input, stream) and the FFmpeg protocols and containers allowed for it.

A playlist can name any file or address, and FFmpeg would open it. So each kind of source opens only the protocols that it
needs, and only containers of video: no scripts that join inputs, no patterns of images, no text drawn as video.
Names that are shown contain no credentials, and no repr contains the address itself.
"""

import os
import re
import select
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from detcli.errors import ImageError, ImageErrorCode, SourceError, StreamAccessError, UsageError
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.naming import relative_of_url, safe_relative
from detcli.io.read import opened
from detcli.io.remote.addresses import is_remote, scheme_of, store_address, without_credentials
from detcli.sources.source import STANDARD_INPUT
from detcli.version import __version__

_WEB = "http,https,httpproxy,tcp,tls,crypto,data"
# scheme -> the protocols that FFmpeg may open for an address of it
_PROTOCOLS: Final = {
    "http": _WEB,
    "https": _WEB,
    "rtsp": "rtsp,rtp,tcp",
    "rtsps": "rtsps,rtp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "udp": "udp",
    "rtp": "rtp,udp",
    "tcp": "tcp",
}
_CONTAINERS = (
    "3gp,apng,asf,av1,avi,avs2,avs3,cavsvideo,dirac,dv,evc,flv,gif,gxf,h261,h263,h264,hevc,ivf,live_flv,lxf,m4v,matroska,"
    "mjpeg,mjpeg_2000,mov,mp4,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nut,obu,ogg,pva,rm,swf,vc1,vvc,webm,wtv,yuv4mpegpipe"
)
_SOUNDS = "aac,ac3,aiff,amr,ape,caf,eac3,flac,mp3,wav"  # opened to distinguish them from damaged files
_ALSO = {"file": "hls", "http": "hls,dash", "https": "hls,dash", "rtp": "rtp"}  # additional containers
# Enough to find the video stream. FFmpeg's default of five seconds would be needed again at each reconnection.
_STREAM_PROBE = {"analyzeduration": "1500000", "probesize": "2000000", "fpsprobesize": "3"}
_FILE_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".flv",
    ".wmv",
    ".ogv",
    ".3gp",
    ".gif",
)


@dataclass(frozen=True, slots=True)
class StreamAccess:
    """How a source is reached.

    kind          "file", "pipe" (standard input), "object" of an object store, or "stream"
    display_name  the name in messages and results, without credentials
    source_name   folder of its frames in outputs, "/" between parts
    url           with credentials: never shown; FFmpeg opens it, except an object
    options       FFmpeg's options to open it
    server        host and port of the server; None where there is none, or no connection is made
    """

    kind: Literal["file", "pipe", "object", "stream"]
    display_name: str
    source_name: str
    url: str = field(repr=False)
    options: dict[str, str] = field(repr=False)
    server: tuple[str, int] | None = None

    @property
    def quoted_name(self) -> str:
        """The name in a sentence."""
        return "standard input" if self.kind == "pipe" else f"'{self.display_name}'"

    @property
    def scheme(self) -> str:
        """`http`, `rtsp`, …; "" for files, objects and standard input."""
        return scheme_of(self.url) or "" if self.kind == "stream" else ""

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time: streams, but not http addresses with the suffix of a video file."""
        path = self.url.partition("?")[0].lower()
        return self.kind == "stream" and not (self.scheme in ("http", "https") and path.endswith(_FILE_SUFFIXES))

    def error(self, code: ImageErrorCode, reason: str, *, refused: bool = False) -> SourceError:
        """The error that this source cannot be read, for a reason."""
        kind = StreamAccessError if refused else SourceError
        return kind(code, f"cannot read {self.quoted_name}: {reason}", reason=reason, refused=refused)


def access_of(argument: str) -> StreamAccess:
    """How the source that an argument names is reached; nothing is opened.

    Raises UsageError for an unsupported kind of address, and for one in an object store without a bucket.
    """
    if argument == STANDARD_INPUT:
        # `fd:`, not `pipe:`: it can seek where standard input is a file
        options = {**_whitelists("pipe", "fd"), "fd": "0"}
        return StreamAccess("pipe", STANDARD_INPUT, "stdin", "fd:", options)
    scheme = scheme_of(argument)
    if scheme is None or os.path.lexists(argument):
        source_name = os.path.splitext(safe_relative(os.path.basename(os.path.abspath(argument))))[0]  # noqa: PTH100, PTH119, PTH122
        return StreamAccess("file", argument, source_name, f"file:{argument}", _whitelists("file", "file,crypto,data"))
    if is_remote(argument):
        address = store_address(argument)
        source_name = os.path.splitext(safe_relative(address.path))[0]  # noqa: PTH122
        return StreamAccess("object", str(address), source_name, argument, _whitelists("object", "data"))
    if scheme not in _PROTOCOLS:
        raise UsageError(
            f"'{without_credentials(argument)}' cannot be read as a video: addresses begin with "
            + ", ".join(f"{known}://" for known in _PROTOCOLS)
        )
    options = _whitelists(scheme, _PROTOCOLS[scheme]) | _STREAM_PROBE
    if scheme in ("rtsp", "rtsps"):
        options |= {"rtsp_transport": "tcp"}
        del options["format_whitelist"]  # its payloads are opened by name, also raw formats
    if scheme == "udp":
        options |= {"overrun_nonfatal": "1"}  # lost packets are found by their numbers
    if scheme in ("http", "https"):
        options |= {"user_agent": f"detcli/{__version__}"}
    if scheme == "https":
        options |= {"tls_verify": "1", **_authorities()}  # without it, FFmpeg would send a password to any server
    source_name = os.path.splitext(relative_of_url(argument))[0]  # noqa: PTH122
    name, server = without_credentials(argument), _server(argument, scheme)
    return StreamAccess("stream", name, source_name, argument, options, server)


def check_before_opening(access: StreamAccess) -> None:
    """Check a file or standard input without FFmpeg. Raises SourceError."""
    if access.kind == "pipe":
        _check_standard_input(access)
    if access.kind != "file":
        return
    try:
        with opened(access.display_name) as descriptor:
            head = os.read(descriptor, HEAD_BYTES)
    except ImageError as error:
        raise access.error(error.code, f"{error}{_advice(access.display_name)}") from error
    if not head:
        raise access.error("empty", "an empty file")


def _check_standard_input(access: StreamAccess) -> None:
    if sys.stdin is None:
        raise SourceError("not-found", "standard input is closed: pipe a video into it")
    if os.isatty(0):
        raise SourceError("not-a-file", "standard input is a terminal: pipe a video into it")
    if _ends_at_once():
        raise access.error("empty", "it is empty; did the program before it fail?")


def _ends_at_once() -> bool:
    """Whether standard input ends before its first byte; waits for one of the two. FFmpeg cannot report it later."""
    status = os.fstat(0)
    if stat.S_ISREG(status.st_mode):
        return os.lseek(0, 0, os.SEEK_CUR) >= status.st_size
    if sys.platform == "win32" or not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
        return os.path.samestat(status, os.stat(os.devnull))  # noqa: PTH116 - like fstat
    import fcntl
    import termios

    select.select([0], [], [])
    return not any(fcntl.ioctl(0, termios.FIONREAD, bytes(4)))


def _whitelists(kind: str, protocols: str) -> dict[str, str]:
    containers = ",".join([_CONTAINERS, _SOUNDS, *filter(None, [_ALSO.get(kind)])])
    return {"protocol_whitelist": protocols, "format_whitelist": containers}


def _authorities() -> dict[str, str]:
    """FFmpeg's option with the file of certificate authorities: without one it accepts no certificate."""
    import ssl  # rarely needed
    from importlib import import_module

    found: str | None = ssl.get_default_verify_paths().cafile
    if found is None:
        with suppress(ImportError):
            found = import_module("certifi").where()
    return {} if found is None else {"ca_file": found}


def _server(url: str, scheme: str) -> tuple[str, int] | None:
    ports = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}
    try:
        pieces = urlsplit(url)
        host, port = pieces.hostname, pieces.port or ports.get(scheme)
    except ValueError:
        raise UsageError(f"'{without_credentials(url)}' is not a valid address: its host or port is invalid") from None
    if scheme in ports and not host:
        raise UsageError(f"'{without_credentials(url)}' is not a valid address: it has no host")
    if scheme in ("udp", "rtp") or not host or port is None:
        return None
    return host, port


def _advice(path: str) -> str:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - any name
    except (OSError, ValueError):
        return ""
    if stat.S_ISDIR(mode):
        return f"; name the videos in it, as in {re.sub(r'/*$', '', path)}/*"
    if stat.S_ISFIFO(mode) and sys.platform != "win32":
        return "; redirect it to standard input and use '-'"
    return ""
