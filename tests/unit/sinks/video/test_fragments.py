import pytest

from detcli.errors import OutputError
from detcli.sinks.video.fragments import FragmentWriter


class Kept:
    """An output that keeps each piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def flush(self) -> None: ...
    def commit(self) -> None: ...
    def discard(self) -> None: ...


def box(kind: bytes, size: int) -> bytes:
    return size.to_bytes(4, "big") + kind + bytes(size - 8)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_fragments_are_complete_however_the_bytes_arrive(step: int) -> None:
    first, second = box(b"ftyp", 20) + box(b"moov", 90) + box(b"moof", 40) + box(b"mdat", 300), box(b"moof", 9)
    second += (1).to_bytes(4, "big") + b"mdat" + (50).to_bytes(8, "big") + bytes(34)
    kept = Kept()
    pieces = FragmentWriter(kept, in_boxes=True)
    data = first + second + box(b"moof", 30)[:-1]
    for start in range(0, len(data), step):
        pieces.write(data[start : start + step])
    assert kept.pieces == [first, second]
    assert pieces.media == 2


def test_a_part_of_size_zero_is_an_error() -> None:
    kept = Kept()
    pieces = FragmentWriter(kept, in_boxes=True)
    with pytest.raises(OutputError):
        pieces.write(box(b"ftyp", 20) + b"\0\0\0\0moov" + bytes(100))
    pieces.write(box(b"mdat", 30))
    assert kept.pieces == []
    assert isinstance(pieces.error, OutputError)
