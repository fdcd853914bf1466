"""Video formats: the container by the suffix of the file, the encoder by what FFmpeg has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer

from detcli.errors import UsageError

H264, VP9 = "libx264", "libvpx-vp9"
_TITLES = {H264: "H.264", VP9: "VP9"}

# The fastest presets, because the network needs the processor: at this quality, "ultrafast" of x264 is as good as
# "veryfast" in 40% of the time and 115% of the bytes (38.4 and 38.3 dB, on a noisy video of 1280 x 720).
# No reordered frames (bf, lag-in-frames), so that each fragment contains all frames of its time.
_ENCODER_OPTIONS: Mapping[str, Mapping[str, str]] = {
    H264: {"preset": "ultrafast", "crf": "21", "bf": "0"},
    VP9: {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "crf": "30", "b": "0", "lag-in-frames": "0"},
}
# Suffix -> FFmpeg's name of the container, and its encoders; the first available one is used. Browsers play H.264 in
# MP4, and VP9 in MP4 and WebM; QuickTime does not support VP9, and WebM does not support H.264.
_CONTAINERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    ".mp4": ("mp4", (H264, VP9)),
    ".m4v": ("mp4", (H264, VP9)),
    ".mkv": ("matroska", (H264, VP9)),
    ".webm": ("webm", (VP9,)),
    ".mov": ("mov", (H264,)),
}


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """How a video is written.

    container  FFmpeg's name of the container
    encoder    FFmpeg's name of the encoder
    options    options of the encoder
    """

    container: str
    encoder: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_boxes(self) -> bool:
        """Whether the container consists of boxes (MP4, QuickTime), not of elements (Matroska, WebM)."""
        return self.container in ("mp4", "mov")

    def open_growing(self, file: object) -> OutputContainer:
        """Open a muxer for a file that can only grow.

        The header is written with the first audio packet, because it contains the start and the codec of the audio.
        """
        options = {"movflags": "frag_keyframe+delay_moov+default_base_moof"} if self.in_boxes else {}
        return av.open(file, "w", format=self.container, options=options)


def has_encoder(name: str) -> bool:
    """Whether the FFmpeg in PyAV has an encoder."""
    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def video_format(path: Path, has: Callable[[str], bool] = has_encoder) -> VideoFormat:
    """The format for the suffix of a video file.

    has  whether FFmpeg has an encoder

    Raises UsageError for an unknown suffix, and if no encoder is available.
    """
    suffix = path.suffix.lower()
    if suffix not in _CONTAINERS:
        raise UsageError(f"cannot write a video to '{path}': end its name in .mp4, .mkv, .webm or .mov")
    container, encoders = _CONTAINERS[suffix]
    for encoder in encoders:
        if has(encoder):
            return VideoFormat(container, encoder, _ENCODER_OPTIONS[encoder])
    missing = " or ".join(_TITLES[encoder] for encoder in encoders)
    others = ".webm or .mp4" if has(VP9) else ".mp4" if has(H264) else ""
    advice = f"end the name in {others}" if others else "install PyAV's own wheel: pip install av"
    raise UsageError(f"cannot write '{path}': FFmpeg {av.ffmpeg_version_info} has no encoder for {missing}; {advice}")
