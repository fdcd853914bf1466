"""Opens a source with FFmpeg, within time limits, and translates its errors."""

import errno
import re
import threading
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from detcli.errors import ImageError, ImageErrorCode
from detcli.io.media import open_media
from detcli.io.remote.ahead_reader import AheadReader
from detcli.sources.video.ffmpeg.content import container_of, unsupported_content
from detcli.sources.video.ffmpeg.stream_choice import PLAYLISTS, ReadAhead, choose_stream, is_decodable
from detcli.sources.video.protocols import StreamAccess, check_before_opening

_WITHOUT_TIMES = frozenset(
    {"mpjpeg", "mjpeg", "h264", "hevc", "mpegvideo", "m4v"}
)  # FFmpeg invents 25 frames per second
_WITHOUT_INDEX = frozenset({"matroska,webm", "mpegts"})  # FFmpeg continues after damage, without an error
_PLAYLIST = re.compile(r"\.(m3u8|mpd)\b", re.IGNORECASE)
_REFUSALS = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.HTTPNotFoundError)


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """How long a server may be silent.

    open_s      until a stream is open
    read_s      for each further piece
    playlist_s  for each further piece of a playlist, whose segments may come every ten seconds
    """

    open_s: float = 15.0
    read_s: float = 5.0
    playlist_s: float = 15.0


@dataclass(frozen=True, slots=True)
class OpenContainer:
    """An open container with a video stream.

    base        seconds per tick of the video's time stamps
    sound       whether it also has audio
    remote      it is read over a connection that can be lost
    finite      it has an end; otherwise an end is a lost stream
    by_arrival  its time stamps are invalid: the time of arrival counts
    every_byte  all packets are read, also of audio: bytes outside of packets are damage
    read_ahead  packets that were read to choose the stream, the first ones; a seek discards them
    choice      which one of several video streams it is, in words; None where it is the only one
    access      how it is reached
    remote_file  of an object
    """

    container: InputContainer
    stream: VideoStream
    base: Fraction
    sound: bool
    remote: bool
    finite: bool
    by_arrival: bool
    every_byte: bool
    read_ahead: ReadAhead
    choice: str | None
    access: StreamAccess
    remote_file: AheadReader | None

    def check_store(self) -> None:
        """Raise SourceError where an object could not be read on, which FFmpeg takes for its end."""
        _check_store(self.access, self.remote_file)

    @property
    def is_mp4(self) -> bool:
        """Whether it is MP4 or MOV: the index holds all frames."""
        return "mp4" in self.container.format.name

    @property
    def is_matroska(self) -> bool:
        """Whether it is Matroska or WebM."""
        return "matroska" in self.container.format.name


def open_av(
    access: StreamAccess,
    limits: ContainerLimits,
    *,
    max_pixels: int,
    low_delay: bool,
    closed: threading.Event | None = None,
) -> OpenContainer:
    """Open a source and choose its video stream.

    max_pixels  larger frames are rejected
    low_delay   decode without waiting for later frames, for a live source
    closed      set by another thread: reading an object ends

    Raises SourceError; its message has no credentials.
    """
    check_before_opening(access)
    remote_file = _opened_object(access, closed) if access.kind == "object" else None
    read_s = limits.playlist_s if _PLAYLIST.search(access.url) else limits.read_s
    try:
        container = _opened(access, limits.open_s, read_s, remote_file)
        if container.format.name in PLAYLISTS and read_s < limits.playlist_s:  # PyAV cannot change it later
            container.close()
            container = _opened(access, limits.open_s, limits.playlist_s, remote_file)
    except (av.error.FFmpegError, ValueError) as error:
        code, reason = opening_error(error, limits.open_s)
        if code == "unsupported":
            code, reason = unsupported_content(access, remote_file) or (code, reason)
        _check_store(access, remote_file)
        raise access.error(code, reason, refused=isinstance(error, _REFUSALS)) from None
    try:
        return _choose_stream(container, access, max_pixels, low_delay=low_delay, remote_file=remote_file)
    except BaseException:
        container.close()
        raise


