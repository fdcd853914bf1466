"""What is sent to the workers of a run, and what they report: small records, never pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.engine.observer import LoadedModel
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import ImageRequest, RunRequest
from detcli.io.remote.addresses import is_remote, is_url
from detcli.io.remote.store_path import StorePath
from detcli.sources.source import SourceItem
from detcli.structures.run_info import RunInfo


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """What every worker of a run gets once.

    request  of the run
    plan     where its results go
    folder   of the parts, absolute
    current  the folder that relative paths start from
    token    content of a file in the folder of parts: a worker that reads another one sees another folder
    threads  of a network on the CPU in the process that started the run
    """

    request: RunRequest
    plan: OutputPlan
    folder: Path
    current: Path
    token: str
    threads: int

    @property
    def is_remote(self) -> bool:
        """Whether inputs and outputs are addresses only, so that machines need no common folder."""
        if not isinstance(self.folder, StorePath) or not isinstance(self.request, ImageRequest):
            return False
        images = self.request.input
        return images.files_from is None and all(is_url(source) or is_remote(source) for source in images.sources)


@dataclass(frozen=True, slots=True)
class VideoItem:
    """A video of the input: its argument, and the unique name of its frames' folder."""

    argument: str
    name: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Inputs that one worker processes and writes as one part.

    start     position of the first one in the run, from 0
    items     images or videos
    names     digest of their names
    first     the first file, for messages
    attempts  workers that ended while they processed it
    """

    start: int
    items: tuple[SourceItem | VideoItem, ...]
    names: str
    first: str
    attempts: int = 0

    @property
    def end(self) -> int:
        """The position behind the last one."""
        return self.start + len(self.items)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker reports when its model is loaded.

    info         provenance of its results, with the labels of the model
    uncertainty  its detections have standard deviations of edges
    """

    host: str
    info: RunInfo
    model: LoadedModel
    uncertainty: bool
    warnings: tuple[str, ...] = ()

    @property
    def comparable(self) -> Mapping[str, Any]:
        """What must be the same for all workers of a run."""
        entries = self.info.as_json()
        entries.pop("created")
        arguments = entries.pop("arguments")
        assert isinstance(arguments, dict)  # noqa: S101 - as RunInfo makes it
        return {**arguments, **entries}


@dataclass(frozen=True, slots=True)
class PartCounts:
    """The counts of a part, as those of `RunStats`."""

    images: int = 0
    failed: int = 0
    boxes: int = 0
    tracks: int | None = None


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """A chunk is processed, and its part is written."""

    counts: PartCounts
    warnings: tuple[str, ...] = field(default=())
