"""A `detcli.toml` that a stranger left in the current folder: what it cannot do, and how it is trusted."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import detcli as package
from detcli.cli.framework.settings import settings_files, user_file
from detcli.datasets.shapes import draw
from tests.helpers.cli_runs import Run, image

SAVE = "the user's own file"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim.json"
    path.write_text(SAVE)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with one image."""
    inner = tmp_path / "folder"
    image(inner / "a.png")
    monkeypatch.chdir(inner)
    return inner


def refused(run: Run, *keys: str) -> None:
    """The run has ended before it did anything, and the message names the keys."""
    assert (run.code, run.out) == (2, "")
    assert "detcli.toml of the current folder may not set this: " in run.err
    assert "'--config detcli.toml' if you trust the file" in run.err
    for key in keys:
        assert f"{key}: " in run.err


@pytest.mark.parametrize(
    ("arguments", "table", "key"),
    [
        (("detect", "a.png", "-m", "shapes"), "detect", "output"),
        (("detect", "a.png", "-m", "shapes"), "detect", "save-images"),
        (("detect", "a.png", "-m", "shapes"), "detect", "save-crops"),
        (("segment", "a.png"), "segment", "save-masks"),
        (("video", "a.mp4", "-m", "shapes"), "video", "save-video"),
        (("eval", "--data", "shapes:0:2", "-m", "shapes"), "eval", "save-plots"),
        (("eval", "--data", "shapes:0:2", "-m", "shapes"), "eval", "save-worst"),
        (("train", "--data", "shapes:0:2"), "train", "output"),
        (("demo",), "demo", "output"),
        (("models", "convert", "x.pth"), "models.convert", "output"),
    ],
)
def test_no_command_writes_where_the_folder_says(
    detcli: Callable[..., Run], folder: Path, victim: Path, arguments: tuple[str, ...], table: str, key: str
) -> None:
    before = sorted(folder.parent.rglob("*"))
    for path in (str(victim), "../victim.json"):
        (folder / "detcli.toml").write_text(f"[{table}]\n{key} = {json.dumps(path)}\nif-exists = 'overwrite'")
        refused(detcli(*arguments), f"[{table}] {key}", f"[{table}] if-exists")
        (folder / "detcli.toml").unlink()
    assert victim.read_text() == SAVE
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_no_link_leads_an_output_out(detcli: Callable[..., Run], folder: Path, victim: Path) -> None:
    (folder / "detcli.toml").write_text('[detect]\noutput = "out.json"\nsave-images = "drawn"')
    (folder / "out.json").symlink_to(victim)
    (folder / "drawn").mkdir()
    (folder / "drawn/a.png").symlink_to(victim)
    refused(detcli("detect", "a.png", "-m", "shapes", "-y"), "[detect] output", "[detect] save-images")
    assert victim.read_text() == SAVE


@pytest.mark.parametrize("line", ['if-exists = "overwrite"', "yes = true", "resume = true"])
def test_the_folder_never_chooses_to_overwrite(detcli: Callable[..., Run], folder: Path, line: str) -> None:
    (folder / "out.json").write_text(SAVE)
    (folder / "detcli.toml").write_text(f"[detect]\n{line}")
    refused(detcli("detect", "a.png", "-m", "shapes", "-o", "out.json"))
    assert (folder / "out.json").read_text() == SAVE


