"""Finds out at the end of a file whether it is shorter than its headers report."""

from contextlib import suppress
from typing import Final

import av

from detcli.sources.video.ffmpeg.container import OpenContainer

_TOLERANCE_S: Final = 0.5  # the video of a complete file may end this much before the duration of the container


class TruncationDetector:
    """Compares the packets and the time of an opened file with its headers.

    Create it before the first packet is read: the index of a fragmented MP4 file grows meanwhile.
    """

    def __init__(self, opened: OpenContainer) -> None:
        self._opened, self._stream = opened, opened.stream
        self._expected_packets = 0
        if opened.container.format.name == "avi":
            self._expected_packets = self._stream.frames
        elif opened.is_mp4 and self._stream.frames > 0:
            self._expected_packets = len(self._stream.index_entries)

    def missing_frames(self, *, packets: int, last_s: float, last_stamp_s: float, reported: int) -> str | None:
        """A message about the frames missing at the end; None where none are missing.

        packets       number of packets read
        last_s        time of the last frame since the first one
        last_stamp_s  the same by the clock of the file
        reported      number of frames that are reported as missing already
        """
        expected = self._expected_packets
        if self._opened.is_mp4:  # in fragments, their indexes are read one by one
            expected = max(expected, len(self._stream.index_entries))
        missing = expected - packets
        if expected and missing > 0:
            return f"truncated or damaged: {missing} of {expected} frames are missing"
        rate, expected_s = self._stream.average_rate, self._expected_s()
        interval_s = float(1 / rate) if rate else _TOLERANCE_S
        missing = 0 if expected_s is None else round((expected_s - last_stamp_s) / interval_s) - 1
        missing -= reported
        if missing > 1:  # one may come from rounding
            return f"truncated: about {missing} frames after {last_s:.2f} s are missing"
        return None

    def _expected_s(self) -> float | None:
        """The duration of the video by the header of a Matroska file."""
        if not self._opened.is_matroska:
            return None
        hours, _, rest = self._stream.metadata.get("DURATION", "").partition(":")
        minutes, _, seconds = rest.partition(":")
        with suppress(ValueError):
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        duration = self._opened.container.duration  # of the longest stream
        return duration / av.time_base - _TOLERANCE_S if duration and not self._opened.sound else None
