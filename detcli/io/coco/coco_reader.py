"""Reads COCO JSON files: the document, its sections, and the id and the name of each image and category."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from detcli.errors import DetcliError, ImageError, InputError, NoDataError, UsageError
from detcli.io.documents import DocumentError, parse_json
from detcli.io.documents.parse_json import ObjectHook
from detcli.io.read import read_bytes
from detcli.io.record_values import RecordError, RecordPosition, shown

MAX_COCO_BYTES = 4 << 30  # the largest public dataset, Objects365, has 1.2 GB of annotations
MAX_ID = 2**63 - 1
MAX_ENTRIES_NAMED = 10

Kind = Literal["annotations", "results"]

_SECTIONS = ("images", "annotations", "categories")
_NOUNS = {"images": "image", "annotations": "annotation", "categories": "category"}
_SCORE_KEYS = ("score", "confidence")
_NAME_KEYS = {"images": "file_name", "categories": "name"}


def read_coco_json(
    path: Path,
    *,
    kind: Kind = "annotations",
    invalid: type[DetcliError] = InputError,
    object_hook: ObjectHook | None = None,
) -> Any:
    """The JSON document of a COCO file.

    kind         what the file holds, for messages
    invalid      class of the error for a file that is not JSON
    object_hook  called with each JSON object as soon as it is parsed; its result replaces the object

    Raises NoDataError if the file cannot be read, or UsageError if that is `invalid`.
    """
    try:
        data = read_bytes(path, max_bytes=MAX_COCO_BYTES)
    except ImageError as error:
        unreadable = UsageError if invalid is UsageError else NoDataError
        raise unreadable(f"cannot read the {kind} '{path}': {error}") from error
    try:
        return parse_json(data, object_hook=object_hook)
    except DocumentError as error:
        raise invalid(f"the {kind} '{path}' are not JSON: {error}") from error


def read_coco_document(
    path: Path,
    *,
    kind: Kind = "annotations",
    invalid: type[DetcliError] = InputError,
    object_hook: ObjectHook | None = None,
    sections: tuple[str, ...] = _SECTIONS,
) -> dict[str, Any]:
    """The document of a COCO file that has all `sections` as lists; arguments as in `read_coco_json`.

    Raises NoDataError if the file cannot be read, or UsageError if that is `invalid`; and `invalid` if a section is missing.
    """
    document: Any = read_coco_json(path, kind=kind, invalid=invalid, object_hook=object_hook)
    if isinstance(document, list):
        what = (
            "COCO results are lists, annotations have 'images'"
            if kind == "annotations"
            else "'coco-results' is this format"
        )
        raise invalid(f"'{path}' holds no COCO {kind}: it is a list; {what}")
    for section in sections:
        if not isinstance(document, dict) or not isinstance(document.get(section), list):
            raise invalid(f"'{path}' holds no COCO {kind}: it has no list of '{section}'")
    checked: dict[str, Any] = document
    return checked


@dataclass(slots=True)
class InvalidEntries:
    """Collects entries that cannot be used, as a context manager around the checks of each entry.

    count  number of invalid entries
    first  position and reason of the first ten
    """

    count: int = 0
    first: list[str] = field(default_factory=list)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, RecordError):
            return False
        self.count += 1
        if len(self.first) < MAX_ENTRIES_NAMED:
            self.first.append(f"{error.where}: {error.reason}")
        return True

    def raise_if_any(self, source: object, error: type[DetcliError]) -> None:
        """Raise one error that names the first ten invalid entries of `source`."""
        if self.count:
            entries = "1 entry is invalid" if self.count == 1 else f"{self.count:,} entries are invalid"
            more = f"; and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
            raise error(f"'{source}' cannot be used: {entries}: {'; '.join(self.first)}{more}")


def reject_detections(source: object, entries: Iterable[Any], error: type[DetcliError]) -> None:
    """Raise one error if annotations that are meant as ground truth have scores, as detections have.

    entries  annotations or segments; null counts as no score
    """
    total = scored = 0
    for entry in entries:
        total += 1
        scored += isinstance(entry, dict) and any(entry.get(key) is not None for key in _SCORE_KEYS)
    if scored:
        have = "has a score" if scored == 1 else "have scores"
        raise error(
            f"'{source}' cannot be used as ground truth: {scored:,} of its {total:,} annotations {have}, as detections "
            "have; give a file of annotations. If people have checked them, remove 'score' and 'confidence' from the file"
        )


def drop_repeated(document: dict[str, Any]) -> Iterator[str]:
    """Remove images and categories that are in the document twice, as in merged files; yields a sentence for each section.

    Entries are the same that have one id and one name, and images also one size.
    """
    for section, keys in (("images", ("file_name", "height", "width")), ("categories", ("name",))):
        kept, seen = [], dict[int, Any]()
        for entry in document[section]:
            entry_id = entry.get("id") if isinstance(entry, dict) else None
            known = seen.setdefault(entry_id, entry) if type(entry_id) is int else entry
            if known is entry or any(known.get(key) != entry.get(key) for key in keys):
                kept.append(entry)
        dropped, document[section] = len(document[section]) - len(kept), kept
        if dropped:
            noun = _NOUNS[section] if dropped == 1 else section
            yield f"{dropped:,} {noun} {'is' if dropped == 1 else 'are'} in the file twice, with the same id and name"


def numbered_entries(path: Path, section: str, entries: Iterable[Any]) -> Iterator[tuple[RecordPosition, Any]]:
    """Each entry of a section with its position, for messages."""
    return ((RecordPosition(path, f"{_NOUNS[section]} {number}"), entry) for number, entry in enumerate(entries))


def read_names(
    path: Path, document: Mapping[str, Any], section: str, invalid: InvalidEntries, *, unique: bool = False
) -> list[tuple[int, str]]:
    """Id and name of each image or category, in the order of the file; an integer is a name of a category too.

    section  "images" or "categories"
    invalid  collects the entries without a name or without an integer id
    unique   an id that an earlier entry has is invalid too
    """
    name_key = _NAME_KEYS[section]
    named: list[tuple[int, str]] = []
    seen: set[int] = set()
    for position, entry in numbered_entries(path, section, document[section]):
        with invalid:
            position.mapping(entry)
            entry_id, name = integer_id(position, entry.get("id"), "id"), entry.get(name_key)
            if section == "categories" and type(name) is int:
                name = str(name)  # classes "0" to "9" are often written as numbers
            if not isinstance(name, str):
                position.refuse(f"{name_key} is {shown(name)}, not a text in quotes")
            if unique and entry_id in seen:
                position.refuse(f"another entry has the id {entry_id}")
            seen.add(entry_id)
            named.append((entry_id, name))
    return named


def integer_id(position: RecordPosition, value: Any, name: str) -> int:
    """An id of 64 bits; 3.0 is accepted as 3."""
    if type(value) is not int:
        value = position.integer(value, name)
    if not -MAX_ID <= value <= MAX_ID:
        position.refuse(f"{name} is {shown(value)}, which needs more than 64 bits")
    return int(value)


def posix_name(name: str) -> str:
    """A file name with "/" between its parts, whichever system it was written on."""
    return name.replace("\\", "/").removeprefix("./")
