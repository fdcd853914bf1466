"""One output of a run: results, or an annotated video."""

from dataclasses import dataclass
from pathlib import Path

from detcli.engine.outputs.standard_output import TABLE
from detcli.io.results.formats import FORMATS, Format


@dataclass(frozen=True, slots=True)
class ResultTarget:
    """One output of results: its format and its path, None for standard output; `source` is None for all sources."""

    format: str
    path: Path | None
    source: str | None = None

    @property
    def name(self) -> str:
        """As messages show it."""
        return "standard output" if self.path is None else str(self.path)

    @property
    def record(self) -> Format | None:
        """What detcli knows about the format; None for the human-readable table."""
        return None if self.format == TABLE else FORMATS[self.format]

    @property
    def is_folder(self) -> bool:
        """Whether the format is a folder of files."""
        return self.record is not None and self.record.is_folder

    @property
    def extra_folder(self) -> Path | None:
        """The folder that belongs to the file, if its format has one."""
        return None if self.path is None or self.record is None else self.record.image_folder(self.path)


@dataclass(frozen=True, slots=True)
class VideoTarget:
    """One annotated video, and the name of its source."""

    path: Path
    source: str
