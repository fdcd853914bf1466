"""Read the metadata of an exported file without its graph: a runtime takes a part of the start-up to read that."""

import html
import re
from pathlib import Path
from typing import BinaryIO

from detcli.runtimes.exported.exported_facts import METADATA_KEY

_TAIL = 2 * 1024 * 1024  # bytes: OpenVINO writes the metadata at the end
_MOST_FIELDS = 10_000  # of an ONNX model; there are about ten
_LONGEST_ENTRY = 16 * 1024 * 1024
_METADATA_PROPS = 14  # field numbers of onnx.proto: ModelProto.metadata_props, and key and value of its entries
_KEY, _VALUE = 1, 2
_VARINT, _EIGHT_BYTES, _WITH_LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_GRAPH_INFO = re.compile(rb"<rt_info>((?:(?!<rt_info>).)*)</rt_info>\s*</net>\s*$", re.DOTALL)
_ENTRY = re.compile(rf'<{METADATA_KEY} value="([^"<]*)"\s*/>'.encode("ascii"))


def quick_metadata(path: Path) -> str | None:
    """Read the document of detcli in an .xml or .onnx file.

    None where it is not found this way: the runtime then reads the file, and says what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            text = _of_openvino(file, size) if path.suffix.lower() == ".xml" else _of_onnx(file, size)
        return None if text is None else text.decode("utf-8")
    except (OSError, UnicodeDecodeError, EOFError):
        return None


def _of_openvino(file: BinaryIO, size: int) -> bytes | None:
    """The value of the one entry in the information about the whole graph, which is the last part of the file."""
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    start = tail.rfind(b"<rt_info>")
    info = _GRAPH_INFO.match(tail, start) if start >= 0 else None
    values = _ENTRY.findall(info[1]) if info is not None else []
    return html.unescape(values[0].decode("utf-8")).encode("utf-8") if len(values) == 1 else None


def _of_onnx(file: BinaryIO, size: int) -> bytes | None:
    """The value of the one entry with the key; None if the file ends within a field."""
    values: list[bytes] = []
    file.seek(0)
    for _ in range(_MOST_FIELDS):
        if file.tell() == size:
            return values[0] if len(values) == 1 else None
        field, wire_type = divmod(_varint(file), 8)
        length = _length(file, wire_type)
        if length is None or file.tell() + length > size:
            return None
        if field == _METADATA_PROPS and wire_type == _WITH_LENGTH and length <= _LONGEST_ENTRY:
            end = file.tell() + length
            parts = _parts(file, end)
            if parts.get(_KEY) == METADATA_KEY.encode("ascii"):
                values.append(parts.get(_VALUE, b""))
            file.seek(end)
        else:
            file.seek(length, 1)
    return None


def _parts(file: BinaryIO, end: int) -> dict[int, bytes]:
    """The fields with a length of a message that ends there."""
    parts = {}
    while file.tell() < end:
        field, wire_type = divmod(_varint(file), 8)
        length = _length(file, wire_type)
        if length is None or file.tell() + length > end:
            raise EOFError
        parts[field] = file.read(length)
    return parts


def _length(file: BinaryIO, wire_type: int) -> int | None:
    """How many bytes a field takes after its tag and its length, which are read; None for what ONNX does not use."""
    if wire_type == _VARINT:
        _varint(file)
        return 0
    if wire_type == _WITH_LENGTH:
        return _varint(file)
    return {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(wire_type)


def _varint(file: BinaryIO) -> int:
    """A number in protobuf's variable length: seven bits a byte, the lowest first. Raises EOFError."""
    number = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    raise EOFError
