"""The command group and its border: what is shown, what is asked for, and how every way to fail ends."""

import errno
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from detcli import __version__, errors
from detcli.cli.framework.command import Command, Context, Entry
from detcli.cli.main import COMMANDS, Interrupted, Program, cli
from detcli.errors import DetcliError
from tests.helpers.cli_runs import Run, image

HEAVY = ("torch", "numpy", "cv2", "PIL", "rich", "huggingface_hub", "safetensors")
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DetcliError)]


def failing(error: BaseException, *arguments: str) -> Run:
    """Run a program whose only command raises this error."""

    @click.command(cls=Command)
    def fail() -> None:
        """Fail."""
        raise error

    program = Program("detcli", table={"fail": Entry("", "Fail.")})
    program.commands["fail"] = fail
    result = CliRunner(env={"DETCLI_DETECT_DEVICE": None}).invoke(program, [*arguments, "fail"])
    return Run(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_what_the_command_says_of_itself(name: str) -> None:
    command = cli.get_command(Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["nonsense"],
        ["models", "convert", "--help"],
        *([name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys, detcli.cli.main as m\n"
        "try: m.cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_version_is_data(detcli: Callable[..., Run]) -> None:
    assert detcli("--version") == Run(0, f"detcli {__version__}\n", "")


def test_nothing_asked_for_is_a_usage_error_that_shows_the_overview(detcli: Callable[..., Run]) -> None:
    run = detcli()
    assert (run.code, run.out) == (2, "")
    assert "detcli detect street.jpg" in run.err


@pytest.mark.parametrize(("slip", "meant"), [("detcet", "'detect'"), ("dowload", "'download'"), ("model", "'models'")])
def test_an_unknown_command_is_answered_with_what_was_meant(detcli: Callable[..., Run], slip: str, meant: str) -> None:
    run = detcli(slip)
    assert run.code == 2
    assert f"unknown command '{slip}': did you mean {meant}" in run.err


def test_predict_is_detect(detcli: Callable[..., Run]) -> None:
    assert detcli("predict", "--help").out == detcli("detect", "--help").out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["conf=0.3"], "--threshold 0.3"),
        (["model=dfine-x.pt", "source=a.jpg", "imgsz=640"], "--model dfine-x.pt a.jpg --imgsz 640"),
        (["imgsz=480,640"], "--imgsz 480,640"),
        (["max_det=10", "save=True", "half=True"], "--max-det 10 --save-images DIR --precision fp16"),
        (["a.jpg", "threshold=0.5"], "--threshold 0.5"),
    ],
)
def test_ultralytics_syntax_gets_the_matching_option(detcli: Callable[..., Run], words: list[str], meant: str) -> None:
    run = detcli("detect", *words)
    assert run.code == 2
    assert f"; use {meant}\n" in run.err
    assert run.out == ""


def test_ultralytics_syntax_is_known_without_a_command(detcli: Callable[..., Run]) -> None:
    assert "; use detcli detect --threshold 0.3" in detcli("conf=0.3").err
    assert "use --json\n" in detcli("doctor", "json=True").err


def test_a_file_that_looks_like_another_tools_grammar_is_a_file(detect: Callable[..., Run], images: Path) -> None:
    image(images.parent / "conf=0.3")
    assert detect("conf=0.3").code == 0


def test_an_unknown_option_is_answered_with_what_was_meant(detcli: Callable[..., Run]) -> None:
    run = detcli("detect", "--treshold", "0.3")
    assert run.code == 2
    assert "unknown option '--treshold': did you mean '--threshold'" in run.err


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_error_becomes_one_line_and_its_exit_code(kind: type[DetcliError]) -> None:
    with_code = issubclass(kind, errors.ImageError | errors.SourceError)
    error = kind("empty", "what happened") if with_code else kind("what happened")  # type: ignore[arg-type]
    run = failing(error)
    assert (run.code, run.out, run.err.splitlines()[0]) == (kind.exit_code, "", "detcli: what happened")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted(15), 143),
        (BrokenPipeError(), 141),
        (click.exceptions.Exit(0), 0),
        (click.Abort(), 130),
    ],
    ids=repr,
)
def test_what_needs_no_words_ends_quietly(error: BaseException, code: int) -> None:
    assert failing(error) == Run(code, "", "")


def test_no_room_for_output_is_told_as_such() -> None:
    run = failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (run.code, run.out) == (8, "")
    assert "cannot write: no space left on device" in run.err.lower()


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES, errno.EIO, errno.ELOOP], ids=os.strerror)
def test_what_the_system_refuses_of_a_file_is_no_bug(number: int) -> None:
    run = failing(OSError(number, os.strerror(number), "models"))
    assert run == Run(8, "", f"detcli: cannot use 'models': {os.strerror(number)}\n")


def test_choices_are_one_line(detcli: Callable[..., Run]) -> None:
    assert "Choose from: bash, zsh, fish\n" in detcli("completion").err


def test_no_memory_is_told_as_such() -> None:
    run = failing(MemoryError())
    assert run.code == 9
    assert run.err.startswith("detcli: out of memory\n")


def test_a_bug_is_one_line_that_says_how_to_see_more() -> None:
    run = failing(ZeroDivisionError("division by zero\nand more"))
    assert (run.code, run.out) == (1, "")
    assert run.err.splitlines()[0] == "detcli: ZeroDivisionError: division by zero"
    assert "--debug" in run.err
    assert "Traceback" not in run.err


def test_debug_shows_the_traceback_from_flag_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in failing(ZeroDivisionError(), "--debug").err
    assert "Traceback" in failing(errors.HubError("no answer"), "--debug").err
    monkeypatch.setenv("DETCLI_DEBUG", "1")
    assert "Traceback" in failing(ZeroDivisionError()).err


def test_messages_can_be_json_objects() -> None:
    run = failing(errors.OutputError("a\nb"), "--log-format", "json")
    assert json.loads(run.err) == {"level": "error", "message": "a\nb", "exit_code": 8}


def test_a_message_cannot_steer_the_terminal() -> None:
    run = failing(errors.UsageError("'\x1b[2J\u202e[red]:smile:\udcff'"))
    assert run.err == "detcli: '\\x1b[2J\\u202e[red]:smile:\\xff'\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--color", "always", "detect", "--threshold", "2"],
        ["detect", "--color", "always", "--threshold", "2"],
        ["detect", "--threshold", "2", "--color", "always"],
        ["--color", "never", "detect", "--threshold", "2", "--color", "always"],
    ],
)
def test_screen_options_stand_before_and_after_the_command(detcli: Callable[..., Run], arguments: list[str]) -> None:
    assert detcli(*arguments).err.startswith("\x1b[1;31mdetcli:\x1b[0m invalid value")


def test_a_screen_option_on_the_line_beats_one_of_the_environment(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETCLI_DETECT_LOG_FORMAT", "json")
    assert detcli("detect", "--threshold", "2").err.startswith("{")
    assert detcli("--log-format", "text", "detect", "--threshold", "2").err.startswith("detcli:")
