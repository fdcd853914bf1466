"""Runs on a real Ray cluster of this machine: the same results as one process, also when workers end on the way."""

import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from detcli.api.detect import detect
from detcli.api.results import merge_results
from detcli.engine.observer import Observer
from detcli.errors import ModelError, UsageError
from detcli.structures.stop_signal import StopSignal
from tests.helpers.processes import environment
from tests.helpers.video_samples import write_video

TIMEOUT_S = 300  # Ray starts a dozen processes, maybe on one busy core


def settings(model: Path, **others: Any) -> dict[str, Any]:
    return {"model": model, "threshold": 0.01, "max_detections": 2, "device": "cpu", "batch_size": 1, **others}


class Killing(Observer):
    """Kills one worker of the run when the first chunk is done, and counts what it is told."""

    def __init__(self) -> None:
        self.killed = False
        self.done = self.failed = self.results = 0
        self.warnings: list[str] = []

    def on_chunk(self, done: int, failed: int) -> None:
        self.done, self.failed = self.done + done, self.failed + failed
        if not self.killed:
            workers_of(psutil.Process())[0].kill()
            self.killed = True

    def on_result(self, frame: Any, detections: Any) -> None:
        self.results += 1

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The live workers below a process that runs chunks."""
    found = []
    for child in process.children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and "ChunkWorker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.usefixtures("ray")
def test_a_killed_worker_costs_one_chunk_and_no_result(model: Path, many: list[str]) -> None:
    alone = detect(many, outputs="alone.jsonl", **settings(model))
    observer = Killing()
    stats = detect(
        many,
        outputs=["both.jsonl", "both.coco.json", "both/"],
        observer=observer,
        cluster="auto",
        cluster_workers=2,
        cluster_chunk=2,
        **settings(model),
    )
    assert Path("both.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
    assert (stats.images, stats.failed, stats.boxes, stats.exit_code) == (40, 2, 80, 3)
    assert (alone.images, alone.failed, alone.boxes) == (40, 2, 80)
    assert (observer.done, observer.failed, observer.results) == (42, 2, 42)
    assert [warning for warning in observer.warnings if "a worker ended" in warning] != []
    assert len(observer.warnings) == len(set(observer.warnings))
    document = json.loads(Path("both.coco.json").read_text())
    assert [entry["id"] for entry in document["images"]] == [
        json.loads(line)["index"] + 1
        for line in Path("alone.jsonl").read_text().splitlines()
        if json.loads(line)["error"] is None
    ]
    assert not list(Path().glob("*.parts"))


@pytest.mark.usefixtures("ray")
def test_parts_are_kept_resumed_and_merged_to_the_same_results(model: Path, many: list[str]) -> None:
    detect(many, outputs="alone.jsonl", header=True, **settings(model))
    stop = StopSignal()

    class Stopping(Observer):
        def on_chunk(self, done: int, failed: int) -> None:
            stop.set("SIGTERM")

    cluster = {"cluster": "auto", "cluster_workers": 1, "cluster_chunk": 10, **settings(model)}
    first = detect(many, outputs="out/", format="jsonl", header=True, observer=Stopping(), stop=stop, **cluster)
    assert (first.interrupted, first.exit_code) == ("SIGTERM", 143)
    before = {path.name: path.stat().st_mtime_ns for path in Path("out").glob("part-*")}
    assert 1 <= len(before) < 5
    second = detect(many, outputs="out/", format="jsonl", header=True, resume=True, **cluster)
    assert (second.images, second.failed, second.boxes) == (40, 2, 80)
    assert second.resumed >= 10
    parts = sorted(Path("out").glob("part-*"))
    assert [part.name for part in parts][:2] == [
        "part-000000000-000000009.jsonl",
        "part-000000010-000000019.jsonl",
    ]
    assert len(parts) == 5
    kept = {part.name: part.stat().st_mtime_ns for part in parts}
    assert kept[parts[0].name] == before[parts[0].name]
    merge_results(parts, outputs="merged.jsonl")
    assert Path("merged.jsonl").read_text().splitlines()[1:] == Path("alone.jsonl").read_text().splitlines()[1:]
    assert not Path("out.parts").exists()


@pytest.mark.usefixtures("ray")
def test_an_image_that_ends_every_worker_is_a_failed_record(
    model: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detcli.engine.cluster import dispatcher
    from detcli.sources.source import SOURCES

    monkeypatch.setattr(dispatcher, "_ATTEMPTS", 1)
    monkeypatch.setitem(SOURCES._entries, "deadly", "tests.helpers.deadly_source:DeadlySource")
    stats = detect(
        [f"deadly:in/{number}.png" for number in range(3)],
        outputs="out.csv",
        cluster="auto",
        cluster_workers=1,
        cluster_chunk=2,
        **settings(model),
    )
    assert (stats.images, stats.failed, stats.exit_code) == (2, 1, 3)
    assert "in/1.png" not in Path("out.csv").read_text()
    assert "in/2.png" in Path("out.csv").read_text()


@pytest.mark.usefixtures("ray")
def test_videos_are_processed_by_several_workers_as_by_one(model: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from detcli.engine.run import run
    from tests.helpers.engine_runs import video_request

    monkeypatch.chdir(tmp_path)
    for number, frames in enumerate((5, 9, 2)):
        write_video(tmp_path / f"{number}.mp4", frames)
    Path("3.mp4").write_bytes(b"nothing")
    names = tuple(f"{number}.mp4" for number in range(4))
    run(video_request(model, *names, outputs=("alone.jsonl", "{name}.csv"), track=True))
    alone = {path.name: path.read_bytes() for path in (Path("alone.jsonl"), *Path().glob("*.csv"))}
    from detcli.engine.requests.cluster_settings import ClusterSettings

    cluster = ClusterSettings(address="auto", workers=2)
    outputs = ("cluster.jsonl", "{name}.csv")
    stats = run(video_request(model, *names, outputs=outputs, if_exists="overwrite", track=True, cluster=cluster))
    assert Path("cluster.jsonl").read_bytes() == alone.pop("alone.jsonl")
    assert {name: Path(name).read_bytes() for name in alone} == alone
    assert (stats.images, stats.failed) == (16, 1)
    assert stats.tracks is not None


@pytest.mark.usefixtures("ray")
def test_a_worker_reports_a_missing_model_in_a_sentence(images: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        detect("in", model="./nowhere", outputs="out.jsonl", cluster="auto", cluster_workers=1)
    assert not list(Path().glob("out*"))


def command(model: Path, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "detcli", "detect", "--model", str(model), "--threshold", "0.01", "--max-det", "2"),
        *("--batch", "1", "--cluster", "local", "--cluster-workers", "1", "--cluster-chunk", "2", *arguments),
    ]


def start_and_wait_for_parts(model: Path, folder: str, *arguments: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A run in a process of its own that has written parts, and the processes below it."""
    process = subprocess.Popen(command(model, *arguments), env=environment(), stderr=subprocess.PIPE)
    wait_until(lambda: len(list(Path(folder).glob("part-*"))) >= 2 or process.poll() is not None)
    return process, [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_run_and_an_interrupted_one_are_resumed(model: Path, images: Path) -> None:
    pytest.importorskip("ray")
    sources = ["in"] * 60
    detect(sources, outputs="alone.jsonl", **settings(model))
    process, children = start_and_wait_for_parts(model, "out.jsonl.parts", *sources, "-o", "out.jsonl")
    assert len(children) >= 3
    process.kill()
    process.communicate()
    agents = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}  # of Ray: they notice it within a minute
    wait_until(lambda: {psutil.Process(child).name() for child in children if is_alive(child)} <= agents)
    left = len(list(Path("out.jsonl.parts").glob("part-*")))
    assert left >= 2

    process, children = start_and_wait_for_parts(model, "out.jsonl.parts", *sources, "-o", "out.jsonl", "--resume")
    wait_until(lambda: len(list(Path("out.jsonl.parts").glob("part-*"))) > left or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert "interrupted by SIGINT, --resume continues" in err.decode()
    wait_until(lambda: not any(map(is_alive, children)))
    written = Path("out.jsonl").read_bytes()
    assert Path("alone.jsonl").read_bytes().startswith(written)
    assert written.endswith(b"\n")


def test_a_signal_while_ray_starts_leaves_nothing_behind(model: Path, images: Path) -> None:
    pytest.importorskip("ray")
    process = subprocess.Popen(
        command(model, "in", "-o", "out.jsonl"), env=environment(), stderr=subprocess.PIPE, start_new_session=True
    )
    started = psutil.Process(process.pid)
    wait_until(lambda: started.children() or process.poll() is not None)  # Ray's first process
    process.send_signal(signal.SIGTERM)
    children: set[int] = set()
    while process.poll() is None:
        children |= {child.pid for child in started.children(recursive=True)}
        time.sleep(0.1)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 143, err
    assert children
    wait_until(lambda: not any(map(is_alive, children)))
    assert not list(Path().glob("out*"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, dict[str, str]]]:
    """A cluster of its own, as users start it: its port, that for clients, and the environment of its programs."""
    pytest.importorskip("ray")
    port, client = free_port(), free_port()
    own = {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DETCLI_RUNTIME_CACHE": "",
        "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": str(TIMEOUT_S),  # else it gives up a client after 30 s
    }
    folder = tempfile.mkdtemp(prefix="head-", dir="/tmp")  # the names of sockets must be short
    start = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1", f"--port={port}"),
        *(f"--ray-client-server-port={client}", "--include-dashboard=false", "--object-store-memory=100000000"),
        *("--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}"),
    ]
    said = Path(folder, "head.txt")
    with said.open("wb") as log:
        process = subprocess.Popen(
            start, env=environment() | own | {"PYTHONUNBUFFERED": "1"}, stdout=log, stderr=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: b"Ray runtime started" in said.read_bytes() and is_listening(client))
        yield port, client, environment() | own
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_cluster_that_was_joined_stays(model: Path, images: Path, head: tuple[int, int, dict[str, str]]) -> None:
    port, client, own = head
    detect("in", outputs="alone.jsonl", **settings(model))
    for name, where, more in (
        ("client", f"ray://127.0.0.1:{client}", {}),
        ("auto", "auto", {"RAY_ADDRESS": f"127.0.0.1:{port}"}),
    ):
        run = subprocess.run(
            [*command(model, "in", "-o", f"{name}.jsonl"), "--cluster", where],
            env=own | more,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
        assert (run.returncode, run.stdout) == (0, b""), run.stderr
        waits = b"detcli: waiting for a worker: "  # said where Ray takes long to start one
        (summary,) = [line for line in run.stderr.splitlines() if not line.startswith(waits)]
        assert summary.startswith(b"5 images, 10 boxes in")
        assert Path(f"{name}.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
        assert is_listening(client)


@pytest.mark.parametrize("where", ["ray://127.0.0.1:{}", "auto"])
def test_a_cluster_that_does_not_answer_is_named(model: Path, images: Path, where: str) -> None:
    pytest.importorskip("ray")
    port = free_port()
    own = environment() | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
    arguments = ["in", "-o", "out.jsonl", "--cluster", where.format(port)]
    run = subprocess.run(command(model, *arguments), env=own, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (run.returncode, run.stdout) == (6, "")
    assert run.stderr.startswith("detcli: cannot reach the Ray cluster ")
    assert f"127.0.0.1:{port}: Connection refused" in run.stderr
    assert not list(Path().glob("out*"))


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize("where", ["local", "ray://127.0.0.1:1"])
def test_another_cluster_is_refused_where_ray_runs_already(model: Path, images: Path, where: str) -> None:
    with pytest.raises(UsageError, match="use `cluster=auto`"):
        detect("in", outputs="out.jsonl", cluster=where, **settings(model))
    assert not list(Path().glob("out*"))


@pytest.mark.usefixtures("ray")
def test_members_of_an_archive_and_standard_input_reach_the_workers(
    model: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (images / "0.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    with tarfile.open("in.tar", "w") as archive:
        archive.add("in")
    sources = ["in.tar", "-", "in"]
    stats = detect(sources, outputs="out.jsonl", cluster="auto", cluster_workers=1, **settings(model))
    assert (stats.images, stats.failed) == (11, 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    detect(sources, outputs="alone.jsonl", **settings(model))
    assert Path("out.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
