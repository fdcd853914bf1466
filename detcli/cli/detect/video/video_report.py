"""Videos in words: what they are, and which had no frame."""

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration
from detcli.engine.observer import OpenedVideo
from detcli.engine.requests.run_request import VideoRequest


def describe(video: OpenedVideo, request: VideoRequest) -> str:
    """Size, rate, length and sound of an open video, and which of its frames are processed."""
    info, frames = video.info, request.input
    parts = []
    if info is not None:
        if info.size_hw is not None:
            parts.append(f"{info.size_hw[1]} x {info.size_hw[0]}")
        if info.rate is not None:
            parts.append(f"{info.rate:.4g} frames/s")
        if info.frames is not None:
            parts.append(counted(info.frames, "frame"))
        if info.duration_s is not None:
            parts.append(duration(info.duration_s))
        if info.sound:
            parts.append("sound")
    every = frames.stride == 1 and frames.fps is None
    parts.append("live" if video.live else "every frame" if every else "not live")
    return ", ".join(parts)


def warn_of_empty(console: Console, video: OpenedVideo, request: VideoRequest) -> None:
    """Warn of a video that ended before its first frame was processed."""
    long = f" is {duration(video.info.duration_s)} long and" if video.info and video.info.duration_s else ""
    start = f" after --start {request.input.start:g}" if request.input.start else ""
    console.warning(f"'{video.file}'{long} has no frame to process{start}")
