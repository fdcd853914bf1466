"""What an annotated copy of a video cannot have of its source's pixels, in words, and the options that keep the rest."""

from fractions import Fraction

from detcli.sinks.video.video_formats import H264, VideoFormat
from detcli.structures.frame import MasteringDisplay, VideoTraits

_CHROMATICITY_UNIT, _LUMINANCE_UNIT = Fraction(1, 50_000), Fraction(1, 10_000)  # of SMPTE ST 2086 in H.264


def pixel_losses(traits: VideoTraits, video_format: VideoFormat) -> list[str]:
    """What is lost when 8-bit RGB frames are encoded as YUV 4:2:0 in a format."""
    losses = []
    if traits.bits > 8:
        losses.append(f"{traits.bits} bits per channel (8 are written)")
    if traits.subsampling != "4:2:0":
        losses.append(f"color resolution {traits.subsampling} (4:2:0 is written)")
    if traits.has_alpha:
        losses.append("transparency")
    if traits.is_interlaced:
        losses.append("interlacing (whole frames are written)")
    is_h264 = video_format.encoder == H264
    if (
        traits.pixel_aspect is not None and not is_h264 and not video_format.in_boxes
    ):  # PyAV cannot set that of a stream
        losses.append(f"the aspect ratio of pixels, {traits.pixel_aspect} (H.264 has it)")
    if not is_h264 and (traits.mastering is not None or traits.content_light is not None):
        losses.append("HDR mastering display and content light level (H.264 has them)")
    return [*losses, *traits.side_data]


def hdr_options(traits: VideoTraits, encoder: str) -> dict[str, str]:
    """Options of the encoder that write the static HDR metadata of a source."""
    if encoder != H264:
        return {}
    parts = []
    if traits.mastering is not None:
        parts.append(f"mastering-display={_mastering(traits.mastering)}")
    if traits.content_light is not None:
        parts.append("cll={},{}".format(*traits.content_light))
    return {"x264-params": ":".join(parts)} if parts else {}


def _mastering(display: MasteringDisplay) -> str:
    points = [f"({round(x / _CHROMATICITY_UNIT)},{round(y / _CHROMATICITY_UNIT)})" for x, y in display.primaries]
    red, green, blue, white = points
    lowest, highest = (round(value / _LUMINANCE_UNIT) for value in display.luminance)
    return f"G{green}B{blue}R{red}WP{white}L({highest},{lowest})"