@pytest.mark.parametrize(
    ("table", "line", "arguments"),
    [
        ("detect", 'model = "./evil"', ("detect", "a.png")),
        ("detect", 'model = "owner/evil"', ("detect", "a.png")),
        ("video", 'model = "evil.pth"', ("video", "a.mp4")),
        ("eval", 'model = "evil"', ("eval", "--data", "shapes:0:2")),
        ("train", 'model = "evil"', ("train", "--data", "shapes:0:2", "-n")),
        ("train", 'data = "/home"', ("train", "-n")),
        ("train", 'recipe = "evil.toml"', ("train", "--data", "shapes:0:2", "-n")),
        ("eval", 'gt = "evil.json"', ("eval", "r.json")),
        ("detect", 'revision = "evil"', ("detect", "a.png")),
        ("detect", 'cache-dir = "evil"', ("detect", "a.png")),
        ("download", 'cache-dir = "evil"', ("download", "dfine-s")),
        ("models.remove", "yes = true", ("models", "remove", "dfine-s")),
        ("detect", "offline = false", ("detect", "a.png")),
        ("detect", "max-pixels = 1000000000", ("detect", "a.png")),
        ("detect", 'files-from = "/etc/passwd"', ("detect",)),
        ("detect", 'font = "/dev/zero"', ("detect", "a.png")),
        ("doctor", "network = true", ("doctor",)),
    ],
)
def test_the_folder_chooses_nothing_that_reads_or_sends(
    detcli: Callable[..., Run], folder: Path, table: str, line: str, arguments: tuple[str, ...]
) -> None:
    (folder / "evil").mkdir()
    (folder / "detcli.toml").write_text(f"[{table}]\n{line}")
    refused(detcli(*arguments), f"[{table}] {line.partition(' ')[0]}")


