"""Round trips through every pair of formats keep what both can hold."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.io.results import FORMATS, read_results
from detcli.io.results.formats import CONTENTS, readable_formats
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.cli_runs import image
from tests.helpers.sink_fixtures import frame_named, info, random_detections, random_segments
from tests.helpers.stored_results import convert, store, suffix_of

__all__ = ["info"]

SIZE = (48, 64)
NAMES = (
    "a.jpg",
    "sub/ä ö.jpg",
    "汽车/سيارة.jpg",
    'comma, quote".jpg',
    "=1+1.jpg",
    "[x]&<y>.jpg",
    "%41.jpg",
    "not utf-8 \udcff.jpg",
)
NAME_OF_FRAME = re.compile(r"/(frame|gap)_[\d_]+\.jpg")  # of COCO, which has no name of the video
KINDS: Mapping[str, dict[str, Any]] = {
    **{name: {} for name in readable_formats() if name != "coco-results"},  # which has no names: see test_convert.py
    "parquet boxes": {"rows": "boxes"},
}


def lost(kind: str) -> frozenset[str]:
    """What a kind of results cannot hold."""
    return FORMATS[kind.split()[0]].lost(list(KINDS[kind]))


def made_up(seed: int, without: frozenset[str], *, video: bool) -> Iterator[Result]:
    """Results with everything that is not excluded: boxes, masks, failed and empty images, tracks, deviations, frames."""
    for index, name in enumerate(NAMES):
        frame = frame_named(name, index, size_hw=SIZE)
        if video:
            stem = f"film/frame_{index:06d}"
            frame = Frame(Origin(index, "in/film.mp4", f"{stem}.jpg", stem, index, index / 25), SIZE, None)
        if index == 3 and "failed" not in without:
            failed = FailedFrame(frame.origin, "truncated", "it is truncated")
            yield failed, failed
            continue
        count = 0 if index == 5 and "empty" not in without else 1 + index % 3
        yield frame, detections(seed + index, count, without)


def detections(seed: int, count: int, without: frozenset[str]) -> Detections:
    if not count:
        return Detections.empty()
    plain = random_detections(seed, count, size_hw=SIZE)
    found = plain if "masks" in without else random_segments(seed, count, size_hw=SIZE)
    random = np.random.default_rng(seed)
    if "tracks" not in without:
        found = replace(found, track_ids=np.arange(count) + 1)
    if "uncertainty" not in without:
        found = replace(found, box_std=random.random((count, 4), np.float32).astype(np.float64))
    return found


def read(path: Path, kind: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What results hold, by name and frame of the image: values that stay exactly, and numbers."""
    record = FORMATS[kind.split()[0]]
    sizes = dict.fromkeys(NAMES, SIZE) if record.needs_image_sizes else None
    exact, numbers = {}, {}
    for stored in read_results(path, format_name=record.name, sizes=sizes):
        key = NAME_OF_FRAME.sub("", (stored.file or "").removeprefix("in/").removesuffix(".mp4")), stored.frame
        boxes = None if stored.boxes is None else [(box.label, box.track_id, box.mask) for box in stored.boxes]
        exact[key] = (stored.size_hw, stored.time_s, stored.code, boxes)
        numbers[key] = np.array([[box.score, *box.bbox, *(box.box_std or ())] for box in stored.boxes or ()])
    return exact, numbers


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images, from which YOLO takes its sizes."""
    folder = tmp_path_factory.mktemp("images")
    data = image(folder / "x.png").read_bytes()
    (folder / "x.png").unlink()
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def stored(path: Path, kind: str, results: list[Result], info: RunInfo) -> Path:
    """Results of a kind as a run writes them."""
    name, last = kind.split()[0], results[-1][1]
    columns = {}
    if name == "csv" and isinstance(last, Detections):
        columns = {"tracks": last.track_ids is not None, "uncertainty": last.box_std is not None}
    return store(path.with_name(path.name + suffix_of(name)), results, info, name, **KINDS[kind], **columns)


def converted(source: Path, stem: str, kind: str, **given: Any) -> tuple[Path, list[str]]:
    """Results of another kind next to the source, and what was said."""
    name = kind.split()[0]
    target = source.with_name(stem + suffix_of(name))
    return target, convert(source, target, name, **KINDS[kind], **given)


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("back", KINDS)
@pytest.mark.parametrize("video", [False, True])
def test_there_and_back_keeps_what_both_hold(
    there: str, back: str, video: bool, tmp_path: Path, info: RunInfo, images: Path
) -> None:
    without = lost(there) | lost(back)
    if video and "video" in without:
        return
    results = list(made_up(len(there) + 10 * len(back), without, video=video))
    given = {"images": images} if "sizes" in without else {}
    first = stored(tmp_path / "a", back, results, info)
    between, said_there = converted(first, "b", there, **given)
    last, said_back = converted(between, "c", back, **given)
    (held, numbers), (kept, kept_numbers) = read(first, back), read(last, back)
    assert kept == held
    assert len(held) == len(results)
    for key, expected in numbers.items():
        np.testing.assert_allclose(kept_numbers[key], expected, rtol=1e-5, atol=1e-3)
    for name in ("masks", "tracks", "uncertainty", "failed", "empty"):
        assert not any(CONTENTS[name] in sentence for sentence in (*said_there, *said_back))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masks", [False, True])
def test_what_is_said_to_be_lost_is_what_is_lost(
    kind: str, masks: bool, tmp_path: Path, info: RunInfo, images: Path
) -> None:
    without = frozenset({"tracks", "uncertainty"} if masks else {"masks"})
    source = stored(tmp_path / "a", "jsonl", list(made_up(5, without, video=False)), info)
    target, said = converted(source, "b", kind, images=images)
    sizes = dict.fromkeys(NAMES, SIZE)
    read_back = list(read_results(target, format_name=kind.split()[0], sizes=sizes))
    boxes = [box for stored_image in read_back for box in stored_image.boxes or ()]
    there = {
        "failed": any(stored_image.boxes is None for stored_image in read_back),
        "empty": any(stored_image.boxes == () for stored_image in read_back),
        "masks": all(box.mask is not None for box in boxes),
        "tracks": all(box.track_id is not None for box in boxes),
        "uncertainty": all(box.box_std is not None for box in boxes),
        "ids": all(box.category_id is not None for box in boxes),
    }
    names = {name for name in there if CONTENTS[name] in " ".join(said)}
    assert names == {name for name, is_there in there.items() if not is_there} - without
    assert len(said) == bool(names)
    assert len(boxes) == sum(1 + i % 3 for i in range(len(NAMES)) if i not in (3, 5))
