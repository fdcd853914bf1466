"""Opens a source by FFmpeg, within limits of time, and says in a sentence why it cannot be opened."""

import errno
import re
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from detcli.errors import ImageErrorCode, SourceError
from detcli.sources.video.protocols import StreamAccess, check_before_opening, what_it_is

_WITHOUT_TIMES = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "mpegvideo", "m4v"})  # FFmpeg makes up 25 a second
_WITHOUT_INDEX = frozenset({"matroska,webm", "mpegts"})  # FFmpeg searches on behind damage, and says nothing
_ANSWERED_NO = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.HTTPNotFoundError)


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """How long a server may be silent.

    open_s  until a stream is open
    read_s  for each further piece
    """

    open_s: float = 15.0
    read_s: float = 10.0


@dataclass(frozen=True, slots=True)
class OpenContainer:
    """A container with a stream of images.

    base        seconds a tick of the images' time stamps
    sound       it has sound too
    remote      it comes over a connection that can be lost
    finite      its end is its end, not the loss of a stream
    by_arrival  its time stamps mean nothing
    every_byte  each byte of it belongs to a packet that is read, of sound too: others are damaged
    """

    container: InputContainer
    stream: VideoStream
    base: Fraction
    sound: bool
    remote: bool
    finite: bool
    by_arrival: bool
    every_byte: bool


def open_av(access: StreamAccess, limits: ContainerLimits, *, max_pixels: int, low_delay: bool) -> OpenContainer:
    """Open a source and find its images.

    max_pixels  no larger frame is decoded
    low_delay   decode without waiting for later frames: a live source

    Raises SourceError: with a code as for an image, and a sentence without credentials.
    """
    check_before_opening(access)
    timeout = (limits.open_s, limits.read_s) if access.kind == "stream" else None
    try:
        container = av.open(access.url, options=dict(access.options), timeout=timeout, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        code, why = refusal(error, limits.open_s)
        if code == "unsupported":
            code, why = what_it_is(access) or (code, why)
        refused = isinstance(error, _ANSWERED_NO)
        raise SourceError(code, f"cannot read {access.named}: {why}", refused=refused) from None
    try:
        return _looked_through(container, access, max_pixels, low_delay=low_delay)
    except BaseException:
        container.close()
        raise


def _looked_through(
    container: InputContainer, access: StreamAccess, max_pixels: int, *, low_delay: bool
) -> OpenContainer:
    images = [stream for stream in container.streams.video if not _is_cover(stream)]
    sound = bool(container.streams.audio)
    if not images:
        what = "it has sound but no images" if sound else "there are no images in it"
        raise SourceError("unsupported", f"cannot read {access.named}: {what}")
    stream = max(images, key=lambda one: one.codec_context.width * one.codec_context.height if _decodable(one) else -1)
    if not _decodable(stream):
        raise SourceError("unsupported", f"cannot read {access.named}: no decoder for its kind of video is installed")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > max_pixels:
        raise SourceError(
            "too-large",
            f"cannot read {access.named}: {width} x {height} pixels are more than the limit of {max_pixels:,};"
            " --max-pixels raises it",
        )
    every_byte = access.kind != "stream" and container.format.name in _WITHOUT_INDEX
    for other in container.streams:
        if other.index != stream.index and not every_byte:
            other.discard = av.stream.Discard.all
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    # Threads that each decode a frame of their own hold back as many frames as they are.
    stream.thread_type = "SLICE" if low_delay else "AUTO"
    remote, finite = access.kind == "stream", _is_finite(container, access)
    base = stream.time_base or Fraction(1, av.time_base)
    by_arrival = not finite and container.format.name in _WITHOUT_TIMES
    return OpenContainer(container, stream, base, sound, remote, finite, by_arrival, every_byte)


def _decodable(stream: VideoStream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is the one image that a file of sound carries along."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _is_finite(container: InputContainer, access: StreamAccess) -> bool:
    if access.kind != "stream":
        return True
    if container.format.name == "mpjpeg":  # the images of a camera, however long the server says they are
        return False
    return (container.duration or 0) > 0 or (access.scheme in ("http", "https") and _size(container) > 0)


def _size(container: InputContainer) -> int:
    try:
        return int(container.size)
    except (av.error.FFmpegError, ValueError):
        return 0


def refusal(error: Exception, open_s: float) -> tuple[ImageErrorCode, str]:
    """What FFmpeg's error at opening means: a code, and a clause without the address."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "no-permission", "the server wants a name and a password, or other ones (401)"
    if isinstance(error, av.error.HTTPForbiddenError):
        return "no-permission", "the server refuses it (403)"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "not-found", "the server has no such stream (404)"
    if isinstance(error, av.error.HTTPServerError):
        return "not-found", "the server has trouble; trying again may help (5xx)"
    if isinstance(error, av.error.ConnectionRefusedError):
        return "not-found", "nobody answers at that address (connection refused)"
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "not-found", f"no answer within {open_s:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "unsupported", "this build of FFmpeg does not speak that protocol"
    if isinstance(error, av.error.InvalidDataError):
        return "unsupported", "not a video, or damaged from the start"
    if isinstance(error, av.error.ArgumentError):
        return "unsupported", "not a kind of file that is read as a video"
    if isinstance(error, MemoryError):
        return "too-large", "there is not enough memory to open it"
    if getattr(error, "errno", None) == errno.EIO:  # FFmpeg's word for all that goes wrong before an answer
        return (
            "not-found",
            "it cannot be reached: no server has this name, the network is down, or its certificate is bad",
        )
    return "not-found", f"it cannot be reached ({plain(error)})"


def plain(error: Exception) -> str:
    """What an error says, without the address that FFmpeg puts behind it."""
    said = getattr(error, "strerror", None) or type(error).__name__
    return re.sub(r"//[^/\s@]*@", "//", re.sub(r"\s+", " ", str(said)))[:200]
