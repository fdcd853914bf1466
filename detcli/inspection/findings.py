"""What a check of datasets finds, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detcli.datasets.dataset import Dataset, DatasetSummary
from detcli.inspection.box_table import BoxTable, Mask
from detcli.text import counted

Level = Literal["error", "warning", "note"]
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class DataPart:
    """A part of the data.

    name     "train", "val", or "data" for a dataset without parts; with the name of the dataset if there are several
    dataset  the open dataset
    """

    name: str
    dataset: Dataset


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found in a dataset.

    check     which check found it, such as "shared-images"
    level     "error": the data cannot be used; "warning": it costs accuracy or makes metrics wrong; "note": it may be meant
    parts     names of the parts of the data
    message   what was found, and its consequence
    count     number of images, boxes or classes
    examples  the first of them, or of their images, as they can be shown
    advice    what to do
    files     the images of each entry, all of them; empty if it is not about images
    """

    check: str
    level: Level
    parts: tuple[str, ...]
    message: str
    count: int
    examples: tuple[str, ...] = ()
    advice: str = ""
    files: tuple[tuple[str, ...], ...] = ()

    def sentence(self) -> str:
        """The message with the first examples."""
        if not self.examples:
            return self.message
        rest = (len(self.files) or self.count) - len(self.examples)
        more = f" and {rest:,} more" if rest > 0 else ""
        return f"{self.message}: {', '.join(self.examples)}{more}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "check": self.check,
            "level": self.level,
            "parts": list(self.parts),
            "message": self.message,
            "count": self.count,
            "examples": list(self.examples),
            "advice": self.advice,
            "files": [list(names) for names in self.files],
        }


def first_names(names: Sequence[str]) -> tuple[str, ...]:
    """The first names, in quotes, as examples."""
    return tuple(f"'{name}'" for name in names[:_EXAMPLES])


def boxes_are(chosen: Mask) -> str:
    """The beginning of a message about boxes: "2 boxes are"."""
    return counted(int(chosen.sum()), "box is", "boxes are")


def boxes_finding(
    check: str, level: Level, part: DataPart, table: BoxTable, chosen: Mask, message: str, advice: str
) -> Finding:
    """A finding about some boxes, with their images.

    chosen  bool [N]: at least one box of the table
    """
    images = list(dict.fromkeys(table.images[chosen].tolist()))
    origins = [part.dataset.origin(index) for index in images]
    examples = first_names([origin.relative for origin in origins])
    files = tuple((origin.file,) for origin in origins)
    return Finding(check, level, (part.name,), message, int(chosen.sum()), examples, advice, files)


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a check found.

    parts     the parts that were checked: name and summary
    findings  errors first, then warnings
    """

    parts: tuple[tuple[str, DatasetSummary], ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Number of parts that cannot be used."""
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Number of findings that cost accuracy or make metrics wrong."""
        return sum(finding.level == "warning" for finding in self.findings)

    @property
    def notes(self) -> int:
        """Number of other findings."""
        return sum(finding.level == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "parts": [_part(name, summary) for name, summary in self.parts],
            "errors": self.errors,
            "warnings": self.warnings,
            "notes": self.notes,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.parts)
        return f"DataReport({names}: {self.errors} errors, {self.warnings} warnings, {self.notes} notes)"


def _part(name: str, summary: DatasetSummary) -> dict[str, Any]:
    return {
        "part": name,
        "name": summary.name,
        "images": summary.images,
        "boxes": summary.boxes,
        "boxes_of": dict(summary.boxes_of),
        "empty": summary.empty,
        "crowd": summary.crowd,
        "annotations": summary.annotations or None,
        "image_folders": list(summary.image_folders),
    }
