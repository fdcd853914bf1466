"""`detcli convert`: results of real runs in other formats, on the command line and in Python."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from tests.helpers.cli_runs import Run, broken

Detcli = Callable[..., Run]


@pytest.fixture
def lines(detcli: Detcli, images: Path, model: Path) -> Path:
    """Results of five images and a broken one, in three formats."""
    broken(images / "sub" / "x.png")
    done = detcli(
        "detect", "in/", "-m", model, "-t", "0", "-o", "run.jsonl", "-o", "run.json", "-o", "run.csv", "--header"
    )
    assert done.code == 3, done.err
    return Path("run.jsonl")


@pytest.mark.parametrize("name", ["run.jsonl", "run.json", "run.csv"])
def test_a_run_is_converted_to_its_own_bytes(name: str, lines: Path, detcli: Detcli) -> None:
    target = f"again{Path(name).suffix}"
    done = detcli("convert", name, "-o", target)
    assert done.code == 0, done.err
    assert Path(target).read_bytes() == Path(name).read_bytes()


def test_a_run_is_converted_to_coco_with_its_images(lines: Path, detcli: Detcli) -> None:
    done = detcli("convert", lines, "-o", "again.json", "-o", "again.csv")
    assert done.code == 0, done.err
    assert "CSV does not hold failed images" in done.err
    assert "6 images, 1 failed" in done.err
    made, expected = (json.loads(Path(name).read_bytes()) for name in ("again.json", "run.json"))
    assert made["images"] == expected["images"]
    assert made["info"] == expected["info"]
    assert len(made["annotations"]) == len(expected["annotations"])


def test_standard_output_gets_lines_in_a_pipe(lines: Path, detcli: Detcli) -> None:
    done = detcli("convert", "run.json")
    first, *records = done.out.splitlines()
    assert "detcli" in json.loads(first)
    assert [json.loads(record)["index"] for record in records] == list(range(6))


def test_refusals_are_one_sentence_and_change_nothing(lines: Path, detcli: Detcli) -> None:
    before = sorted(path.name for path in Path().iterdir())
    for arguments, code, message in (
        ((lines, "-o", lines, "-y"), 2, "input and output at once"),
        ((lines, "-o", "run.csv"), 8, "'run.csv' exists: --if-exists overwrite (or -y) replaces it"),
        (("none.jsonl", "-o", "b.csv"), 4, "no such file or folder"),
        (("in/0.png", "-o", "b.csv"), 2, "cannot tell the format"),
        ((lines, "-o", "b.xlsx"), 2, "cannot tell the format of 'b.xlsx'"),
        (("in", "-o", "b.csv"), 4, "classes.txt' is missing"),
        ((lines, "-o", "b.csv", "--gt", "none.json"), 2, "none.json"),
    ):
        done = detcli("convert", *arguments)
        assert done.code == code, done.err
        assert message in done.err
        assert len(done.err.strip().splitlines()) <= 3
    assert sorted(path.name for path in Path().iterdir()) == before


def test_python_converts_too(lines: Path) -> None:
    stats = package.convert_results(lines, ["again.json", "again.csv"])
    assert (stats.images, stats.failed, stats.outputs) == (5, 1, (Path("again.json"), Path("again.csv")))
    with pytest.raises(package.OutputError, match="exists"):
        package.convert_results(lines, "again.json")


def test_the_two_commands_to_convert_name_each_other(detcli: Detcli) -> None:
    results, checkpoints = (
        " ".join(detcli(*words, "--help").out.split()) for words in (["convert"], ["models", "convert"])
    )
    assert "Checkpoints are converted by 'detcli models convert'" in results
    assert "Results are converted by 'detcli convert'" in checkpoints


@pytest.mark.parametrize("name", ["best.pth", "model.safetensors", "model.onnx"])
def test_a_model_is_no_result(name: str, images: Path, detcli: Detcli) -> None:
    Path(name).write_bytes(b"PK\x03\x04")
    done = detcli("convert", name, "-o", "out.json")
    assert done.code == 2
    assert f"'{name}' is a file of a model, not of results" in done.err
