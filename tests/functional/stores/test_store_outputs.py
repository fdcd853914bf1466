"""Outputs in object stores: each object appears when it is complete, and never before."""

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli import detect as detect_images
from tests.helpers.cli_runs import Run, image
from tests.helpers.object_store import ACCESS_KEY, SECRET_KEY, Answer, StoreServer, refusal

pytestmark = pytest.mark.functional
Detect = Callable[..., Run]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in an empty folder with three images in `in/`."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        image(tmp_path / "in" / ("sub" if number > 1 else "") / f"{number}.png", number)
    return tmp_path


def writes(s3: StoreServer) -> list[str]:
    return [path for method, path in s3.requests if method in ("PUT", "POST")]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "coco.json", "parquet"])
def test_an_object_has_the_bytes_of_a_file(s3: StoreServer, folder: Path, detect: Detect, suffix: str) -> None:
    name = f"out.{suffix}"
    run = detect("in", "-o", f"s3://{s3.bucket}/results/{name}", "-o", name, "--deterministic")
    assert run.code == 0, run.err
    assert f"-> s3://{s3.bucket}/results/{name}, {name}" in run.err
    assert s3.get(f"results/{name}") == (folder / name).read_bytes()
    assert s3.names() == [f"results/{name}"]
    assert writes(s3) == [f"/{s3.bucket}/results/{name}"]


def test_folders_of_files_are_prefixes(s3: StoreServer, folder: Path, detect: Detect) -> None:
    start = f"s3://{s3.bucket}"
    run = detect(
        "in",
        "-o",
        f"{start}/labels/",
        "-f",
        "yolo",
        "--save-images",
        f"{start}/drawn",
        "--save-crops",
        f"{start}/crops",
    )
    assert run.code == 0, run.err
    keys = s3.names()
    assert [key for key in keys if key.startswith("labels/")] == [
        "labels/0.txt", "labels/1.txt", "labels/classes.txt", "labels/sub/2.txt"
    ]  # fmt: skip
    drawn = ["drawn/.detcli-output", "drawn/0.png", "drawn/1.png", "drawn/sub/2.png"]
    assert [key for key in keys if key.startswith("drawn/")] == drawn
    assert sum(key.startswith("crops/") and key.endswith(".png") for key in keys) == 6
    read = detect(f"{start}/", "--ext", "png")
    assert read.code == 4  # all of it is output of a run


def test_existing_objects_are_kept_replaced_or_skipped(s3: StoreServer, folder: Path, detect: Detect) -> None:
    target = f"s3://{s3.bucket}/out.jsonl"
    s3.put({"out.jsonl": b"old", "labels/0.txt": b"old"})
    refused = detect("in", "-o", target)
    assert refused.code == 8
    assert f"'{target}' exists: --if-exists overwrite (or -y) replaces it" in refused.err
    assert detect("in", "-o", f"s3://{s3.bucket}/labels/").code == 8
    skipped = detect("in", "-o", target, "--if-exists", "skip")
    assert (skipped.code, s3.get("out.jsonl")) == (0, b"old")
    kept = detect("in", "-o", f"s3://{s3.bucket}/labels/", "--if-exists", "skip")
    assert (kept.code, s3.get("labels/0.txt"), "labels/1.txt" in s3.names()) == (0, b"old", True)
    assert detect("in", "-o", target, "-y").code == 0
    assert len(s3.get("out.jsonl").splitlines()) == 3
    replaced = detect("in", "-o", f"s3://{s3.bucket}/labels/", "-y")
    assert replaced.code == 0
    assert s3.get("labels/0.txt") != b"old"
    assert f"objects of earlier runs in 's3://{s3.bucket}/labels' are not removed, only replaced" in replaced.err


