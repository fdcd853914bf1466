"""Parses XML from others; a document type, whose entities take all memory or read other files, is refused."""

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from detcli.io.documents.document_error import DocumentError

_MAX_DEPTH = 64  # elements in each other; annotations have five
_PIECE = 1 << 16  # bytes
_FAULTS = (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError)  # the last two for encodings


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML document. Raises DocumentError."""
    *_, root = xml_elements(data[start : start + _PIECE] for start in range(0, len(data) or 1, _PIECE))
    return root


def xml_elements(pieces: Iterable[bytes], *, drop: bool = False) -> Iterator[ElementTree.Element]:
    """The elements directly in the root, one after the other as they are complete, and at last the root.

    pieces  the bytes of the document
    drop    each element is dropped when the next one is asked for, so that memory stays flat

    Raises DocumentError.
    """
    parser: Any = ElementTree.XMLPullParser(("start", "end"))  # its stubs have events of other kinds
    root: ElementTree.Element | None = None
    depth = 0
    try:
        for piece in _without_document_type(pieces):
            parser.feed(piece)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if depth > _MAX_DEPTH:
                    raise DocumentError("it is nested too deeply")
                root = element if root is None else root
                if event == "end" and depth == 1:
                    yield element
                    if drop and root is not None:
                        root.clear()
        parser.close()
    except DocumentError:
        raise
    except _FAULTS as error:
        raise DocumentError(str(error)) from error
    assert root is not None  # noqa: S101 - the parser refuses a document without an element
    yield root


def _without_document_type(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces; those up to the root, before which a document type stands, are checked first."""
    parser = expat.ParserCreate()
    inside = False

    def refuse(*_: object) -> None:
        raise DocumentError("it has a document type (DOCTYPE), which annotations have not")

    def start(*_: object) -> None:
        nonlocal inside
        inside = True

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    for piece in pieces:
        if not inside:
            parser.Parse(piece, False)
        yield piece
