"""Runs on a real Ray cluster whose parts are objects of a store: kept, resumed after any end, and refused in time."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from detcli.api.detect import detect
from detcli.api.results import merge_results
from detcli.api.segment import segment
from detcli.engine.observer import Observer
from detcli.errors import OutputError, UsageError
from tests.helpers.object_store import ACCESS_KEY, SECRET_KEY, Answer, StoreServer, refusal
from tests.helpers.processes import environment
from tests.helpers.segment_samples import write_panoptic_model

TIMEOUT_S = 60
SETTINGS: dict[str, Any] = {"threshold": 0.01, "max_detections": 2, "device": "cpu", "batch_size": 1}
CLUSTER: dict[str, Any] = {"cluster": "auto", "cluster_workers": 1, "cluster_chunk": 10, **SETTINGS}


def parts_of(s3: StoreServer, prefix: str = "out/") -> list[str]:
    return [name for name in s3.names() if name.startswith(f"{prefix}part-")]


def lines_of(s3: StoreServer, prefix: str = "out/") -> list[bytes]:
    return [line for name in parts_of(s3, prefix) for line in s3.get(name).splitlines()]


def written(s3: StoreServer) -> list[str]:
    """The objects that were uploaded since the requests were cleared."""
    return [path.removeprefix(f"/{s3.bucket}/") for method, path in s3.requests if method == "PUT"]


class Killing(Observer):
    """Kills the worker when the first chunk is done."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.killed = False

    def on_chunk(self, done: int, failed: int) -> None:
        if not self.killed:
            self.killed = True
            for child in psutil.Process().children(recursive=True):
                if child.status() != psutil.STATUS_ZOMBIE and "ChunkWorker" in " ".join(child.cmdline()):
                    child.kill()

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.mark.usefixtures("ray")
def test_a_lost_worker_costs_no_part_and_parts_stay(model: Path, many: list[str], s3: StoreServer) -> None:
    observer = Killing()
    into = {"model": model, "outputs": f"s3://{s3.bucket}/", "format": "parquet", **CLUSTER}
    stats = detect(many, observer=observer, **into)
    assert (stats.images, stats.failed, stats.boxes, stats.exit_code) == (40, 2, 80, 3)
    assert [str(path) for path in stats.outputs] == [f"s3://{s3.bucket}"]
    assert [warning for warning in observer.warnings if "a worker ended" in warning] != []
    assert s3.names() == [".detcli-output", *parts_of(s3, "")]
    ranges = [f"{start:09d}-{min(start + 9, 41):09d}" for start in range(0, 42, 10)]
    assert parts_of(s3, "") == [f"part-{each}.parquet" for each in ranges]
    detect(many, model=model, outputs="alone.jsonl", **SETTINGS)
    merge_results([f"s3://{s3.bucket}/{name}" for name in parts_of(s3, "")], outputs="merged.jsonl")
    merged, alone = (Path(name).read_text().splitlines() for name in ("merged.jsonl", "alone.jsonl"))
    assert [line for line in merged if not line.startswith('{"detcli"')] == alone

    old = {name: s3.get(name) for name in s3.names()}
    with pytest.raises(OutputError, match=r"has 5 parts, 'part-000000000-000000009\.par.*: `if_exists=overwrite`"):
        detect(many, **into)
    with pytest.raises(OutputError, match="there is no interrupted run to resume"):
        detect(many, resume=True, **into)
    assert detect(many, if_exists="skip", **into).skipped
    assert {name: s3.get(name) for name in s3.names()} == old


@pytest.mark.usefixtures("ray")
def test_a_run_that_fails_leaves_whole_parts_and_is_resumed(model: Path, images: Path, s3: StoreServer) -> None:
    s3.put({f"in/{number}.png": Path("in/0.png").read_bytes() for number in range(3)})
    sources = [f"s3://{ACCESS_KEY}:{SECRET_KEY.replace('/', '%2F')}@{s3.bucket}/in/", "in"]
    into = {"model": model, "outputs": f"s3://{s3.bucket}/out/", "format": "jsonl", **CLUSTER, "cluster_chunk": 3}

    def deny_the_second(method: str, path: str) -> Answer | None:
        second = method in ("PUT", "POST") and "/out/part-000000003" in path
        return refusal("403 Forbidden", "AccessDenied") if second else None

    s3.fault = deny_the_second
    with pytest.raises(OutputError, match=r"part-000000003-000000005\.jsonl': the store denies access"):
        detect(sources, **into)
    s3.fault = None
    assert parts_of(s3) == ["out/part-000000000-000000002.jsonl"]
    state = [name for name in s3.names() if name.startswith("out/.parts/")]
    assert state == [f"out/.parts/{name}" for name in ("part-000000000-000000002.jsonl", "run.json", "run.mark")]
    with pytest.raises(
        OutputError, match=r"has the part 'part-000000000-000000002\.jsonl'.*`resume` continues"
    ) as refused:
        detect(sources, **into)
    shown = [*(s3.get(name) for name in s3.names()), str(refused.value).encode()]
    assert not [text for text in shown for secret in (ACCESS_KEY, SECRET_KEY, "%2Fwith") if secret.encode() in text]

    s3.requests.clear()
    stats = detect(sources, resume=True, **into)
    assert (stats.images, stats.failed, stats.resumed) == (8, 0, 3)
    assert [name for name in written(s3) if name.startswith("out/part-")] == parts_of(s3)[1:]
    assert s3.names() == ["in/0.png", "in/1.png", "in/2.png", "out/.detcli-output", *parts_of(s3)]
    detect(sources, model=model, outputs="alone.jsonl", **SETTINGS)
    assert lines_of(s3) == Path("alone.jsonl").read_bytes().splitlines()