def test_a_global_option_cannot_hide_what_is_used(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text("quiet = true\n[detect]\nthreshold = 0.9")
    refused(detcli("detect", "a.png", "-m", "shapes"), "quiet")


def test_an_option_or_a_variable_replaces_what_is_refused(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text('[detect]\nmodel = "./evil"\noutput = "/evil"\nthreshold = 0.9')
    given = detcli("detect", "a.png", "-m", "shapes", "-o", "-")
    assert given.code == 0, given.err
    variables = {"DETCLI_DETECT_MODEL": "shapes", "DETCLI_DETECT_OUTPUT": "-"}
    assert detcli("detect", "a.png", env=variables).code == 0
    (folder / "mine.toml").write_text('[detect]\nmodel = "shapes"\noutput = "-"')
    assert detcli("detect", "a.png", "--config", "mine.toml").code == 0


def test_other_tables_do_not_stop_a_command(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text('[detect]\nmodel = "./evil"')
    assert detcli("models", "list").code == 0


@pytest.mark.parametrize("how", ["option", "variable", "own variable", "user's file", "dot"])
def test_a_file_that_the_user_names_is_trusted(
    detcli: Callable[..., Run], folder: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    text = f'[detect]\nmodel = "shapes"\noutput = {json.dumps(str(victim))}\nif-exists = "overwrite"'
    (folder / "detcli.toml").write_text(text)
    arguments = {"option": ("--config", "detcli.toml"), "dot": ("--config", "./../folder/detcli.toml")}.get(how, ())
    if how in ("variable", "own variable"):
        monkeypatch.setenv("DETCLI_CONFIG" if how == "variable" else "DETCLI_DETECT_CONFIG", "detcli.toml")
    if how == "user's file":
        user_file().parent.mkdir()
        user_file().write_text(text)
        (folder / "detcli.toml").unlink()
    run = detcli("detect", "a.png", *arguments)
    assert run.code == 0, run.err
    assert json.loads(victim.read_text())["images"]


def test_harmless_settings_and_new_outputs_are_followed(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text(
        'color = "never"\n[detect]\nmodel = "shapes"\nthreshold = 0.9\noutput = "out/a.json"\nsave-images = "drawn"\n'
        'if-exists = "error"\nyes = false'
    )
    run = detcli("detect", "a.png")
    assert run.code == 0, run.err
    assert json.loads((folder / "out/a.json").read_text())["images"]
    assert (folder / "drawn/a.png").exists()
    again = detcli("detect", "a.png")
    assert again.code != 0
    assert "exists" in again.err


def test_one_line_says_which_files_and_settings_are_used(detcli: Callable[..., Run], folder: Path) -> None:
    user_file().parent.mkdir()
    user_file().write_text("[detect]\nlimit = 3\nthreshold = 0.1")
    (folder / "detcli.toml").write_text('[detect]\nthreshold = 0.9\nmax-det = 7\n[eval]\nmodel = "shapes"')
    run = detcli("detect", "a.png", "-m", "shapes", "-o", "-", "--max-det", "5")
    lines = [line for line in run.err.splitlines() if "settings of" in line]
    assert lines == [f"detcli: settings of '{user_file()}' (limit) and 'detcli.toml' (threshold)"]
    assert "settings of" not in detcli("detect", "a.png", "-m", "shapes", "-q").err
    assert "settings of" not in detcli("models", "list").err
    logged = detcli("detect", "a.png", "-m", "shapes", "--log-format", "json").err.splitlines()[0]
    assert json.loads(logged)["settings"]["detcli.toml"] == ["threshold", "max-det"]


def test_config_show_tells_values_and_what_is_refused(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text('quiet = true\n[detect]\nmodel = "./evil"\nthreshold = 0.9\noutput = "/x"')
    run = detcli("config", "show", "detect", "--json")
    assert (run.code, run.err) == (0, "")
    document = json.loads(run.out)
    values = document["commands"]["detect"]
    assert values["model"] == {"value": "dfine-s", "origin": "default", "source": None}
    assert values["threshold"] == {"value": 0.9, "origin": "folder", "source": "detcli.toml"}
    assert [(one["command"], one["key"], one["value"]) for one in document["refused"]] == [
        ("detect", "quiet", True), ("detect", "model", "./evil"), ("detect", "output", "/x"),
    ]  # fmt: skip
    assert all(one["reason"] and one["source"] == "detcli.toml" for one in document["refused"])
    lines = detcli("config", "show", "detect").out.splitlines()
    assert "# refused: model = \"./evil\" of detcli.toml: './evil' is not a name of 'detcli models list'" in lines
    assert detcli("config", "path").code == 0
    trusted = json.loads(detcli("config", "show", "detect", "--json", "--config", "detcli.toml").out)
    assert trusted["refused"] == []
    assert trusted["commands"]["detect"]["model"]["value"] == "./evil"


@pytest.mark.parametrize(
    "text", ["[detect]\nmodle = './evil'", "[detect]\nmodel = 3", "[detcet]\nyes = true", "yes = true"]
)
def test_misspelt_keys_and_wrong_types_are_told_as_before(detcli: Callable[..., Run], folder: Path, text: str) -> None:
    (folder / "detcli.toml").write_text(text)
    run = detcli("detect", "a.png")
    assert run.code == 2
    assert run.err.startswith("detcli: detcli.toml: ")


@pytest.mark.skipif(sys.platform == "win32", reason="APPDATA is absolute there")
@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_a_relative_home_makes_no_file_of_the_folder_the_users(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv(variable, "evil")
    for path in ("evil/detcli", "evil/.config/detcli"):
        (folder / path).mkdir(parents=True)
        (folder / path / "config.toml").write_text('[detect]\nmodel = "./evil"')
    assert all(not file.path.is_file() for file in settings_files(None))


@pytest.mark.parametrize("text", ['[detect]\noutput = "/x"\nmodel = "./evil"\nthreshold = 1.0', "not TOML at all"])
def test_python_reads_no_settings_file(folder: Path, text: str) -> None:
    (folder / "detcli.toml").write_text(text)
    Image.fromarray(draw(0, 1)[0]).save(folder / "a.png")
    package.detect("a.png", outputs="out.json", model="shapes", device="cpu")
    assert json.loads((folder / "out.json").read_text())["annotations"], "at the model's threshold"
    package.evaluate(data="shapes:0:1", model="shapes", device="cpu")
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "detcli.toml", "out.json"]


def test_plots_follow_no_matplotlibrc_of_the_folder(folder: Path) -> None:
    command = [sys.executable, "-m", "detcli", "eval", "--data", "shapes:0:2", "-m", "shapes", "--device", "cpu"]
    plots, names = [], ("pr_curves.png", "confusion.png", "calibration.png", "errors.png")
    settings = ("text.usetex: True", "axes.linewidth: 9", "savefig.dpi: 7", "figure.dpi: 7", "font.size: 40")
    for number, lines in enumerate(((), settings)):
        (folder / "matplotlibrc").write_text("".join(line + "\n" for line in lines))
        run = subprocess.run([*command, "--save-plots", f"p{number}"], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        plots.append([(folder / f"p{number}" / name).read_bytes() for name in names])
    assert plots[0] == plots[1]
