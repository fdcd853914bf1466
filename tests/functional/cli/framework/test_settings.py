"""Where values come from, which of two wins, and what a settings file may not say."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from detcli.cli.detect.detect import detect as detect_command
from detcli.cli.framework.command import Context
from detcli.cli.framework.options import model_options
from detcli.cli.framework.settings import read_settings, user_file
from detcli.cli.main import cli
from tests.helpers.cli_runs import Run


def values(*arguments: str) -> dict[str, Any]:
    """What `detcli detect` would be given."""
    root = Context(cli, info_name="detcli", auto_envvar_prefix="DETCLI")
    with detect_command.make_context("detect", list(arguments), parent=root) as ctx:
        return ctx.params


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_nearer_source_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values()["model"] == model_options.DEFAULT_MODEL
    user_file().parent.mkdir()
    user_file().write_text('[detect]\nmodel = "of the user"\nmax-det = 7')
    assert values()["model"] == "of the user"
    (folder / "detcli.toml").write_text('[detect]\nmodel = "detr-r50"')
    assert values()["model"] == "detr-r50"
    (folder / "given.toml").write_text('[detect]\nmodel = "of the file"')
    assert values("--config", "given.toml")["model"] == "of the file"
    monkeypatch.setenv("DETCLI_DETECT_MODEL", "of the environment")
    assert values("--config", "given.toml")["model"] == "of the environment"
    assert values("--config", "given.toml", "--model", "of the line")["model"] == "of the line"
    assert values("--config", "given.toml")["max_det"] == 7, "what the nearer file does not say, the farther one does"


def test_the_environment_can_name_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "given.toml").write_text('[detect]\nmodel = "of the file"')
    monkeypatch.setenv("DETCLI_DETECT_CONFIG", "given.toml")
    assert values()["model"] == "of the file"


def test_the_environment_names_options_as_flags_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OUTPUT": "a.jsonl b.csv",
        "FORMAT": "csv",
        "NULL": "1",
        "MAX_DET": "7",
        "IMGSZ": "32 64",
    }.items():
        monkeypatch.setenv(f"DETCLI_DETECT_{name}", value)
    given = values()
    assert given["outputs"] == ("a.jsonl", "b.csv")
    assert (given["format_name"], given["null_separated"], given["max_det"]) == ("csv", True, 7)
    assert given["imgsz"] == (32, 64)


def test_a_file_says_all_that_flags_say(folder: Path) -> None:
    (folder / "given.toml").write_text(
        """
        color = "never"
        [detect]
        threshold = 0.25
        classes = ["person", 2]
        batch = 8
        imgsz = [480, 640]
        output = ["a.jsonl", "b.csv"]
        exclude = "*.gif"
        save_images = "drawn"
        resume = true
        progress = false
        [doctor]
        json = true
        """
    )
    given = values("--config", "given.toml")
    assert given["threshold"] == 0.25
    assert given["classes"] == ("person", "2")
    assert given["batch"] == 8
    assert given["imgsz"] == (480, 640)
    assert given["outputs"] == ("a.jsonl", "b.csv")
    assert given["exclude"] == ("*.gif",)
    assert given["save_images"] == Path("drawn")
    assert given["resume"] is True


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[detect]\nmodle = 'x'", "[detect] unknown key 'modle': did you mean 'model'"),
        ("colr = 'never'", "unknown key 'colr': did you mean 'color'?"),
        ("[detcet]\nmodel = 'x'", "unknown table [detcet]: did you mean 'detect'?"),
        ("[detect]\nthreshold = '0.5'", "[detect] threshold: '0.5' is not a number"),
        ("[detect]\nthreshold = 7", "[detect] threshold: '7' is not a number from 0 to 1"),
        ("[detect]\nthreshold = nan", "[detect] threshold: 'nan' is not a number from 0 to 1"),
        ("[detect]\nthreshold = ['dog=2']", "[detect] threshold: '2' is not a number from 0 to 1"),
        ("[detect]\nthreshold = ['dog=0.2', 'dog=0.3']", "the class 'dog' cannot have two thresholds: 0.2 and 0.3"),
        ("[detect]\nthreshold = true", "[detect] threshold: True is not a number, or text such as 'person=0.6'"),
        ("[detect]\nnms = 2", "[detect] nms: '2' is not a number between 0 and 1; 'off' removes no boxes"),
        ("[detect]\nnms = false", "[detect] nms: False is not a number, or 'off'"),
        ("[detect]\nmax-det = 2.5", "[detect] max-det: 2.5 is not an integer"),
        ("[detect]\nmax-det = true", "[detect] max-det: True is not an integer"),
        ("[detect]\nmax-det = 0", "[detect] max-det: '0' is not an integer from 1 to 100,000"),
        ("[detect]\nresume = 'yes'", "[detect] resume: 'yes' is not true or false"),
        ("[detect]\nmodel = 3", "[detect] model: 3 is not text in quotes"),
        ("[detect]\nmodel = ['a', 'b']", "[detect] model: ['a', 'b'] is not text in quotes"),
        ("[detect]\nformat = 'xml'", "[detect] format: 'xml' is not one of"),
        ("[detect]\nimgsz = [640, 640, 640]", "[detect] imgsz: '[640, 640, 640]' is not an input size"),
        ("[detect]\nimgsz = 64.5", "[detect] imgsz: 64.5 is not a number, two numbers or text"),
        ("[detect]\nclasses = [1, {}]", "[detect] classes: {} is not"),
        ("[detect]\nconfig = 'other.toml'", "[detect] unknown key 'config'"),
        ("[detect", "not TOML"),
        ("detect = 1", "unknown key 'detect'"),
    ],
)
def test_a_slip_in_a_file_is_told_with_file_and_key(
    folder: Path, detcli: Callable[..., Run], text: str, complaint: str
) -> None:
    (folder / "detcli.toml").write_text(text)
    run = detcli("detect", "a.jpg")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("detcli: detcli.toml: ") or run.err.startswith("detcli: cannot read")
    assert complaint in run.err


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_was_asked_for_must_be_there(detcli: Callable[..., Run], name: str) -> None:
    run = detcli("detect", "--config", name, "a.jpg")
    assert run.code == 2
    assert f"cannot read the settings file '{name}'" in run.err


def test_a_byte_order_mark_is_no_harm(folder: Path) -> None:
    (folder / "detcli.toml").write_bytes(b"\xef\xbb\xbf[detect]\nlimit = 3")
    assert values()["limit"] == 3


def test_tables_of_other_commands_are_not_read(folder: Path) -> None:
    (folder / "detcli.toml").write_text("[doctor]\nnot-read = 1")
    ctx = Context(detect_command, info_name="detect", parent=Context(cli, info_name="detcli"))
    assert not any(file.values for file in read_settings(ctx, None))


def test_every_option_of_detect_can_stand_in_a_file() -> None:
    named = [option for option in detect_command.params if isinstance(option, click.Option)]
    assert all(any(name.startswith("--") for name in option.opts) for option in named)


@pytest.mark.skipif(sys.platform == "win32", reason="who has no home is a matter of the user's number")
def test_a_user_without_a_home_has_no_settings_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_123_456_789)
    assert not user_file().exists()


def test_a_wrong_value_in_the_environment_names_its_variable(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETCLI_DETECT_THRESHOLD", "high")
    run = detcli("detect", "a.jpg")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("detcli: invalid value for DETCLI_DETECT_THRESHOLD: 'high' is not a number from 0 to 1\n")
    assert "invalid value for '-t'" in detcli("detect", "a.jpg", "-t", "high").err


@pytest.mark.parametrize("name", ["DETCLI_CUDA_GRAPHS", "DETCLI_RUNTIME_CACHE"])
def test_variables_of_the_library_are_no_warning(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")
    assert "environment variable" not in detcli("detect", "missing.jpg", "-m", "shapes").err


@pytest.mark.parametrize(
    ("name", "meant"),
    [("DETCLI_DETCT_THRESHOLD", "DETCLI_DETECT_THRESHOLD"), ("DETCLI_CONFG", "DETCLI_CONFIG"), ("DETCLI_DETECT_TRESHOLD", "DETCLI_DETECT_THRESHOLD")],
)  # fmt: skip
def test_a_variable_of_no_command_is_a_warning(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "0.3")
    monkeypatch.setenv("DETCLI_TRAIN_EPOCHS", "3")
    run = detcli("detect", "missing.jpg", "-m", "shapes")
    said = [line for line in run.err.splitlines() if "environment variable" in line]
    assert len(said) == 1
    assert said[0].startswith(f"detcli: the environment variable {name} names no option: did you mean ")
    assert f"'{meant}'" in said[0]


def test_a_variable_of_no_command_of_a_group_is_a_warning(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETCLI_MODELS_LST_JSON", "1")
    monkeypatch.setenv("DETCLI_MODELS_INFO_JSON", "1")
    run = detcli("models", "list")
    assert run.err.count("names no option") == 1
    assert "DETCLI_MODELS_LST_JSON names no option: did you mean 'DETCLI_MODELS_LIST_JSON'" in run.err


@pytest.mark.parametrize("value", ["1764460800000", "-1", "1.5", "now", "9" * 5000, "²", "0x10"])
@pytest.mark.parametrize(
    "command",
    [
        ("detect", "a.jpg", "-f", "coco"),
        ("eval", "r.json", "--gt", "g.json"),
        ("train", "--data", "shapes:0:2"),
        ("models", "list"),
    ],
)
def test_an_invalid_source_date_epoch_is_told_before_the_work(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, value: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    run = detcli(*command)
    assert (run.code, run.out) == (2, "")
    assert "detcli: SOURCE_DATE_EPOCH must be a number of seconds since 1970, up to 253402300799, not " in run.err
    assert ("milliseconds" in run.err) == (len(value) == 13)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_a_switch_of_the_hub_is_one_or_zero(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "ture")
    run = detcli("detect", "a.jpg", "-m", "owner/model")
    assert run.code == 2
    assert f"detcli: {name} must be 1 or 0, not 'ture'" in run.err


def test_a_variable_that_names_no_option_is_a_warning(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETCLI_MODELS_LIST_CACHE_DIRR", "x")
    monkeypatch.setenv("DETCLI_MODELS_LIST_COLOR", "never")
    monkeypatch.setenv("DETCLI_DETECT_NOTHING", "of another command")
    run = detcli("models", "list")
    assert run.code == 0
    assert run.err == (
        "detcli: the environment variable DETCLI_MODELS_LIST_CACHE_DIRR names no option: did you mean "
        "'DETCLI_MODELS_LIST_CACHE_DIR'?\n"
    )