def test_outputs_that_cannot_be_written_are_found_before_the_model(
    s3: StoreServer, folder: Path, detcli: Detect
) -> None:
    def refused(*arguments: str) -> str:
        run = detcli("detect", "in", "--model", "no-such-model", *arguments)
        assert run.code in (2, 8), run.err
        return run.err

    assert "cannot write 's3://no-such-bucket/out.jsonl': there is no bucket" in refused(
        "-o", "s3://no-such-bucket/out.jsonl"
    )
    assert "there is no bucket 'no-such-bucket'" in refused("--save-images", "s3://no-such-bucket/drawn")
    assert "gs:// needs gcsfs, which is not installed: pip install gcsfs" in refused("-o", "gs://bucket/out.jsonl")
    assert "is a bucket, and the output is an object" in refused("-o", f"s3://{s3.bucket}", "-f", "jsonl")
    assert "write the folder to this machine" in refused("-o", "hf://datasets/a/b/labels/", "-f", "yolo")
    assert "`no_scores`" not in refused("-o", f"s3://{s3.bucket}/labels/", "-f", "yolo", "--no-scores")
    assert "cannot tell the format" in refused("-o", f"s3://{s3.bucket}/out.xyz")
    resume = refused("-o", f"s3://{s3.bucket}/out.jsonl", "--resume")
    assert "--resume needs an output on this machine" in resume
    secret = refused("-o", f"s3://{ACCESS_KEY}:{SECRET_KEY}@{s3.bucket}/out.jsonl")
    assert "set them in the environment" in secret
    assert ACCESS_KEY not in secret
    s3.fault = lambda method, path: refusal("403 Forbidden", "AccessDenied")
    assert "the store denies access" in refused("-o", f"s3://{s3.bucket}/out.jsonl")
    assert writes(s3) == []


def test_uploads_are_repeated_and_a_lost_one_is_kept_on_disk(s3: StoreServer, folder: Path, detect: Detect) -> None:
    asked: Counter[str] = Counter()

    def throttle(method: str, path: str) -> Answer | None:
        asked[method] += 1
        return refusal("503 Slow Down", "SlowDown") if method == "PUT" and asked[method] <= 3 else None

    s3.fault = throttle
    assert detect("in", "-o", f"s3://{s3.bucket}/a.jsonl").code == 0
    assert len(s3.get("a.jsonl").splitlines()) == 3
    s3.fault = lambda method, path: refusal("403 Forbidden", "AccessDenied") if method == "PUT" else None
    run = detect("in", "-o", f"s3://{s3.bucket}/b.jsonl")
    assert run.code == 8
    assert f"cannot write 's3://{s3.bucket}/b.jsonl': the store denies access (AccessDenied)" in run.err
    kept = Path(run.err.rpartition("the content is in '")[2].partition("'")[0])
    assert len(kept.read_bytes().splitlines()) == 3
    kept.unlink()
    assert s3.names() == ["a.jsonl"]
    folders = detect("in", "--save-images", f"s3://{s3.bucket}/drawn")
    assert (folders.code, s3.names()) == (8, ["a.jsonl"])


def test_an_interrupted_run_publishes_no_object_under_its_name(
    s3: StoreServer, folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    reached = threading.Event()
    content = image(folder / "x.png").read_bytes()
    s3.put({f"in/{number}.png": content for number in range(4)})

    def hold_the_last(method: str, path: str) -> None:
        if path.endswith("3.png"):
            reached.set()
            released.wait(60)

    s3.fault = hold_the_last
    target = f"s3://{s3.bucket}/out.jsonl"
    with subprocess.Popen(
        [*command, f"s3://{s3.bucket}/in/", "-o", target], stderr=subprocess.PIPE, text=True
    ) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    released.set()
    assert process.returncode == 130, err
    assert "out.jsonl" not in s3.names()
    assert "out.partial.jsonl; interrupted by SIGINT" in err
    assert all(json.loads(line)["error"] is None for line in s3.get("out.partial.jsonl").splitlines())
    assert "Traceback" not in err
    assert "Unclosed" not in err


def test_a_failed_run_publishes_no_object_under_its_name(s3: StoreServer, folder: Path, detect: Detect) -> None:
    (folder / "in" / "0.png").write_bytes(b"broken")
    before = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("detcli-*.part"))
    run = detect("in", "-o", f"s3://{s3.bucket}/out.jsonl", "--strict")
    assert (run.code, s3.names()) == (3, ["out.partial.jsonl"])
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("detcli-*.part")) == before


def test_python_reads_and_writes_object_stores(s3: StoreServer, folder: Path, model: Path) -> None:
    s3.put({"in/0.png": (folder / "in" / "0.png").read_bytes()})
    stats = detect_images(
        f"s3://{s3.bucket}/in/", model=str(model), outputs=[f"s3://{s3.bucket}/out.jsonl"], device="cpu"
    )
    assert [str(path) for path in stats.outputs] == [f"s3://{s3.bucket}/out.jsonl"]
    assert json.loads(s3.get("out.jsonl"))["file"] == f"s3://{s3.bucket}/in/0.png"
