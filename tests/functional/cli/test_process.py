"""`detcli` as a process among others: pipes, signals, kills, full disks and terminals.

Nothing here waits for a time: a test gives paths on standard input and continues when their results have come out, so
that a signal always finds a run that waits for the next path.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli_runs import broken, image, start

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and terminals as POSIX has them")
TIMEOUT = 120


def give(process: "subprocess.Popen[bytes]", *names: str) -> None:
    """Name some more images on standard input."""
    assert process.stdin is not None
    process.stdin.write("".join(f"{name}\n" for name in names).encode())
    process.stdin.flush()


def take(process: "subprocess.Popen[bytes]", count: int) -> list[dict[str, Any]]:
    """Wait for so many records on standard output."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    assert all(lines), process.stderr.read() if process.stderr else ""
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=lambda value: str(value),
)
def test_a_signal_finishes_the_batch_and_leaves_complete_files(
    command: list[str], images: Path, number: signal.Signals, code: int
) -> None:
    process = start(command, "-", "-b", "1", "-o", "-", "-o", "out.coco.json")
    give(process, "in/0.png", "in/1.png")
    take(process, 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    assert out == b""
    last = err.decode().splitlines()[-1]
    assert last.startswith("2 images, 4 boxes in ")
    assert last.endswith(f"interrupted by {number.name}, --resume continues")
    coco = json.loads(Path("out.coco.json").read_text())
    assert (len(coco["images"]), coco["info"]["complete"]) == (2, False)
    assert Path("out.coco.json.journal").exists()


def test_a_second_signal_ends_at_once() -> None:
    script = (
        "import signal\n"
        "from detcli.cli.framework.console import Console\n"
        "from detcli.cli.framework.signals import stopping\n"
        "from detcli.structures.stop_signal import StopSignal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # nohup ignores it
        "with stopping(Console(), StopSignal()):\n"
        "    print('ready', flush=True)\n"
        "    while True: signal.pause()\n"
    )
    process = start([sys.executable, "-c", script])
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    assert (
        process.stderr.readline() == b"detcli: finishing the current batch; send the signal again to stop immediately\n"
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGTERM


def test_a_killed_run_resumes_to_the_same_bytes(command: list[str], images: Path) -> None:
    broken(images / "2.png")
    names = [f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")] + ["in/0.png", "missing.png"]
    how = ["-", "--deterministic", "-b", "1", "-o"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0"}

    def outputs(folder: str) -> list[str]:
        return [f"{folder}/out.jsonl", "-o", f"{folder}/out.json", "-o", f"{folder}/out.csv", "-o", f"{folder}/labels"]

    complete = start(command, *how, *outputs("complete"), env=environment)
    complete.communicate("\n".join(names).encode(), timeout=TIMEOUT)
    assert complete.returncode == 3

    process = start(command, *how, *outputs("part"), "-o", "-", env=environment)
    for name in names[:4]:
        give(process, name)
        take(process, 1)
    process.kill()
    process.communicate(timeout=TIMEOUT)
    journal = Path("part/out.jsonl.journal").read_bytes()
    assert journal.count(b"\n") >= 4, "the header, and all that came out but perhaps the last"
    assert not Path("part/out.json").exists()
    Path("part/out.jsonl.journal").write_bytes(journal + b'{"index":9,"torn')

    refused = start(command, *how, *outputs("part"), env=environment)
    _, err = refused.communicate("\n".join(names).encode(), timeout=TIMEOUT)
    assert refused.returncode == 8
    assert b"--resume" in err

    resumed = start(command, *how, *outputs("part"), "--resume", env=environment)
    _, err = resumed.communicate("\n".join(names).encode(), timeout=TIMEOUT)
    assert resumed.returncode == 3, err.decode()
    assert err.decode().splitlines()[-1].startswith("7 images, 2 failed, 10 boxes in ")
    left, wanted = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("[!.]*.*")}
        for folder in ("part", "complete")
    )
    assert left.keys() == wanted.keys()
    assert {name for name in wanted if left[name] != wanted[name]} == set()


def test_a_run_is_not_resumed_with_other_options_or_images(command: list[str], images: Path) -> None:
    process = start(command, "-", "-b", "1", "-o", "out.jsonl", "-o", "-")
    for name in ("in/0.png", "in/1.png"):
        give(process, name)
        take(process, 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    before = Path("out.jsonl.journal").read_bytes()

    other = start(command, "-", "-b", "1", "-o", "out.jsonl", "--resume", "--threshold", "0.2")
    _, err = other.communicate(b"in/0.png\nin/1.png\n", timeout=TIMEOUT)
    assert other.returncode == 2
    assert b"threshold was 0.01 and is 0.2" in err

    moved = start(command, "-", "-b", "1", "-o", "out.jsonl", "--resume")
    _, err = moved.communicate(b"in/0.png\nin/2.png\n", timeout=TIMEOUT)
    assert moved.returncode == 2
    assert b"image 2 of the interrupted run was 'in/1.png' and is 'in/2.png' now" in err
    assert Path("out.jsonl.journal").read_bytes() == before


def test_two_runs_do_not_share_an_output(command: list[str], images: Path) -> None:
    first = start(command, "-", "-b", "1", "-o", "out.jsonl", "-o", "-")
    give(first, "in/0.png")
    take(first, 1)
    second = start(command, "in", "-o", "out.jsonl", "-y")
    _, err = second.communicate(timeout=TIMEOUT)
    assert second.returncode == 8
    assert b"out.jsonl" in err
    first.communicate(timeout=TIMEOUT)
    assert first.returncode == 0
    assert len(Path("out.jsonl").read_text().splitlines()) == 1


def test_a_closed_pipe_ends_the_run_quietly(command: list[str], images: Path) -> None:
    process = start(command, "-", "-b", "1")
    give(process, "in/0.png")
    take(process, 1)
    assert process.stdout is not None
    process.stdout.close()  # as `| head -1` does
    process.stdout = None
    _, err = process.communicate(b"in/1.png\n" * 3, timeout=TIMEOUT)
    assert process.returncode == 141
    assert err == b""


def test_reading_threads_do_not_crash_the_process_at_exit() -> None:
    script = (
        "import atexit, sys, threading\n"
        "from detcli.cli.main import main\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "atexit.register(print, 'the interpreter goes down')\n"
        "sys.argv = ['detcli', *sys.argv[1:]]\n"
        "main()\n"
    )
    for arguments, code in ((["--version"], 0), (["nonsense"], 2)):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=TIMEOUT)
        assert done.returncode == code
        assert b"goes down" not in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--json"], ["completion", "bash"]], ids=" ".join)
def test_a_closed_pipe_ends_other_commands_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "detcli", *arguments], stdout=writing, stderr=subprocess.PIPE, timeout=TIMEOUT
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_8_with_a_message(command: list[str], images: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = start(command, "in", stdout=full)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 8
    assert re.fullmatch(r"detcli: cannot write '?standard output'?: the disk is full[^\n]*\n", err.decode())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_help_on_a_full_disk_is_8_with_a_message() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "detcli", "--help"], stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == 8
    assert done.stderr == b"detcli: cannot write: No space left on device\n"


def test_a_closed_standard_output_is_reported_before_loading(command: list[str], images: Path) -> None:
    process = start(["sh", "-c", 'exec "$@" >&-', "sh", *command], "in")
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 8
    assert err == b"detcli: standard output is closed; use --output\n"


def on_a_terminal(command: list[str], columns: int, **environment: str) -> tuple[int, str]:
    """Run with standard output and error on one terminal; returns the exit code and what was sent to it."""
    import fcntl
    import struct
    import termios

    main, other = os.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=os.environ | environment, close_fds=True
    )
    os.close(other)
    shown = b""
    while select.select([main], [], [], TIMEOUT)[0]:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(main)
    return process.wait(TIMEOUT), shown.decode("utf-8").replace("\r\n", "\n")


