"""Reads the traits of a video stream from its header and its first frame."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, cast

import av
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from detcli.sources.video.ffmpeg.rotation import is_turned_sideways
from detcli.structures.frame import ColorTags, MasteringDisplay, VideoTraits

_SUBSAMPLINGS: Final[Mapping[tuple[int, int], str]] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (4, 1): "4:1:1",
    (1, 2): "4:4:0",
    (4, 4): "4:1:0",
}
# FFmpeg's names of side data of frames that an encoder here does not write.
_SIDE_DATA: Final[Mapping[str, str]] = {
    "A53_CC": "closed captions",
    "STEREO3D": "stereoscopic (3D) metadata",
    "SPHERICAL": "spherical (360°) metadata",
    "DYNAMIC_HDR_PLUS": "dynamic HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "dynamic HDR Vivid metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "FILM_GRAIN_PARAMS": "film grain parameters",
    "ICC_PROFILE": "the ICC color profile",
}


def traits_of(stream: VideoStream, frame: av.VideoFrame) -> VideoTraits:
    """The traits of a stream, of which `frame` is the first decoded frame."""
    pixel_format = frame.format
    is_rgb, has_color = bool(pixel_format.is_rgb) or pixel_format.has_palette, len(pixel_format.components) >= 3
    return VideoTraits(
        stream.index,
        pixel_aspect=_pixel_aspect(stream, frame),
        color=None if is_rgb else _color(frame),
        bits=max((component.bits for component in pixel_format.components), default=8),
        subsampling=_subsampling(pixel_format) if has_color else "4:2:0",
        has_alpha=any(component.is_alpha for component in pixel_format.components)
        or stream.metadata.get("alpha_mode") == "1",
        is_interlaced=bool(frame.interlaced_frame),
        mastering=_mastering(frame),
        content_light=_content_light(frame),
        side_data=tuple(dict.fromkeys(words for name, words in _SIDE_DATA.items() if _side_data(frame, name))),
    )


def _pixel_aspect(stream: VideoStream, frame: av.VideoFrame) -> Fraction | None:
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if not aspect or aspect == 1:
        return None
    return 1 / aspect if is_turned_sideways(frame) else aspect


def _color(frame: av.VideoFrame) -> ColorTags:
    is_full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return ColorTags(
        int(frame.colorspace),
        int(frame.color_primaries),
        int(frame.color_trc),
        2 if is_full else int(frame.color_range),
    )


def _subsampling(pixel_format: Any) -> str:
    steps = 64 // pixel_format.chroma_width(64), 64 // pixel_format.chroma_height(64)
    return _SUBSAMPLINGS.get(steps, "other")


def _side_data(frame: av.VideoFrame, name: str) -> SideData | None:
    return cast("SideData | None", frame.side_data.get(name))


def _mastering(frame: av.VideoFrame) -> MasteringDisplay | None:
    """AVMasteringDisplayMetadata: ten fractions and two flags. Source: FFmpeg, libavutil/mastering_display_metadata.h."""
    data = _side_data(frame, "MASTERING_DISPLAY_METADATA")
    if data is None or data.buffer_size < 88:
        return None
    numbers = struct.unpack("=22i", bytes(data)[:88])
    has_primaries, has_luminance = numbers[20:]
    if not has_primaries or not has_luminance or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[place], numbers[place + 1]) for place in range(0, 20, 2)]
    primaries = tuple((values[place], values[place + 1]) for place in range(0, 8, 2))
    return MasteringDisplay(primaries, (values[8], values[9]))


def _content_light(frame: av.VideoFrame) -> tuple[int, int] | None:
    data = _side_data(frame, "CONTENT_LIGHT_LEVEL")
    if data is None or data.buffer_size < 8:
        return None
    highest, mean = struct.unpack("=2I", bytes(data)[:8])
    return (highest, mean) if highest or mean else None
