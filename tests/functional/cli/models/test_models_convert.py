"""`detcli models convert`: a .pth goes in, a folder comes out that detects; or one line and an exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from detcli.models.dfine import FAMILY
from detcli.models.dfine.published import published_config
from detcli.structures.dataset_labels import COCO_80
from tests.helpers.cli_runs import Run
from tests.helpers.original_layouts import dfine

NAMES = ("person", "dog", "traffic light")
Detcli = Callable[..., Run]

IN_A_PROCESS_OF_ITS_OWN = (
    "test_a_file_becomes_a_folder_that_detects",
    "test_a_file_that_would_run_code_is_refused_in_one_line",
    "test_what_cannot_be_is_one_line_and_an_exit_code",
)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A D-FINE-N of three classes as its own repository saves it, for images of 320."""
    path = tmp_path_factory.mktemp("original") / "best_stg1.pth"
    config = published_config("n", NAMES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = FAMILY.build(config).state_dict()
    tensors = dfine(FAMILY.write_weights(state, config), grid_hw=(320, 320), strides=(16, 32))
    torch.save({"model": {}, "ema": {"module": tensors, "updates": 1}, "last_epoch": 3}, path)
    return path


@pytest.fixture(scope="session")
def coco_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A D-FINE-N of 80 classes, for images of 64 x 96."""
    path = tmp_path_factory.mktemp("coco") / "dfine_n_coco.pth"
    config = published_config("n", COCO_80)
    tensors = dfine(FAMILY.write_weights(FAMILY.build(config).state_dict(), config), grid_hw=(64, 96), strides=(16, 32))
    torch.save({"model": tensors}, path)
    return path


def test_a_file_becomes_a_folder_that_detects(original: Path, detcli: Detcli, images: Path) -> None:
    done = detcli("models", "convert", original, "-o", "made", "--labels", "person, dog,traffic light")
    assert done.code == 0, done.err
    assert done.out == ""
    assert f"'{original}': recognized as D-FINE-N\n" in done.err
    assert "its weights are the moving average (EMA)" in done.err
    assert "'made': model with 3 classes ('person' to 'traffic light'), 15" in done.err
    assert sorted(path.name for path in Path("made").iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    found = detcli("detect", images / "0.png", "-m", "made", "-f", "jsonl", "-t", "0")
    assert found.code == 0, found.err
    ids = {one["label"]: one["category_id"] for one in json.loads(found.out)["detections"]}
    assert ids.items() <= {"person": 0, "dog": 1, "traffic light": 2}.items()
    assert json.loads(Path("made/preprocessor_config.json").read_text())["size"] == {"height": 320, "width": 320}


def test_names_come_from_a_file_too(original: Path, detcli: Detcli, images: Path) -> None:
    Path("names.txt").write_text("one\ntwo\nthree\n")
    done = detcli("models", "convert", original, "-o", "made", "--labels", "names.txt", "-q")
    assert (done.code, done.err) == (0, "")
    assert json.loads(Path("made/config.json").read_text())["id2label"]["1"] == "two"


def test_a_list_of_names_may_be_longer_than_a_file_name(original: Path, detcli: Detcli, images: Path) -> None:
    for count in (2, 80, 1000):
        names = ",".join(f"a class with a long name {number}" for number in range(count))
        done = detcli("models", "convert", original, "-o", "made", "--labels", names)
        assert (done.code, done.err) == (
            5,
            f"detcli: '{original}': the weights have 3 classes, but --labels has {count} names\n",
        )
    done = detcli("models", "convert", original, "-o", "made", "--labels", ",".join("abc"[i] * 300 for i in range(3)))
    assert done.code == 0, done.err


def test_one_name_of_a_folder_is_a_name_and_a_broken_link_is_told(original: Path, detcli: Detcli, images: Path) -> None:
    Path("cat").mkdir()
    assert "--labels has 1 names" in detcli("models", "convert", original, "-o", "made", "--labels", "cat").err
    Path("link").symlink_to("missing")
    done = detcli("models", "convert", original, "-o", "made", "--labels", "link")
    assert done.code == 2
    assert "cannot read the class names in 'link'" in done.err


def test_a_name_given_twice_is_told(original: Path, detcli: Detcli, images: Path) -> None:
    done = detcli("models", "convert", original, "-o", "made", "--labels", "one,two,two")
    assert done.code == 0, done.err
    assert "--labels: 'two' is the name of several classes" in done.err
    assert "names more" not in detcli("models", "convert", original, "-o", "holes", "--labels", "N/A,two,N/A").err


def test_detecting_with_a_file_that_does_not_tell_all_names_the_command(
    original: Path, detcli: Detcli, images: Path
) -> None:
    done = detcli("detect", images, "-m", original)
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert "have 3 classes, and the file does not have their names; convert it with labels" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["none.pth", "-o", "made"], 5, "no such file: 'none.pth'"),
        (["in", "-o", "made"], 5, "'in' is not a file"),
        (["in/0.png", "-o", "made"], 5, "not a PyTorch file"),
        (["in/0.png"], 2, "missing option '-o'"),
        (["in/0.png", "-o", "in"], 8, "the folder 'in' is not empty: --if-exists overwrite (or -y) replaces"),
        (["in/0.png", "-o", "made", "--labels", "a,,b"], 2, "neither a file nor a comma-separated list"),
        (["in/0.png", "-o", "made", "--labels", "none.txt"], 2, "neither a file nor a comma-separated list"),
    ],
)
def test_what_cannot_be_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, sentence: str, detcli: Detcli, images: Path
) -> None:
    done = detcli("models", "convert", *arguments)
    assert done.code == code
    assert sentence in done.err
    assert not Path("made").exists()


def test_a_folder_that_is_there_is_left_alone_when_asked_to(detcli: Detcli, images: Path) -> None:
    done = detcli("models", "convert", "none.pth", "-o", "in", "--if-exists", "skip")
    assert (done.code, done.err) == (0, "detcli: 'in' exists; skipped\n")


def test_a_file_that_would_run_code_is_refused_in_one_line(detcli: Detcli, images: Path, tmp_path: Path) -> None:
    import os

    class RunsCode:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch '{tmp_path / 'canary'}'",)

    torch.save({"model": RunsCode()}, "evil.pth")
    for arguments in (["models", "convert", "evil.pth", "-o", "made"], ["detect", "in", "-m", "evil.pth"]):
        done = detcli(*arguments)
        assert done.code == 5
        assert done.err.count("\n") == 1
        assert "which could execute code" in done.err
    assert not Path("canary").exists()


def test_what_is_assumed_is_printed_once_and_can_be_said(original: Path, detcli: Detcli, images: Path) -> None:
    labels = ("--labels", "person,dog,traffic light")
    done = detcli("models", "convert", original, "-o", "made", *labels)
    assert done.err.count("assumed, because the file does not tell: num_queries=300, decoder_method=default, ") == 1
    assumed = json.loads(Path("made/config.json").read_text())["assumed"]
    assert json.loads(detcli("models", "info", "made", "--json").out)["assumed"] == assumed
    assert "assumed     num_queries=300, " in detcli("models", "info", "made").out
    found = detcli("detect", images / "0.png", "-m", "made", "--header")
    assert json.loads(found.out.splitlines()[0])["detcli"]["assumed"] == assumed
    assert "assumed" not in found.err
    said = detcli(
        "models",
        "convert",
        original,
        "-o",
        "said",
        *labels,
        "--field",
        "num_queries=50",
        "--field",
        "decoder_method=discrete",
    )
    assert "does not tell: eval_idx=-1, " in said.err
    config = json.loads(Path("said/config.json").read_text())
    assert (config["num_queries"], config["decoder_method"]) == (50, "discrete")


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("num_queries", "a field of config.json is set as NAME=VALUE, such as num_queries=500"),
        ("d_model=64", "--field: 'd_model' cannot be given for this file, only num_queries, decoder_method"),
        ("num_queries=none", "--field: 'num_queries' is 'none'; it must be an integer from 1 to 100000"),
    ],
)
def test_a_field_that_cannot_be_set_is_a_usage_error(
    assignment: str, sentence: str, original: Path, detcli: Detcli, images: Path
) -> None:
    done = detcli("models", "convert", original, "-o", "made", "--labels", "a,b,c", "--field", assignment)
    assert done.code == 2
    assert sentence in done.err
    assert not Path("made").exists()


def test_every_command_says_what_is_assumed_of_a_file(detcli: Detcli, images: Path, coco_original: Path) -> None:
    for command in (["detect", "in/0.png"], ["eval", "--data", "shapes:0:2"]):
        done = detcli(*command, "-m", coco_original)
        assert done.err.count("assumed, because the file does not tell: the 80 classes are those of COCO, ") == 1, (
            done.err
        )
