"""ADTS: AAC audio in transport streams, where each packet has a header with the codec configuration."""

_SYNC = 0xFFF  # the first twelve bits


def config_of(packet: bytes) -> bytes | None:
    """The AudioSpecificConfig that MP4 and Matroska store once per stream, from the header of a packet.

    Returns None if the packet has no such header, or if the header does not name the channels.
    Source: ISO/IEC 13818-7, 6.2 and ISO/IEC 14496-3, 1.6.2.1.
    """
    if len(packet) < 7 or int.from_bytes(packet[:2], "big") >> 4 != _SYNC:
        return None
    profile, frequency = packet[2] >> 6, packet[2] >> 2 & 15
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if channels == 0:
        return None
    return ((profile + 1) << 11 | frequency << 7 | channels << 3).to_bytes(2, "big")


def without_header(packet: bytes) -> bytes:
    """The packet without its header of 7 bytes, or 9 with a checksum; unchanged if it has none."""
    if config_of(packet) is None:
        return packet
    return packet[7 if packet[1] & 1 else 9 :]
