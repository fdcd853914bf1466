"""Parts in the order of one process: images in that of the input, the frames of videos in turn."""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detcli.engine.cluster.parts import merge_parts
from detcli.engine.cluster.parts.merge_parts import OrderedParts, frames_in_turn
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.multiplexer import Multiplexer
from detcli.structures.frame import Frame, Origin


@pytest.mark.parametrize("seed", range(10))
def test_parts_come_in_order_whatever_order_they_are_done_in(seed: int) -> None:
    random.seed(seed)
    cuts = [0, *sorted(random.sample(range(1, 100), 12)), 100]
    ranges = list(pairwise(cuts))
    shuffled = random.sample(ranges, len(ranges))
    ordered = OrderedParts()
    ready = [path for start, end in shuffled for path in ordered.add(start, end, Path(str(start)))]
    assert ready == [Path(str(start)) for start, _ in ranges]


class CountedVideo:
    """A video of so many frames, without pixels."""

    live, dropped = False, 0

    def __init__(self, frames: int) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Any]:
        for number in range(self._frames):
            yield SimpleNamespace(origin=Origin(number, "", f"s/frame_{number}.jpg", f"s/frame_{number}", number, 0.0))

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("seed", range(10))
def test_frames_take_turns_as_in_one_process(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random.seed(seed)
    counts = [random.choice([0, 1, 2, 5, 9]) for _ in range(random.choice([1, 3, 16, 17, 40]))]
    sources: list[Any] = [ChannelSource(f"{n}.mp4", str(n), CountedVideo(count)) for n, count in enumerate(counts)]  # type: ignore[arg-type]
    expected = [(item.origin.index, item.origin.file, item.origin.frame) for item in Multiplexer(sources)]

    def stored(path: Path) -> Iterator[Any]:
        for frame in range(counts[int(path.name)]):
            yield Frame(Origin(frame, f"{path.name}.mp4", "", "", frame, 0.0), (1, 1), None), None

    monkeypatch.setattr(merge_parts, "images_of", stored)
    parts = {position: Path(str(position)) for position in range(len(counts))}
    found = [(frame.origin.index, frame.origin.file, frame.origin.frame) for frame, _ in frames_in_turn(parts)]
    assert found == expected
