"""A video cut into pieces while it is written: what stands on the disk is whole fragments, whenever the run is killed.

Knows how MP4 (ISO/IEC 14496-12) and Matroska (RFC 9559) nest their parts, and nothing of what is in them.
"""

from collections.abc import Callable

import av

from detcli.errors import OutputError
from detcli.io.outputs import OutputFile

# Bytes of the next part, its head included, as far as they tell: None where more of them are needed.
_Measure = Callable[[bytearray], int | None]

_SEGMENT, _CLUSTER = 0x18538067, b"\x1f\x43\xb6\x75"


class FragmentWriter:
    """Takes the bytes of a muxer, in order and cut anywhere, and hands them on in whole fragments.

    It can be written to only, so that the muxer never goes back. After an error it takes bytes and drops them; a part
    that claims no size, which a muxer leaves that gave up in the midst of it, is one.

    media  how many pieces with frames or sound were handed on
    error  what the output raised, or None: muxers may hide it
    """

    def __init__(self, output: OutputFile, *, in_boxes: bool) -> None:
        self._output, self._measure = output, _box if in_boxes else _element
        self._in_boxes = in_boxes
        self._waiting = bytearray()  # bytes of parts that are not whole
        self._piece = bytearray()  # whole parts of a piece that is not
        self.media = 0
        self.error: Exception | None = None

    def write(self, data: bytes) -> int:
        """Take bytes; raises what the output raises."""
        if self.error is None:
            self._waiting += data
            try:
                self._cut()
            except Exception as error:
                self.error = error
                raise
        return len(data)

    def _cut(self) -> None:
        while (size := self._measure(self._waiting)) is not None and size <= len(self._waiting):
            if size == 0:
                raise OutputError(f"FFmpeg {av.ffmpeg_version_info} cannot write what is to go into it")
            part = bytes(self._waiting[:size])
            del self._waiting[:size]
            self._piece += part
            if not self._in_boxes:
                self._hand_on(media=part.startswith(_CLUSTER))
            elif part[4:8] in (b"mdat", b"mfra"):  # a piece is an index and its data; before the first, also the head
                self._hand_on(media=part[4:8] == b"mdat")

    def _hand_on(self, *, media: bool) -> None:
        piece, self._piece = bytes(self._piece), bytearray()
        self._output.write(piece)
        self._output.flush()
        self.media += media


def _box(data: bytearray) -> int | None:
    """Of a box: four bytes of size and four of kind; a size of 1 says that eight bytes of size follow."""
    if len(data) < 8:
        return None
    size = int.from_bytes(data[:4], "big")
    if size != 1:
        return size
    return int.from_bytes(data[8:16], "big") if len(data) >= 16 else None


def _element(data: bytearray) -> int | None:
    """Of an element: a number that names it and one of its size, each as long as its first bits say.

    Of the segment, which holds all others, only the head.
    """
    if not data:
        return None
    length = 9 - data[0].bit_length()
    if len(data) <= length:
        return None
    more = 9 - data[length].bit_length()
    if len(data) < length + more:
        return None
    if int.from_bytes(data[:length], "big") == _SEGMENT:
        return length + more
    size = int.from_bytes(data[length : length + more], "big") & ((1 << 7 * more) - 1)
    return length + more + size
