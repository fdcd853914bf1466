"""Writes complete fragments of a video only, so that the file on the disk is playable whenever the run is killed.

Parses the structure of MP4 (ISO/IEC 14496-12) and Matroska (RFC 9559), not the content of boxes and elements.
"""

from collections.abc import Callable

import av

from detcli.errors import OutputError
from detcli.io.outputs import OutputFile

# Length of the next box or element in bytes, header included; None if more bytes are needed.
_Measure = Callable[[bytearray], int | None]

_SEGMENT, _CLUSTER = 0x18538067, b"\x1f\x43\xb6\x75"


class FragmentWriter:
    """Receives the bytes of a muxer, split anywhere, and passes them on in complete fragments.

    It has no `seek`, so the muxer only appends. After an error it discards all bytes. A part of size 0, which a muxer
    writes if it fails in the middle, is an error.

    media  number of fragments with frames or audio passed on so far
    error  exception of the output, or None; muxers may hide it
    """

    def __init__(self, output: OutputFile, *, in_boxes: bool) -> None:
        self._output, self._measure = output, _box if in_boxes else _element
        self._in_boxes = in_boxes
        self._pending = bytearray()  # bytes of the incomplete part
        self._fragment = bytearray()  # complete parts of the incomplete fragment
        self.media = 0
        self.error: Exception | None = None

    def write(self, data: bytes) -> int:
        """Add bytes. Raises the exceptions of the output."""
        if self.error is None:
            self._pending += data
            try:
                self._split()
            except Exception as error:
                self.error = error
                raise
        return len(data)

    def _split(self) -> None:
        while (size := self._measure(self._pending)) is not None and size <= len(self._pending):
            if size == 0:
                raise OutputError(f"FFmpeg {av.ffmpeg_version_info} cannot write this combination of streams")
            part = bytes(self._pending[:size])
            del self._pending[:size]
            self._fragment += part
            if not self._in_boxes:
                self._pass_on(media=part.startswith(_CLUSTER))
            elif part[4:8] in (b"mdat", b"mfra"):  # a fragment is moof + mdat; the first also has the header
                self._pass_on(media=part[4:8] == b"mdat")

    def _pass_on(self, *, media: bool) -> None:
        fragment, self._fragment = bytes(self._fragment), bytearray()
        self._output.write(fragment)
        self.media += media
        if self.media:  # a header alone is not playable
            self._output.flush()


def _box(data: bytearray) -> int | None:
    """Length of an MP4 box: four bytes of size and four of type; a size of 1 means that eight bytes of size follow."""
    if len(data) < 8:
        return None
    size = int.from_bytes(data[:4], "big")
    if size != 1:
        return size
    return int.from_bytes(data[8:16], "big") if len(data) >= 16 else None


def _element(data: bytearray) -> int | None:
    """Length of a Matroska element: its id and its size are numbers of variable length, given by their first bits.

    For the segment, which contains all other elements, only the length of the header.
    """
    if not data:
        return None
    length = 9 - data[0].bit_length()
    if len(data) <= length:
        return None
    size_length = 9 - data[length].bit_length()
    if len(data) < length + size_length:
        return None
    if int.from_bytes(data[:length], "big") == _SEGMENT:
        return length + size_length
    size = int.from_bytes(data[length : length + size_length], "big") & ((1 << 7 * size_length) - 1)
    return length + size_length + size