def test_stores_that_cannot_be_used_are_found_first(model: Path, images: Path, s3: StoreServer) -> None:
    def refused(output: str) -> str:
        with pytest.raises((OutputError, UsageError)) as caught:
            detect("in", model="./nowhere", outputs=output, format="jsonl", cluster="local")
        assert s3.names() == []
        return str(caught.value)

    def deny(method: str) -> Callable[[str, str], Answer | None]:
        return lambda asked, _: refusal("403 Forbidden", "AccessDenied") if asked == method else None

    assert "there is no bucket 'no-such-bucket'" in refused("s3://no-such-bucket/out/")
    target = f"s3://{s3.bucket}/out/"
    for method in ("GET", "PUT", "DELETE"):
        s3.fault = deny(method)
        assert "the store denies access (AccessDenied)" in refused(target)
    secret = refused(f"s3://{ACCESS_KEY}:secret@{s3.bucket}/out/")
    assert "set them in the environment" in secret
    assert ACCESS_KEY not in secret


def test_a_killed_driver_is_resumed_from_the_store(model: Path, images: Path, s3: StoreServer, ray: Any) -> None:
    command = [
        *(sys.executable, "-m", "detcli", "detect", *["in"] * 20, "--model", str(model), "--threshold", "0.01"),
        *("--max-det", "2", "--batch", "1", "--cluster", "auto", "--cluster-workers", "1", "--cluster-chunk", "2"),
        *("-o", f"s3://{s3.bucket}/out/", "-f", "jsonl", "-y"),
    ]
    s3.put({f"out/part-00000{number}-00000{number}.csv": b"old" for number in ("0000", "0500")})
    where = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    process = subprocess.Popen(command, env=environment() | where, stderr=subprocess.PIPE)
    end = time.monotonic() + TIMEOUT_S
    while len(states_of(s3)) < 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    _, err = process.communicate()
    assert len(states_of(s3)) >= 2, err
    left = states_of(s3)
    s3.requests.clear()
    stats = detect(["in"] * 20, model=model, outputs=f"s3://{s3.bucket}/out/", format="jsonl", resume=True, **CLUSTER)
    assert (stats.images, stats.failed) == (100, 0)
    assert stats.resumed >= 2 * len(left)
    assert not {name.replace(".parts/", "") for name in left} & set(written(s3))
    detect(["in"] * 20, model=model, outputs="alone.jsonl", **SETTINGS)
    assert lines_of(s3) == Path("alone.jsonl").read_bytes().splitlines()
    assert s3.names() == ["out/.detcli-output", *parts_of(s3)]


def states_of(s3: StoreServer) -> list[str]:
    return [name for name in s3.names() if name.startswith("out/.parts/part-")]


@pytest.mark.usefixtures("ray")
def test_merged_segments_are_uploaded_as_of_one_process(images: Path, tmp_path: Path, s3: StoreServer) -> None:
    options: dict[str, Any] = {"threshold": 0.2, "device": "cpu", "batch_size": 1}
    panoptic, target = write_panoptic_model(tmp_path / "model", distinct_masks=True), f"s3://{s3.bucket}/x.jsonl"
    segment("in", model=panoptic, outputs="alone.jsonl", **options)
    stats = segment("in", model=panoptic, outputs=["x.jsonl", target], cluster="auto", cluster_workers=1, **options)
    assert (stats.images, stats.failed) == (5, 0)
    assert s3.get("x.jsonl") == Path("x.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
    assert s3.names() == ["x.jsonl"]
    assert b'"segmentation"' in s3.get("x.jsonl")
    with pytest.raises(UsageError, match="`resume` needs an output on this machine"):
        segment("in", model=panoptic, outputs=target, resume=True, cluster="local", **options)
