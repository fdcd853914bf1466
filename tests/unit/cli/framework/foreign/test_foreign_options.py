"""Command lines of other programs are answered with those of detcli."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.cli.docs.command_tree import read_tree
from detcli.cli.framework.foreign.foreign_commands import COMMANDS as FOREIGN_COMMANDS
from detcli.cli.framework.foreign.foreign_options import ANSWERS, Answer, answer_for
from detcli.cli.main import ALIASES, COMMANDS, cli
from tests.helpers.cli_runs import Run

BRANCHES = list(read_tree(cli, "detcli").walk())
OPTIONS = {name for branch in BRANCHES for flag in branch.flags for name in flag.names}
LISTED = [
    "--weights",
    "--source",
    "--conf-thres",
    "--iou",
    "--iou-thres",
    "--half",
    "--save-txt",
    "--save-conf",
    "--save-crop",
    "--view-img",
    "--project",
    "--name",
    "--exist-ok",
    "--nosave",
    "--hide-conf",
    "--agnostic-nms",
    "--augment",
    "--img-size",
    "--img",
    "--batch-size",
    "--learning-rate",
    "--lr0",
    "--gpu",
    "--gpus",
    "--cuda",
    "--cpu",
    "--output_dir",
    "--output-dir",
    "--per_device_train_batch_size",
    "--num_train_epochs",
    "--fp16",
    "--bf16",
    "--amp",
    "--checkpoint",
    "--ckpt",
    "--config-file",
    "--input",
    "--dataset-dir",
]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answers() -> list[tuple[str, Answer]]:
    found = []
    for name, answer in ANSWERS.items():
        found += [(name, one) for one in ([answer] if isinstance(answer, Answer) else answer.values())]
    return found


def message(run: Run) -> str:
    """The first line of a usage error."""
    assert (run.code, run.out) == (2, "")
    first, hint = run.err.splitlines()
    assert hint.endswith(("--help' lists all options", "'detcli --help' lists all commands"))
    return first.removeprefix("detcli: ")


@pytest.mark.parametrize(("name", "answer"), answers(), ids=str)
def test_an_answer_names_only_options_that_exist(name: str, answer: Answer) -> None:
    text = f"{answer.use} {answer.why}"
    assert bool(answer.use) != bool(answer.why)
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text)) - {"--nproc-per-node"} <= OPTIONS
    for command in re.findall(r"'detcli ([a-z]+)", answer.why):
        assert command in COMMANDS


def test_names_of_the_table_are_plain() -> None:
    assert [name for name in ANSWERS if not re.fullmatch(r"[a-z0-9-]+", name)] == []


@pytest.mark.parametrize("option", LISTED)
@pytest.mark.parametrize("command", ["detect", "segment", "video", "train", "eval"])
def test_options_of_other_programs_are_answered(detcli: Callable[..., Run], command: str, option: str) -> None:
    told = message(detcli(command, option))
    assert told.startswith(f"unknown option '{option}'")
    assert told.removeprefix(f"unknown option '{option}'")[:2] in ("; ", ": ")
    assert "did you mean" not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("detect a.jpg --half", "unknown option '--half'; use --precision fp16"),
        ("detect --weights best.pt a.jpg", "unknown option '--weights'; use --model best.pt"),
        ("detect -source a.jpg", "unknown option '--source'; use a.jpg"),
        ("detect -conf 0.3 a.jpg", "unknown option '-conf': did you mean '--conf'?"),
        ("video a.mp4 --view-img", "unknown option '--view-img'; use --show"),
        ("train --data d --output_dir=runs/x", "unknown option '--output_dir'; use -o runs/x"),
        ("detect a.jpg --epochs 3", "unknown option '--epochs': an option of 'detcli train'"),
        ("doctor --gpu 0", "unknown option '--gpu': '--device 0' of 'detcli detect' and 'detcli video'"),
        ("detect --max_det 3 a.jpg", "unknown option '--max_det'; use --max-det 3"),
        (
            "detect --weights y.pt --source a.jpg --img 640 --iou-thres 0.5",
            "unknown options '--weights', '--source', '--img', '--iou-thres'; use --model y.pt a.jpg --imgsz 640 --nms 0.5",
        ),
        (
            "train --data d --learning-rate 1e-4 --num_train_epochs 3 --fp16",
            "unknown options '--learning-rate', '--num_train_epochs', '--fp16'; "
            "use --lr 1e-4 --epochs 3 --precision fp16",
        ),
        ("--source a.jpg", "unknown option '--source'; the options of a command follow its name: detcli detect"),
        ("--epochs 3", "unknown option '--epochs'; the options of a command follow its name: detcli train"),
    ],
)
def test_a_whole_line_is_answered_at_once(detcli: Callable[..., Run], words: str, told: str) -> None:
    assert message(detcli(*words.split())).startswith(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("predict model=y.pt source=a.jpg conf=0.25 half=False", "use --model y.pt a.jpg --threshold 0.25"),
        ("detect predict model=y.pt source=a.jpg", "use --model y.pt a.jpg"),
        ("yolo segment predict source=a.jpg", "use detcli segment a.jpg"),
        ("yolo detect val data=a.json", "use detcli eval --data a.json"),
        ("detect train data=c.yaml epochs=3", "use detcli train --data c.yaml --epochs 3"),
        ("mode=train data=c.yaml", "use detcli train --data c.yaml"),
        ("track source=a.mp4", "use detcli video --track a.mp4"),
        ("detect iou=0.5 a.jpg", "use --nms 0.5"),
        ("detect nms=0.5 a.jpg", "use --nms 0.5"),
    ],
)
def test_name_value_syntax_is_answered(detcli: Callable[..., Run], words: str, told: str) -> None:
    run = message(detcli(*words.split()))
    assert run.startswith("unknown syntax '")
    assert run.endswith(told) or told in run


@pytest.mark.parametrize("slip", ["--treshold", "--tresholds", "--thresold"])
def test_a_typing_error_is_answered_with_the_option(detcli: Callable[..., Run], slip: str) -> None:
    assert message(detcli("detect", slip, "0.3")) == f"unknown option '{slip}': did you mean '--threshold'?"


@pytest.mark.parametrize("word", ["--zoom", "--hello", "--heap", "--help-me-please", "--x"])
def test_a_word_that_is_only_spelled_alike_is_no_suggestion(detcli: Callable[..., Run], word: str) -> None:
    assert "--version" not in message(detcli("detect", word))
    assert message(detcli("detect", "--half")).count("--help") == 0


@pytest.mark.parametrize("word", FOREIGN_COMMANDS)
def test_commands_of_other_programs_are_answered(detcli: Callable[..., Run], word: str) -> None:
    assert word not in {*COMMANDS, *ALIASES}
    told = message(detcli(word))
    assert "did you mean" not in told
    assert "known names" not in told
    for command in re.findall(r"'detcli ([a-z]+)", FOREIGN_COMMANDS[word]):
        assert command in COMMANDS
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", FOREIGN_COMMANDS[word])) <= OPTIONS


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a.jpg", "missing command; use detcli detect a.jpg"),
        ("https://example.org/a -m dfine-n", "missing command; use detcli detect https://example.org/a -m dfine-n"),
        ("a.mp4 --track", "missing command; use detcli video a.mp4 --track"),
        ("rtsp://camera/stream", "missing command; use detcli video rtsp://camera/stream"),
        ("benchmark", "unknown syntax 'benchmark'; use detcli bench"),
        ("benchmark model=dfine-n", "unknown syntax 'benchmark model=dfine-n'; use detcli bench --model dfine-n"),
        ("track a.mp4", "unknown syntax 'track'; use detcli video a.mp4 --track"),
    ],
)
def test_a_missing_command_is_answered(detcli: Callable[..., Run], words: str, told: str) -> None:
    assert message(detcli(*words.split())) == told


def test_a_folder_that_has_the_name_of_a_mode_is_an_input(detcli: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    run = detcli("detect", "val", "-m", "shapes")
    assert run.code == 4
    assert "no images in 'val'" in run.err


def test_answers_differ_by_command() -> None:
    assert answer_for("--source", "detect") == Answer("{}")
    assert answer_for("source", "train") == Answer("--data {}")
    assert answer_for("--Batch_Size", "train") == Answer("--batch {}")
    assert answer_for("--nonsense", "train") is None
