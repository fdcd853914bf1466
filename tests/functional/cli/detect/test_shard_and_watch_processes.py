"""Shards and watched folders as processes among others: kills, signals, and the recipe of the guide."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cli_runs import Run, start
from tests.helpers.folder_watches import put

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, kills and xargs as POSIX has them")
TIMEOUT = 120


def line_of(process: "subprocess.Popen[bytes]") -> dict[str, object]:
    """The next record on standard output."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    record: dict[str, object] = json.loads(line)
    return record


def test_killed_shards_are_resumed_by_xargs_and_merged_to_one_run(
    command: list[str],
    images: Path,
    detect: Callable[..., Run],
    detcli: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    names = [f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")] + ["missing.png"]
    listed = "".join(f"{name}\n" for name in names)
    how = ("-", "--deterministic", "-b", "1", "--header")
    assert detect(*how, "-o", "one.jsonl", stdin=listed.encode()).code == 3

    process = start(command, *how, "--shard", "1/2", "-o", "part-{shard}.jsonl", "-o", "-")
    assert process.stdin is not None
    process.stdin.write(listed.encode()[: listed.index("in/sub/4")])
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["detcli"]["arguments"]["shard"] == "1/2"  # type: ignore[union-attr]
    assert [line_of(process)["index"] for _ in range(2)] == [0, 2]
    process.kill()
    process.communicate(timeout=TIMEOUT)
    assert Path("part-1.jsonl.journal").exists()
    refused = detect(*how, "--shard", "2/2", "-o", "part-1.jsonl", "--resume", stdin=listed.encode())
    assert refused.code == 2
    assert 'shard was "1/2" and is "2/2"' in refused.err

    Path("list.txt").write_text(listed)
    words = shlex.join([*command, *how, "--shard", "{}/2", "-o", "part-{}.jsonl", "--resume"])
    done = subprocess.run(
        ["xargs", "-P", "2", "-I{}", "sh", "-c", f"{words} < list.txt"],
        input=b"1\n2\n",
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 123, done.stderr.decode()  # one of them: an image is missing
    assert detcli("merge", "part-1.jsonl", "part-2.jsonl", "-o", "merged.jsonl").code == 0
    assert Path("merged.jsonl").read_bytes() == Path("one.jsonl").read_bytes()
    assert sorted(Path().glob("*.journal")) == []


def test_a_watch_prints_each_image_at_once_and_ends_on_sigterm(command: list[str], images: Path) -> None:
    process = start(command, "in", "--watch", "-o", "-", "-o", "out.jsonl")
    assert [line_of(process)["file"] for _ in range(5)] == [
        f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")
    ]
    put("in/new.part")
    os.rename("in/new.part", "in/new.png")  # noqa: PTH104
    assert line_of(process)["file"] == "in/new.png"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 143
    assert out == b""
    lines = err.decode().splitlines()
    assert "detcli: watching 'in' for new images; Ctrl-C ends the run" in lines
    assert lines[-1].startswith("6 images, 12 boxes in ")
    assert lines[-1].endswith("interrupted by SIGTERM, --resume continues")
    assert len(Path("out.jsonl").read_text().splitlines()) == 6
