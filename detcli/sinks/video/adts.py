"""Sound of transport streams: each packet of AAC says itself how it is coded, which other containers say once."""

_SYNC = 0xFFF  # the first twelve bits


def config_of(packet: bytes) -> bytes | None:
    """What MP4 and Matroska keep next to the packets (AudioSpecificConfig), from the head of one.

    None where there is no such head, or where it leaves out which channels there are.
    Source: ISO/IEC 13818-7, 6.2 and ISO/IEC 14496-3, 1.6.2.1.
    """
    if len(packet) < 7 or int.from_bytes(packet[:2], "big") >> 4 != _SYNC:
        return None
    profile, frequency = packet[2] >> 6, packet[2] >> 2 & 15
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if channels == 0:
        return None
    return ((profile + 1) << 11 | frequency << 7 | channels << 3).to_bytes(2, "big")


def without_head(packet: bytes) -> bytes:
    """The packet without its head of 7 bytes, or of 9 where it ends in a checksum; as it is where it has none."""
    if config_of(packet) is None:
        return packet
    return packet[7 if packet[1] & 1 else 9 :]
