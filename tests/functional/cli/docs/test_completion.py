"""Completion: the scripts are valid, offer what the command tree has, and start no Python."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.docs.completion_scripts import SHELLS
from detcli.cli.main import ALIASES, COMMANDS
from tests.helpers.cli_runs import Run


def script(detcli: Callable[..., Run], shell: str, folder: Path) -> Path:
    path = folder / f"detcli.{shell}"
    path.write_text(detcli("completion", shell).out)
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_the_shell_can_read(detcli: Callable[..., Run], tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    done = subprocess.run([shell, "-n", str(script(detcli, shell, tmp_path))], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_starts_no_detcli(detcli: Callable[..., Run], shell: str) -> None:
    text = detcli("completion", shell).out
    assert "$(detcli" not in text
    assert "python -c" not in text


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("detcli ", {*COMMANDS, *ALIASES}),
        ("detcli mod", {"models"}),
        ("detcli --ver", {"--version", "--verbose"}),
        ("detcli models ", {"convert", "list", "info", "path", "verify", "remove", "compiled"}),
        ("detcli detect --thr", {"--threshold"}),
        ("detcli predict --if-exists ", {"error", "overwrite", "skip"}),
        ("detcli detect --if-exists = o", {"overwrite"}),
        ("detcli detect -m dfine-n", {"dfine-n"}),
        ("detcli detect a.jpg -f co", {"coco", "coco-results"}),
        ("detcli download ", set(CATALOG)),
        ("detcli completion ", {"bash", "zsh", "fish"}),
        ("detcli detect ", set()),  # bash completes files
        ("detcli detect -o ", set()),
    ],
)
def test_bash_offers_what_fits(detcli: Callable[..., Run], tmp_path: Path, line: str, offered: set[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    words = line.split(" ")
    press_tab = (
        f'source "{script(detcli, "bash", tmp_path)}"; COMP_WORDS=({" ".join(repr(word) for word in words)}); '
        f'COMP_CWORD={len(words) - 1}; _detcli; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run([bash, "-c", press_tab], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("detcli ", {*COMMANDS, *ALIASES}),
        ("detcli detect --thr", {"--threshold"}),
        ("detcli detect --if-exists ", {"error", "overwrite", "skip"}),
        ("detcli models verify dfine-n", {"dfine-n"}),
    ],
)
def test_fish_offers_what_fits(detcli: Callable[..., Run], tmp_path: Path, line: str, offered: set[str]) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not here")
    press_tab = f'source "{script(detcli, "fish", tmp_path)}"; complete -C"{line}"'
    done = subprocess.run([fish, "-c", press_tab], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    found = {row.split("\t")[0] for row in done.stdout.splitlines()}
    assert offered <= found
