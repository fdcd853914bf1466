"""The results of parts in the order of one process."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from detcli.engine.cluster.parts.part_files import PartReader
from detcli.structures.frame import FailedFrame
from detcli.structures.json_records import Result

MAX_OPEN: Final = 16  # videos that take turns, as `Multiplexer` opens them


class OrderedParts:
    """Gives parts back in the order of the input, each as soon as all before it are there."""

    def __init__(self) -> None:
        self._paths: dict[int, tuple[int, Path]] = {}
        self._position = 0

    def add(self, start: int, end: int, path: Path) -> Iterator[Path]:
        """Add a part; the paths of those whose turn it is now."""
        self._paths[start] = end, path
        while self._position in self._paths:
            self._position, ready = self._paths.pop(self._position)
            yield ready


def images_of(path: Path) -> Iterator[Result]:
    """The results of a part of images."""
    return PartReader(path).results()


def frames_in_turn(parts: Mapping[int, Path]) -> Iterator[Result]:
    """The frames of videos in turn, with their index in the complete input, as one process reads them.

    parts  of one video each, by its position in the input
    """
    waiting = deque(images_of(parts[position]) for position in sorted(parts))
    taking = deque(waiting.popleft() for _ in range(min(MAX_OPEN, len(waiting))))
    index = 0
    while taking:
        frames = taking.popleft()
        result = next(frames, None)
        if result is None:
            if waiting:
                taking.append(waiting.popleft())
            continue
        taking.append(frames)
        yield _numbered(result, index)
        index += 1


def _numbered(result: Result, index: int) -> Result:
    frame, detections = result
    if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
        failed = replace(frame, origin=replace(frame.origin, index=index))
        assert isinstance(failed, FailedFrame)  # noqa: S101 - both are
        return failed, failed
    return replace(frame, origin=replace(frame.origin, index=index)), detections


def is_empty(path: Path) -> bool:
    """Whether a part has no results: a video without frames."""
    return next(images_of(path), None) is None
