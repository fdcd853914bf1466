"""Merged parts are the results of one run; parts that do not belong together are refused."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import DetcliError, InputError, UsageError
from detcli.shard import Shard
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.sink_fixtures import frame_named, info, random_detections, seeded_results
from tests.helpers.stored_results import content, rewrite, store, suffix_of

__all__ = ["info"]


def split(results: list[Result], count: int, seed: int, *, how: str) -> list[list[Result]]:
    """Parts by index: every n-th image, ranges, or any."""
    drawn = random.Random(seed)
    owners = {
        "strided": [index % count for index in range(len(results))],
        "ranges": [index * count // len(results) for index in range(len(results))],
        "any": [drawn.randrange(count) for _ in results],
    }[how]
    parts = [[result for result, owner in zip(results, owners, strict=True) if owner == part] for part in range(count)]
    return [part for part in parts if part]


@pytest.mark.parametrize("name", ["jsonl", "coco"])
@pytest.mark.parametrize("how", ["strided", "ranges", "any"])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_by_index_are_the_bytes_of_one_run(
    name: str, how: str, count: int, tmp_path: Path, info: RunInfo
) -> None:
    results = list(seeded_results(43))
    suffix = suffix_of(name)
    whole = store(tmp_path / f"whole{suffix}", results, info, name, header=name == "jsonl")
    parts = [
        store(tmp_path / f"part-{part}{suffix}", listed, info, name, header=name == "jsonl")
        for part, listed in enumerate(split(results, count, count, how=how))
    ]
    random.Random(count).shuffle(parts)
    rewrite(parts, tmp_path / f"merged{suffix}", name)
    assert content(tmp_path / f"merged{suffix}") == content(whole)


def everything(count: int, seed: int) -> list[Result]:
    """Failed and empty images, frames of a film, and boxes with track ids and deviations."""
    listed: list[Result] = []
    for index, (frame, found) in enumerate(seeded_results(count)):
        origin = frame.origin
        if index % 3 == 2:
            stem = f"film/frame_{index:06d}"
            origin = Origin(index, "in/film.mp4", f"{stem}.jpg", stem, index, index / 25)
        if isinstance(found, FailedFrame):
            failed = replace(found, origin=origin)
            listed.append((failed, failed))
            continue
        if len(found):
            deviations = np.random.default_rng(seed + index).random((len(found), 4), np.float32).astype(np.float64)
            found = replace(found, track_ids=np.arange(len(found)) + index, box_std=deviations)
        listed.append((Frame(origin, (480, 640), None), found))
    return listed


@pytest.mark.parametrize("seed", range(8))
def test_any_split_into_any_formats_is_one_run(seed: int, tmp_path: Path, info: RunInfo) -> None:
    """Parts of random images, each in its own format, empty ones too, in any order: JSON Lines and Parquet have all of it."""
    drawn = random.Random(seed)
    results = everything(drawn.randrange(5, 40), seed)
    count = drawn.randrange(2, 9)
    owners = [drawn.randrange(count) for _ in results]
    parts = []
    for part in range(count):
        name = drawn.choice(["jsonl", "parquet"])
        listed = [result for result, owner in zip(results, owners, strict=True) if owner == part]
        header = {"header": True} if name == "jsonl" else {}
        parts.append(store(tmp_path / f"{part}{suffix_of(name)}", listed, info, name, **header))
    drawn.shuffle(parts)
    target = drawn.choice(["jsonl", "parquet", "coco", "csv"])
    settings = {"tracks": True, "uncertainty": True, "header": target == "jsonl"}
    whole = store(tmp_path / f"whole{suffix_of(target)}", results, info, target, **settings)
    assert not any("not checked" in sentence for sentence in rewrite(parts, tmp_path / f"m{suffix_of(target)}", target))
    if target == "coco":  # corners are sums of float32 numbers: the last digit may change
        made, expected = (json.loads(path.read_bytes()) for path in (tmp_path / "m.json", whole))
        assert (made["info"], made["images"]) == (expected["info"], expected["images"])
        assert [entry["track_id"] for entry in made["annotations"]] == [e["track_id"] for e in expected["annotations"]]
    elif target == "csv":
        rows = [path.read_text().splitlines() for path in (tmp_path / "m.csv", whole)]
        assert [row.split(",")[:8] for row in rows[0]] == [row.split(",")[:8] for row in rows[1]]
    else:
        assert content(tmp_path / f"m{suffix_of(target)}") == content(whole)


@pytest.mark.parametrize("how", ["strided", "any"])
def test_rows_of_boxes_are_merged_by_index_to_the_bytes_of_one_run(how: str, tmp_path: Path, info: RunInfo) -> None:
    results = list(seeded_results(43))
    whole = store(tmp_path / "whole.parquet", results, info, "parquet", rows="boxes")
    parts = [
        store(tmp_path / f"{part}.parquet", listed, info, "parquet", rows="boxes")
        for part, listed in enumerate(split(results, 3, 5, how=how))
    ]
    said = rewrite(parts[::-1], tmp_path / "merged.parquet", rows="boxes")
    assert content(tmp_path / "merged.parquet") == content(whole)
    assert said == [f"'{parts[2]}' does not have all images of its run: whether a part is missing is not checked"]
    with pytest.raises(InputError, match=r"the image \d+ \(from 0\) is in .* and in"):
        rewrite([whole, parts[0]], tmp_path / "twice.parquet", rows="boxes")


def test_parts_of_different_formats_are_merged(tmp_path: Path, info: RunInfo) -> None:
    results = list(seeded_results(20))
    whole = store(tmp_path / "whole.json", results, info, "coco")
    lines = store(tmp_path / "a.jsonl", results[::2], info, "jsonl", header=True)
    document = store(tmp_path / "b.json", results[1::2], info, "coco")
    rewrite([lines, document], tmp_path / "merged.json")
    made, expected = (json.loads(path.read_bytes()) for path in (tmp_path / "merged.json", whole))
    assert made["images"] == expected["images"]
    assert made["info"]["failed"][0]["index"] == expected["info"]["failed"][0]["index"]


def test_rows_of_csv_follow_each_other(tmp_path: Path, info: RunInfo) -> None:
    results = [(frame_named(f"{i}.jpg", i), random_detections(i, 2)) for i in range(6)]
    whole = store(tmp_path / "whole.csv", results, info, "csv")
    parts = [store(tmp_path / f"{i}.csv", results[3 * i : 3 * i + 3], info, "csv") for i in range(2)]
    said = rewrite(parts, tmp_path / "merged.csv")
    assert content(tmp_path / "merged.csv") == content(whole)
    assert said == [f"'{parts[0]}' does not say which model made it: whether the parts belong together is not checked"]


def test_results_of_different_inputs_are_numbered_again(tmp_path: Path, info: RunInfo) -> None:
    parts = []
    for folder in ("x", "y"):
        of_run = replace(info, arguments={"sources": [folder], "threshold": 0.4})
        listed = [(frame_named(f"{folder}/{i}.jpg", i), random_detections(i, 2)) for i in range(3)]
        parts.append(store(tmp_path / f"{folder}.jsonl", listed, of_run, "jsonl", header=True))
    with pytest.raises(UsageError, match=r"sources of .* `renumber` merges results of different inputs"):
        rewrite(parts, tmp_path / "merged.jsonl")
    rewrite(parts, tmp_path / "merged.jsonl", renumber=True)
    first, *records = [json.loads(line) for line in (tmp_path / "merged.jsonl").read_bytes().splitlines()]
    assert [record["index"] for record in records] == list(range(6))
    assert [record["file"] for record in records] == [f"in/{folder}/{i}.jpg" for folder in "xy" for i in range(3)]
    assert first["detcli"]["arguments"]["sources"] == ["x", "y"]


def of_model(**changes: object) -> Callable[[RunInfo], RunInfo]:
    return lambda info: replace(info, **changes)  # type: ignore[arg-type]


OTHERS = [
    (of_model(model="dfine-x"), "the model of .* is dfine-s, and that of .* is dfine-x"),
    (of_model(sha256="1" * 64), "the sha256 of"),
    (of_model(revision="def"), "the revision of"),
    (of_model(version="9.9.9"), "the version of detcli of .* is 0.1.0, and that of .* is 9.9.9"),
    (of_model(arguments={"threshold": 0.5}), "the threshold of .* is 0.4, and that of .* is 0.5"),
    (of_model(arguments={"threshold": 0.4, "files_from": "other.txt"}), "the files_from of"),
    (of_model(arguments={"threshold": 0.4, "nms": 0.7}), "the nms of"),
]


@pytest.mark.parametrize(("other", "message"), OTHERS)
def test_parts_of_other_runs_are_refused(
    other: Callable[[RunInfo], RunInfo], message: str, tmp_path: Path, info: RunInfo
) -> None:
    results = list(seeded_results(9))
    parts = [
        store(tmp_path / "a.jsonl", results[::2], info, "jsonl", header=True),
        store(tmp_path / "b.json", results[1::2], other(info), "coco"),
    ]
    (tmp_path / "merged.jsonl").write_bytes(b"earlier")
    with pytest.raises(UsageError, match=message):
        rewrite(parts, tmp_path / "merged.jsonl", if_exists="overwrite")
    assert (tmp_path / "merged.jsonl").read_bytes() == b"earlier"


def test_shard_and_device_may_differ_between_parts(tmp_path: Path, info: RunInfo) -> None:
    results = list(seeded_results(9))
    parts = []
    for part in range(2):
        arguments = {"threshold": 0.4, "shard": f"{part + 1}/2", "device": f"cuda:{part}"}
        listed = results[part::2]
        parts.append(
            store(tmp_path / f"{part}.jsonl", listed, replace(info, arguments=arguments), "jsonl", header=True)
        )
    rewrite(parts, tmp_path / "merged.jsonl")
    header = json.loads((tmp_path / "merged.jsonl").read_bytes().splitlines()[0])
    assert header["detcli"]["arguments"] == {"threshold": 0.4, "device": "cuda:0"}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((range(6), range(5, 9)), r"the image 5 \(from 0\) is in .*a\.jsonl' and in .*b\.jsonl'"),
        ((range(4), range(5, 9)), r"the image 4 \(from 0\) is in no part, and the next one, 5"),
        ((range(1, 4), range(4, 9)), r"the image 0 \(from 0\) is in no part"),
        ((range(9), range(9)), r"the image 0 \(from 0\) is in"),
    ],
)
def test_overlaps_and_gaps_are_refused(
    chosen: tuple[range, range], message: str, tmp_path: Path, info: RunInfo
) -> None:
    results = list(seeded_results(9))
    parts = [
        store(tmp_path / f"{name}.jsonl", [results[i] for i in listed], info, "jsonl")
        for name, listed in zip("ab", chosen, strict=True)
    ]
    with pytest.raises(InputError, match=message):
        rewrite(parts, tmp_path / "merged.jsonl")
    assert not (tmp_path / "merged.jsonl").exists()


@pytest.mark.parametrize("renumber", [False, True])
def test_the_same_image_in_two_parts_is_named(renumber: bool, tmp_path: Path, info: RunInfo) -> None:
    results = [(frame_named(f"{i}.jpg", i), random_detections(i, 2)) for i in range(4)]
    parts = [store(tmp_path / f"{i}.csv", results[i : i + 2], info, "csv") for i in range(2)]
    with pytest.raises(InputError, match=r"results of the same image, 'in/1\.jpg'"):
        rewrite(parts, tmp_path / "merged.csv", renumber=renumber)


def test_other_classes_are_other_models(tmp_path: Path, info: RunInfo) -> None:
    found = Detections(np.array([[1, 2, 3, 4]]), np.array([0.9]), np.array([0]))
    parts = []
    for index, name in enumerate(("cat", "car")):
        of_run = replace(info, labels=ClassLabels.from_names([name]))
        parts.append(store(tmp_path / f"{index}.jsonl", [(frame_named(f"{index}.jpg", index), found)], of_run, "jsonl"))
    with pytest.raises(DetcliError, match="the class 0 has the name 'cat' and the name 'car'"):
        rewrite(parts, tmp_path / "merged.jsonl")


def test_parts_with_and_without_tracks_are_of_different_runs(tmp_path: Path, info: RunInfo) -> None:
    plain = random_detections(0, 2)
    tracked = replace(plain, track_ids=np.array([1, 2]))
    parts = [
        store(tmp_path / f"{i}.jsonl", [(frame_named(f"{i}.jpg", i), found)], info, "jsonl")
        for i, found in enumerate((plain, tracked))
    ]
    with pytest.raises(UsageError, match=r"has track ids, and .* has none"):
        rewrite(parts, tmp_path / "merged.csv")


def test_a_part_is_named_once(tmp_path: Path, info: RunInfo) -> None:
    part = store(tmp_path / "a.jsonl", seeded_results(3), info, "jsonl")
    with pytest.raises(UsageError, match="is named twice in `results`"):
        rewrite([part, part], tmp_path / "merged.jsonl")


def test_a_part_without_images_is_legal(tmp_path: Path, info: RunInfo) -> None:
    """A shard of a short list may be empty: it has only its header."""
    whole = store(tmp_path / "whole.jsonl", seeded_results(5), info, "jsonl", header=True)
    empty = store(tmp_path / "empty.jsonl", [], info, "jsonl", header=True)
    rewrite([whole, empty], tmp_path / "merged.jsonl")
    assert content(tmp_path / "merged.jsonl") == content(whole)
    with pytest.raises(InputError, match="holds no results"):
        rewrite([empty], tmp_path / "other.jsonl")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (["1/3", "3/3"], "no part is the shard 2/3 of the input"),
        (["1/3", "2/3", "3/3", "2/3"], r"is the shard 2/3 of the input, and .*'.*3\.jsonl' is the shard 2/3"),
        (["1/2", "2/4"], "no part is the shard 4/4"),
        (["1/2", "2/2", "4/4"], "is the shard 2/2 of the input, and .* is the shard 4/4"),
        (["1/1", "1/2"], "is the shard 1/1 of the input"),
    ],
)
def test_missing_and_repeated_shards_are_refused_also_empty_ones(
    named: list[str], message: str, tmp_path: Path, info: RunInfo
) -> None:
    results = list(seeded_results(1))
    parts = [
        store(
            tmp_path / f"{number}.jsonl",
            results if number == 0 else [],
            replace(info, arguments={"shard": shard}),
            "jsonl",
            header=True,
        )
        for number, shard in enumerate(named)
    ]
    with pytest.raises(InputError, match=message):
        rewrite(parts, tmp_path / "merged.jsonl")
    assert not (tmp_path / "merged.jsonl").exists()


def test_a_shard_may_be_made_of_smaller_ones(tmp_path: Path, info: RunInfo) -> None:
    results = list(seeded_results(10))
    whole = store(tmp_path / "whole.jsonl", results, info, "jsonl", header=True)
    parts = []
    for shard in (Shard(1, 2), Shard(2, 4), Shard(4, 4)):
        listed = [result for result in results if shard.has(result[0].origin.index)]
        arguments = {**info.arguments, "shard": str(shard)}
        path = tmp_path / f"{shard.number}-of-{shard.count}.jsonl"
        parts.append(store(path, listed, replace(info, arguments=arguments), "jsonl", header=True))
    rewrite(parts, tmp_path / "merged.jsonl")
    assert content(tmp_path / "merged.jsonl") == content(whole)


def test_a_part_with_failed_images_only_is_merged(tmp_path: Path, info: RunInfo) -> None:
    results = list(seeded_results(6))
    failed = FailedFrame(results[4][0].origin, "truncated", "truncated")
    results[4] = failed, failed
    whole = store(tmp_path / "whole.jsonl", results, info, "jsonl")
    kept = [results[:4], results[4:5], results[5:]]
    parts = [store(tmp_path / f"{number}.jsonl", listed, info, "jsonl") for number, listed in enumerate(kept)]
    rewrite(parts, tmp_path / "merged.jsonl")
    assert content(tmp_path / "merged.jsonl") == content(whole)


def test_frames_of_different_videos_need_renumber(tmp_path: Path, info: RunInfo) -> None:
    parts = []
    for name in "ab":
        frame = frame_named(f"{name}.jpg", 0)
        frame = replace(frame, origin=replace(frame.origin, file=f"{name}.mp4", frame=0, time_s=0.0))
        parts.append(store(tmp_path / f"{name}.jsonl", [(frame, random_detections(0, 2))], info, "jsonl"))
    with pytest.raises(UsageError, match=r"number the frames of different videos from 0; `renumber` merges them"):
        rewrite(parts, tmp_path / "merged.jsonl")
    rewrite(parts, tmp_path / "merged.jsonl", renumber=True)
    assert len((tmp_path / "merged.jsonl").read_bytes().splitlines()) == 2
