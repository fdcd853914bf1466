"""Stored results in object stores are read, converted, drawn and evaluated as files are."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.cli_runs import Run, image
from tests.helpers.object_store import StoreServer, refusal

pytestmark = pytest.mark.functional
Detect = Callable[..., Run]


@pytest.fixture
def results(s3: StoreServer, detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a bucket with images in `in/` and their results in four formats."""
    monkeypatch.chdir(tmp_path)
    s3.put({f"in/{number}.png": image(tmp_path / "x.png", number).read_bytes() for number in range(3)})
    start = f"s3://{s3.bucket}"
    outputs = [f"{start}/out.{suffix}" for suffix in ("jsonl", "csv", "coco.json", "parquet")]
    run = detect(f"{start}/in/", "--header", *(word for output in outputs for word in ("-o", output)))
    assert run.code == 0, run.err
    return start


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "coco.json", "parquet"])
def test_results_of_every_format_are_converted_from_store_to_store(
    s3: StoreServer, results: str, detcli: Detect, suffix: str
) -> None:
    run = detcli("convert", f"{results}/out.{suffix}", "-o", f"{results}/again.jsonl", "-o", "local.jsonl")
    assert run.code == 0, run.err
    assert s3.get("again.jsonl") == Path("local.jsonl").read_bytes()
    lines = [json.loads(line) for line in s3.get("again.jsonl").splitlines()]
    known = [json.loads(line) for line in s3.get("out.jsonl").splitlines()]
    boxes = [[box["bbox"] for box in line["detections"]] for line in lines if "detections" in line]
    expected = [[box["bbox"] for box in line["detections"]] for line in known if "detections" in line]
    np.testing.assert_allclose(boxes, expected, atol=1e-4)


def test_results_are_drawn_on_images_of_the_store(s3: StoreServer, results: str, detcli: Detect) -> None:
    run = detcli("draw", f"{results}/out.jsonl", "--save-images", f"{results}/drawn")
    assert run.code == 0, run.err
    assert sum(name.startswith("drawn/") and name.endswith(".png") for name in s3.names()) == 3


def test_results_and_annotations_of_a_store_are_evaluated(s3: StoreServer, results: str, detcli: Detect) -> None:
    document = json.loads(s3.get("out.coco.json"))
    for annotation in document["annotations"]:
        del annotation["score"]
    s3.put({"gt.json": json.dumps(document).encode()})
    run = detcli("eval", f"{results}/out.coco.json", "--gt", f"{results}/gt.json", "-o", f"{results}/report.json")
    assert run.code == 0, run.err
    assert json.loads(s3.get("report.json"))["metrics"]["AP"] == pytest.approx(1.0)


def test_results_that_cannot_be_read_are_one_sentence(s3: StoreServer, results: str, detcli: Detect) -> None:
    for name, reason in (
        ("s3://no-such-bucket/out.jsonl", "there is no bucket 'no-such-bucket'"),
        (f"{results}/none.jsonl", "no object has this name"),
        (f"{results}/none.coco.json", "no object has this name"),
    ):
        for command in (("convert",), ("filter", "--threshold", "0.5")):
            run = detcli(*command, name, "-o", f"{results}/new.jsonl")
            assert run.code == 4
            assert f"detcli: cannot read the results '{name}': {reason}\n" in run.err
    s3.fault = lambda method, path: refusal("403 Forbidden", "AccessDenied") if path.endswith("out.jsonl") else None
    run = detcli("convert", f"{results}/out.jsonl", "-o", "new.jsonl")
    assert (run.code, "the store denies access (HTTP 403)" in run.err) == (4, True)
    assert "new.jsonl" not in s3.names()