def left_on_the_screen(text: str) -> list[str]:
    """The lines that stay, without colors."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return [re.sub(r".*\r(\x1b\[K)?", "", line.removesuffix("\r")) for line in plain.split("\n")]


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_gets_a_table_of_its_width(command: list[str], images: Path, columns: int) -> None:
    broken(images / "1.png")
    image(images / "a-very-long-name-that-does-not-fit-into-forty-columns.png")
    code, shown = on_a_terminal([*command, "in"], columns)
    assert code == 3
    assert "\x1b[1m" in shown, "colors"
    lines = left_on_the_screen(shown)
    table = [line for line in lines if not line.startswith("detcli: ")]
    assert max(map(len, table)) <= columns
    last = table.index(next(line for line in table if line.startswith("6 images")))
    summary = " ".join(line.strip() for line in table[last:]).strip()
    assert re.fullmatch(r"6 images, 1 failed, 10 boxes in \d.* s( \([\d.,]+ images/s\))?", summary)
    assert sum("failed: truncated" in line for line in lines) == 1
    assert sum(line.startswith("detcli: 'in/1.png': truncated") for line in lines) == 1


def test_a_dumb_terminal_gets_plain_text(command: list[str], images: Path) -> None:
    code, shown = on_a_terminal([*command, "in"], 80, TERM="dumb")
    assert code == 0
    assert "\x1b" not in shown
