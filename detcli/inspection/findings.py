"""What a check of datasets finds, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detcli.datasets.dataset import Dataset, DatasetSummary

Level = Literal["warning", "note"]
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
    level     "warning": it costs accuracy or makes metrics wrong; "note": it may be meant
    parts     names of the parts of the data
    message   what was found, and its consequence
    count     number of images, boxes or classes
    examples  the first of them, as they can be shown
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
        more = f" and {self.count - len(self.examples):,} more" if self.count > len(self.examples) else ""
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


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a check found.

    parts     the parts that were checked: name and summary
    findings  warnings first
    """

    parts: tuple[tuple[str, DatasetSummary], ...]
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> int:
        """Number of findings that cost accuracy or make metrics wrong."""
        return sum(finding.level == "warning" for finding in self.findings)

    @property
    def notes(self) -> int:
        """Number of other findings."""
        return len(self.findings) - self.warnings

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "parts": [_part(name, summary) for name, summary in self.parts],
            "warnings": self.warnings,
            "notes": self.notes,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.parts)
        return f"DataReport({names}: {self.warnings} warnings, {self.notes} notes)"


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