def _opened_object(access: StreamAccess, closed: threading.Event | None) -> AheadReader:
    try:
        return AheadReader(access.url, closed)
    except ImageError as error:
        raise access.error(error.code, str(error)) from None


def _check_store(access: StreamAccess, remote_file: AheadReader | None) -> None:
    if remote_file is not None and remote_file.error is not None:
        raise access.error(remote_file.error.code, str(remote_file.error)) from None


def _opened(access: StreamAccess, open_s: float, read_s: float, remote_file: AheadReader | None) -> InputContainer:
    timeout = (open_s, read_s) if access.kind == "stream" else None
    container = container_of(access, remote_file)
    return open_media(remote_file or access.url, format=container, options=dict(access.options), timeout=timeout)


def _choose_stream(
    container: InputContainer,
    access: StreamAccess,
    max_pixels: int,
    *,
    low_delay: bool,
    remote_file: AheadReader | None,
) -> OpenContainer:
    chosen = choose_stream(container, live=low_delay)
    _check_store(access, remote_file)
    sound = bool(container.streams.audio)
    if chosen is None:
        reason = "it has audio but no video" if sound else "it has no video stream"
        raise access.error("unsupported", reason)
    stream = chosen.stream
    if not is_decodable(stream):
        raise access.error("unsupported", "no decoder for its codec is installed")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > max_pixels:
        reason = f"{width} x {height} pixels are more than the limit of {max_pixels:,} (`max_pixels`)"
        raise access.error("too-large", reason)
    every_byte = access.kind != "stream" and container.format.name in _WITHOUT_INDEX
    for other in container.streams:
        if other.index != stream.index and not every_byte:
            other.discard = av.stream.Discard.all
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    # With one frame per thread, the decoder delays as many frames as it has threads.
    stream.thread_type = "SLICE" if low_delay else "AUTO"
    remote, finite = access.kind == "stream", _is_finite(container, access)
    base = stream.time_base or Fraction(1, av.time_base)
    by_arrival = not finite and container.format.name in _WITHOUT_TIMES
    return OpenContainer(
        container,
        stream,
        base,
        sound,
        remote,
        finite,
        by_arrival,
        every_byte,
        chosen.read_ahead,
        chosen.description,
        access,
        remote_file,
    )


def _is_finite(container: InputContainer, access: StreamAccess) -> bool:
    if access.kind != "stream":
        return True
    if container.format.name == "mpjpeg":  # the images of a camera, whatever length the server reports
        return False
    return (container.duration or 0) > 0 or (access.scheme in ("http", "https") and _size(container) > 0)


def _size(container: InputContainer) -> int:
    try:
        return int(container.size)
    except (av.error.FFmpegError, ValueError):
        return 0


def opening_error(error: Exception, open_s: float) -> tuple[ImageErrorCode, str]:
    """The meaning of FFmpeg's error at opening: a code, and a reason without the address."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "no-permission", "the server needs a valid user name and password (401)"
    if isinstance(error, av.error.HTTPForbiddenError):
        return "no-permission", "the server denies access (403)"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "not-found", "the server does not have this stream (404)"
    if isinstance(error, av.error.HTTPServerError):
        return "not-found", "the server failed; try again later (5xx)"
    if isinstance(error, av.error.ConnectionRefusedError):
        return "not-found", "no server answers at this address (connection refused)"
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "not-found", f"no answer within {open_s:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "unsupported", "this build of FFmpeg does not support the protocol"
    if isinstance(error, av.error.InvalidDataError):
        return "unsupported", "not a video, or damaged from its first bytes"
    if isinstance(error, av.error.ArgumentError):
        return "unsupported", "not a supported video format"
    if isinstance(error, MemoryError):
        return "too-large", "there is not enough memory to open it"
    if getattr(error, "errno", None) == errno.EIO:  # FFmpeg's error for all failures before an answer
        return (
            "not-found",
            "it cannot be reached: unknown host, no network, or an invalid certificate",
        )
    return "not-found", f"it cannot be reached ({plain(error)})"


def plain(error: Exception) -> str:
    """The text of an error, without the address that FFmpeg adds to it."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return re.sub(r"//[^/\s@]*@", "//", re.sub(r"\s+", " ", str(text)))[:200]
