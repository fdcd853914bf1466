"""Chooses the frames of a source by stride, rate, start, duration and maximum number."""

from detcli.sources.video.video_source import VideoSettings

_TOLERANCE_S = 1e-6  # time stamps are rounded to the ticks of their clock


class FrameSampler:
    """Is asked once for each frame, in order."""

    def __init__(self, settings: VideoSettings) -> None:
        self._settings = settings
        self._seen = 0  # frames since the start
        self._taken = 0
        self._due_s = settings.start_s  # of the next frame under `fps`

    def is_over(self, time_s: float) -> bool:
        """Whether neither the frame of this time nor a later one will be taken."""
        settings = self._settings
        enough = settings.max_frames is not None and self._taken >= settings.max_frames
        end_s = None if settings.duration_s is None else settings.start_s + settings.duration_s
        return enough or (end_s is not None and time_s >= end_s - _TOLERANCE_S)

    def takes(self, time_s: float) -> bool:
        """Whether the frame of this time is taken."""
        settings = self._settings
        if time_s < settings.start_s - _TOLERANCE_S:
            return False
        position = self._seen
        self._seen += 1
        if position % settings.stride or time_s < self._due_s - _TOLERANCE_S:
            return False
        if settings.fps is not None:
            steps = int((time_s - settings.start_s + _TOLERANCE_S) * settings.fps) + 1
            self._due_s = settings.start_s + steps / settings.fps
        self._taken += 1
        return True
