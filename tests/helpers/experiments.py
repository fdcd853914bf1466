"""Loggers that a test can read, and readers of experiments that other packages have written."""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from detcli.training.logs.logger import Ending, Experiment, OpenedExperiment


class MemoryLogger:
    """Keeps its calls; `fails_at` is the step from which every call raises, "open" or None."""

    title: ClassVar[str] = "Memory"
    in_background: ClassVar[bool] = True
    fails_at: ClassVar[int | str | None] = None
    calls: ClassVar[list[tuple[str, Any]]] = []

    @staticmethod
    def problem() -> str | None:
        return None

    def open(self, experiment: Experiment) -> OpenedExperiment:
        self.calls.append(("open", experiment.saved_id))
        if self.fails_at == "open":
            raise ConnectionError("no route to host")
        return OpenedExperiment(experiment.saved_id or "id-1", "memory:id-1")

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        self._add("values", dict(values), step)

    def add_images(self, images: Mapping[str, Any], step: int) -> None:
        self._add("images", dict(images), step)

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        self._add("summary", dict(values), step)

    def close(self, ending: Ending) -> None:
        self.calls.append(("close", ending))

    def _add(self, kind: str, values: Mapping[str, Any], step: int) -> None:
        if isinstance(self.fails_at, int) and step >= self.fails_at:
            raise ConnectionError("connection lost\nmore lines")
        self.calls.append((kind, (step, values)))


def wandb_records(folder: Path) -> Iterator[Any]:
    """The records of the .wandb files of a folder, in the order of the files, read with wandb's own message types."""
    from wandb.proto import wandb_internal_pb2

    for file in sorted(folder.rglob("*.wandb"), key=lambda path: path.stat().st_mtime_ns):
        for data in _log_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            yield record


def wandb_history(folder: Path) -> list[dict[str, Any]]:
    """The rows of all runs in a folder."""
    rows = []
    for record in wandb_records(folder):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


def _log_records(data: bytes) -> Iterator[bytes]:
    """The records of a file in the format of LevelDB's log, in blocks of 32 KiB, after a header of 7 bytes."""
    block, at, parts = 32768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0:
            return
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""
