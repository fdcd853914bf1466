"""`detcli merge` and `detcli filter` on results of real runs, on the command line and in Python."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]


@pytest.fixture
def whole(detcli: Detcli, images: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of five images, and the same lines in two parts."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    done = detcli("detect", "in/", "-m", model, "-t", "0", "-o", "whole.jsonl", "--header")
    assert done.code == 0, done.err
    header, *lines = Path("whole.jsonl").read_bytes().splitlines(keepends=True)
    for part in range(2):
        Path(f"part-{part}.jsonl").write_bytes(header + b"".join(lines[part::2]))
    return Path("whole.jsonl")


def test_parts_are_merged_to_the_bytes_of_the_run(whole: Path, detcli: Detcli) -> None:
    done = detcli("merge", "part-1.jsonl", "part-0.jsonl", "-o", "merged.jsonl", "-o", "merged.json")
    assert done.code == 0, done.err
    assert Path("merged.jsonl").read_bytes() == whole.read_bytes()
    assert len(json.loads(Path("merged.json").read_bytes())["images"]) == 5
    package.merge_results(["part-0.jsonl", "part-1.jsonl"], "again.jsonl")
    assert Path("again.jsonl").read_bytes() == whole.read_bytes()


def test_parts_that_do_not_fit_are_refused_with_options(whole: Path, detcli: Detcli) -> None:
    for arguments, code, message in (
        (("part-0.jsonl", whole), 4, "--renumber merges results of different inputs"),
        (("part-1.jsonl",), 0, "2 images"),
        (("part-1.jsonl", "none.jsonl"), 4, "no such file or folder"),
        ((), 2, "PARTS"),
    ):
        done = detcli("merge", *arguments, "-o", f"{len(arguments)}-{code}.jsonl")
        assert done.code == code, done.err
        assert message in done.err
        assert Path(f"{len(arguments)}-{code}.jsonl").exists() == (code == 0)


def test_detections_are_filtered_by_score_and_class(whole: Path, detcli: Detcli) -> None:
    before = [json.loads(line) for line in whole.read_bytes().splitlines()[1:]]
    scores = sorted(box["score"] for record in before for box in record["detections"])
    middle = scores[len(scores) // 2]
    done = detcli("filter", whole, "-t", middle, "--classes", "person,dog", "-o", "few.jsonl")
    assert done.code == 0, done.err
    after = [json.loads(line) for line in Path("few.jsonl").read_bytes().splitlines()[1:]]
    assert [record["detections"] for record in after] == [
        [box for box in record["detections"] if box["score"] > middle and box["label"] in ("person", "dog")]
        for record in before
    ]
    package.filter_results(whole, "again.jsonl", threshold=middle, classes=["person", "dog"])
    assert Path("again.jsonl").read_bytes() == Path("few.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing is to be filtered: set a --threshold"),
        (("--region", "1,2,3"), "'1,2,3' is not a region: use left,top,right,bottom in pixels"),
        (("--region", "9,0,3,8"), "--region must be left, top, right, bottom"),
        (("--only", "empty"), "did you mean 'without'"),
        (("--nms-agnostic",), "--nms-agnostic needs --nms"),
        (("--classes", "dgo"), "no class 'dgo'"),
        (("-t", "2"), "is not a number from 0 to 1"),
    ],
)
def test_filters_that_make_no_sense_are_named_as_options(
    arguments: tuple[str, ...], message: str, whole: Path, detcli: Detcli
) -> None:
    done = detcli("filter", whole, "-o", "few.jsonl", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not Path("few.jsonl").exists()


def test_a_region_takes_negative_and_decimal_numbers(whole: Path, detcli: Detcli) -> None:
    assert detcli("filter", whole, "--region", "-5,-5,1e4,9999.5", "-o", "all.csv").code == 0
    assert detcli("filter", whole, "--only", "without", "-o", "none.jsonl").code == 0
    assert len(Path("none.jsonl").read_bytes().splitlines()) == 1
