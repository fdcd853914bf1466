"""Words of a command line that click alone would misread."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from detcli.cli.detect.detect import detect as detect_command
from detcli.cli.framework.arguments import prepare_arguments
from detcli.cli.framework.command import Context
from detcli.cli.framework.option_types import DeviceType, ImageSizeType, ScoreType
from detcli.cli.main import COMMANDS
from tests.helpers.cli_runs import Run


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepared(*words: str) -> list[str]:
    return prepare_arguments(detect_command, Context(detect_command, info_name="detect"), words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--imgsz", "480", "640", "a.jpg"], ["--imgsz", "480 640", "a.jpg"]),
        (["--imgsz", "640", "a.jpg"], ["--imgsz", "640", "a.jpg"]),
        (["--imgsz", "640", "0"], ["--imgsz", "640", "0"]),  # a camera
        (["--imgsz=640", "640"], ["--imgsz=640", "640"]),
        (["a", "--", "--imgsz", "480", "640"], ["a", "--", "--imgsz", "480", "640"]),
        (["-t", "0.3", "-fjson", "-"], ["-t", "0.3", "-fjson", "-"]),
    ],
)
def test_two_numbers_are_one_size(words: list[str], expected: list[str]) -> None:
    assert prepared(*words) == expected


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("640", (640, 640)),
        ("480x640", (480, 640)),
        ("480X640", (480, 640)),
        ("480,640", (480, 640)),
        ("480, 640", (480, 640)),
        ("480 640", (480, 640)),
        ("[480, 640]", (480, 640)),
        ("(480,640)", (480, 640)),
        ((480, 640), (480, 640)),
        ([480, 640], (480, 640)),
        (640, (640, 640)),
    ],
)
def test_a_size_has_many_spellings(text: object, size: tuple[int, int]) -> None:
    assert ImageSizeType().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "0", "640x0", "wide", "-1", "640x", "1 2 3", "6.4", "9999999", [1, 2, 3], True])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(click.BadParameter, match="is not an input size: use 640, 480x640 or 480 640"):
        ImageSizeType().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "device"), [("0", "cuda:0"), ("12", "cuda:12"), ("cuda:1", "cuda:1"), ("mps", "mps"), ("CPU", "cpu")]
)
def test_a_number_is_a_cuda_device(text: str, device: str) -> None:
    assert DeviceType().convert(text, None, None) == device


@pytest.mark.parametrize(
    ("text", "one"), [("0,1", "cuda:0"), ("1,0,2", "cuda:1"), ("cuda:all", "cuda:0"), ("cpu:2", "cpu")]
)
def test_several_devices_are_refused_where_one_is_used(text: str, one: str) -> None:
    with pytest.raises(click.BadParameter, match=f"this command runs on one device, such as {one}; "):
        DeviceType().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "devices"),
    [("0,1", "cuda:0,cuda:1"), ("CUDA:All", "cuda:all"), ("cpu:2", "cpu:2"), ("[0, cuda:1]", "cuda:0,cuda:1")],
)
def test_several_devices_are_taken_in_every_usual_form(text: str, devices: str) -> None:
    assert DeviceType(several=True).convert(text, None, None) == devices


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("detect --threshold", "option '--threshold' requires an argument"),
        ("detect -m --classes x", "option '-m' requires a value, and '--classes' follows"),
        ("detect a.jpg -o --resume", "option '-o' requires a value, and '--resume' follows"),
        ("models info --revision", "option '--revision' requires an argument"),
        ("train shapes:0:20", "unexpected argument 'shapes:0:20'; use --data shapes:0:20"),
        ("train --data d x", "unexpected argument 'x'"),
        (
            "train --data d --resume runs/a/last",
            "unexpected argument 'runs/a/last'; --resume takes no value, and --output names the run: -o runs/a --resume",
        ),
        ("eval a.json b.json c.json", "unexpected argument 'c.json'; use --gt c.json"),
        ("demo here", "unexpected argument 'here'; use --output here"),
        ("detect a.jpg --save-images -m shapes", "option '--save-images' requires a value, and '-m' follows"),
        ("train --data d --lr fast", "invalid value for '--lr': 'fast' is not a number from 0"),
        (
            "detect a.jpg --precision half",
            "invalid value for '--precision': 'half' is not one of 'auto', 'fp32', 'tf32', 'bf16', ",
        ),
        ("models download dfine-s", "unknown command 'download'; 'detcli download' is a command of its own"),
        ("models ls", "unknown command 'ls': did you mean 'list'?"),
        ("models rm dfine-s", "unknown command 'rm': did you mean 'remove'?"),
        ("detect a.jpg -m=shapes", "unknown syntax '-m=shapes'; use -m shapes"),
        ("version now", "unexpected argument 'now'"),
        ("eval --data d --device 0,1", "invalid value for '-d' / '--device': this command runs on one device"),
    ],
)
def test_a_slip_points_to_the_help_of_its_command(detcli: Callable[..., Run], words: str, told: str) -> None:
    run = detcli(*words.split())
    assert (run.code, run.out) == (2, "")
    first, hint = run.err.splitlines()
    assert first.startswith(f"detcli: {told}")
    command = " ".join(word for word in words.split()[:2] if word in COMMANDS or word == "info")
    command = command.removesuffix(" download")
    kind = "commands" if command == "models" else "options"
    assert hint == f"'detcli {command} --help' lists all {kind}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--classes", "person", "dog"], "'dog' is not a file or a folder: classes are separated by commas"),
        (["a.jpg", "--classes", "person", "dog", "cat", "-t", "0.3"], "--classes person,dog,cat"),
        (["--classes", "traffic light", "stop sign"], "--classes 'traffic light,stop sign'"),
        (["--classes", "3", "7"], "--classes 3,7"),
    ],
)
def test_classes_with_spaces_between_them_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        prepared(*words)
    assert told in caught.value.message


@pytest.mark.parametrize("word", ["a.jpg", "in/", "photos", "*.jpg", "https://example.org/a", "cam/0", "-"])
def test_an_input_after_the_classes_stays_an_input(tmp_path: Path, word: str) -> None:
    (tmp_path / "photos").mkdir()
    assert prepared("--classes", "person", word) == ["--classes", "person", word]


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("www.example.org/a.jpg", "https://www.example.org/a.jpg"),
        ("example.com/in/a.jpg", "https://example.com/in/a.jpg"),
        ("localhost:8000/a.jpg", "http://localhost:8000/a.jpg"),
        ("192.168.1.5:554/stream", "rtsp://192.168.1.5:554/stream"),
    ],
)
def test_an_address_needs_its_scheme(detcli: Callable[..., Run], word: str, address: str) -> None:
    for command in ("detect", "segment", "video"):
        run = detcli(command, word)
        assert (run.code, run.out) == (2, "")
        assert run.err.startswith(
            f"detcli: '{word}' is not a file or a folder; an address starts with its scheme: {address}\n"
        )


@pytest.mark.parametrize("word", ["v1.images/a.jpg", "a.jpg", "C:/images/a.jpg", "images.com.jpg", "10.png", "1.2.3/x"])
def test_a_file_name_is_no_address(word: str) -> None:
    assert prepared(word) == [word]


def test_a_folder_that_looks_like_an_address_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "example.com").mkdir()
    assert prepared("example.com") == ["example.com"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("json", "'coco' is one JSON document, and 'jsonl' is one JSON object per image and line"),
        ("txt", "'yolo' is a folder of text files"),
        ("onnx", "'detcli export' writes models; this is a format of results"),
        ("mp4", "'detcli video --save-video FILE'"),
    ],
)
def test_another_name_of_a_format_is_answered(detcli: Callable[..., Run], name: str, meant: str) -> None:
    run = detcli("detect", "a.jpg", "--format", name)
    assert (run.code, run.out) == (2, "")
    assert f"{name!r} is not one of 'jsonl', " in run.err
    assert meant in run.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["my", "dir/a", "b.png"], "a path with spaces is written in quotes: 'my dir/a b.png'"),
        (["x.png", "my", "dir"], "a path with spaces is written in quotes: 'my dir'"),
        (["'my dir/a b.png'"], "use 'my dir/a b.png'"),
        (['"in/c.png"'], "use in/c.png"),
        (["my\\ dir/a\\ b.png"], "use 'my dir/a b.png'"),
        (["in\\c.png"], "use in/c.png"),
        (["~/d.png"], "/d.png"),
        (["FILE_URL"], "/in/c.png"),
        (["in/c.png,d.png"], "inputs are separated by spaces: in/c.png d.png"),
        (["d.png in/c.png"], "inputs are separated by spaces: d.png in/c.png"),
    ],
)
def test_another_spelling_of_an_existing_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], meant: str
) -> None:
    for name in ("my dir/a b.png", "in/c.png", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    given = [(tmp_path / "in/c.png").as_uri() if word == "FILE_URL" else word for word in words]
    with pytest.raises(click.UsageError) as caught:
        prepared(*given)
    assert meant in caught.value.message


@pytest.mark.parametrize("word", ["~/no.png", "file:///no/where.png", "C:\\no.png", "'no.png'", "s3://bucket/a.jpg"])
def test_a_missing_input_without_another_spelling_is_left_to_the_run(word: str) -> None:
    assert prepared(word) == [word]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("50", "; 50 percent is 0.5"),
        ("50%", "; 50 percent is 0.5"),
        ("2.5 %", "; 2.5 percent is 0.025"),
        ("0,5", "; use a point: 0.5"),
        ("150%", ""),
        ("nan", ""),
        ("-1", ""),
        ("half", ""),
    ],
)
def test_percent_and_commas_of_a_score_are_answered(text: str, meant: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        ScoreType().convert(text, None, None)
    assert caught.value.message == f"{text!r} is not a number from 0 to 1{meant}"


@pytest.mark.parametrize(("text", "meant"), [("gpu", "use cuda"), ("metal", "use mps"), ("tpu", "use auto, cpu, cuda")])
def test_another_name_of_a_device_is_answered(text: str, meant: str) -> None:
    with pytest.raises(click.BadParameter, match=f"'{text}' is not a device: {meant}"):
        DeviceType().convert(text, None, None)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("detect a.jpg --precision half", "fp16"),
        ("detect a.jpg --precision fp61", "fp16"),
        ("eval a.json --gt b.json --iou-type mask", "segm"),
        ("segment a.jpg --task instances", "instance"),
        ("detect a.jpg --if-exists replace", "overwrite"),
    ],
)
def test_another_word_is_answered_with_the_known_one(detcli: Callable[..., Run], words: str, meant: str) -> None:
    run = detcli(*words.split())
    assert (run.code, run.out) == (2, "")
    assert run.err.splitlines()[0].endswith(f": did you mean '{meant}'?")
