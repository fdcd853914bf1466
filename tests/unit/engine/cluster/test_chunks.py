"""The input in chunks: in order, without gaps, around the parts that an interrupted run wrote."""

import random
from collections.abc import Iterator

import pytest

from detcli.engine.cluster.chunks import ChunkPlan, chunk_of, halves
from detcli.engine.cluster.worker_job import VideoItem


def items(count: int) -> list[VideoItem]:
    return [VideoItem(f"{number}.mp4", str(number)) for number in range(count)]


def planned(count: int, **settings: object) -> list[tuple[int, int]]:
    plan = ChunkPlan(items(count), **({"workers": 2, "fixed": None, "at_most": 1000, "parts": {}} | settings))  # type: ignore[arg-type]
    return [(chunk.start, chunk.end) for chunk, _ in plan]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000, 30_000])
@pytest.mark.parametrize("fixed", [None, 1, 100])
def test_chunks_cover_the_input_without_gaps(count: int, fixed: int | None) -> None:
    ranges = planned(count, fixed=fixed)
    assert [number for start, end in ranges for number in range(start, end)] == list(range(count))
    assert max((end - start for start, end in ranges), default=0) <= (fixed or 1000)


def test_a_few_images_are_shared_out_and_many_come_in_large_chunks() -> None:
    assert len(planned(40, workers=4)) == 5
    sizes = [end - start for start, end in planned(100_000, workers=4)]
    assert sizes[0] == 8
    assert max(sizes) == 1000
    assert sizes[:-1] == sorted(sizes[:-1])
    assert len(sizes) < 250


def test_only_the_parts_that_are_missing_are_planned() -> None:
    for seed in range(50):
        random.seed(seed)
        count = random.randrange(1, 300)
        cuts = sorted(random.sample(range(count + 1), min(count + 1, 12)))
        existing = dict(zip(cuts[::2], cuts[1::2], strict=False))
        plan = ChunkPlan(items(count), workers=2, fixed=random.choice([None, 7, 50]), at_most=1000, parts=existing)
        taken = list(plan)
        assert {chunk.start: end for chunk, end in taken if end is not None} == existing
        assert all(chunk.end == end for chunk, end in taken if end is not None)
        assert [n for chunk, _ in taken for n in range(chunk.start, chunk.end)] == list(range(count))
        assert not plan.is_longer


def test_a_shorter_input_than_that_of_the_parts_is_noticed() -> None:
    plan = ChunkPlan(items(10), workers=1, fixed=5, at_most=5, parts={5: 10, 10: 15})
    assert len(list(plan)) == 2
    assert plan.is_longer


def test_the_input_is_listed_only_as_far_as_chunks_are_taken() -> None:
    listed = 0

    def endless() -> Iterator[VideoItem]:
        nonlocal listed
        while True:
            listed += 1
            yield VideoItem(f"{listed}", f"{listed}")

    chunks = iter(ChunkPlan(endless(), workers=1, fixed=10, at_most=10, parts={}))
    for _ in range(3):
        next(chunks)
    assert listed == 30


def test_halves_are_the_chunk_in_two() -> None:
    chunk = chunk_of(10, items(5))
    first, second = halves(chunk)
    assert (first.start, first.end, second.start, second.end) == (10, 12, 12, 15)
    assert first.items + second.items == chunk.items
    assert len({chunk.names, first.names, second.names}) == 3
    assert second.first == "2.mp4"
