"""The recipes of docs/contributing work: each page is followed in a copy of the repository, and what it adds is used."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.contributing_pages import PAGES, copy_of_the_repository, follow, new_files
from tests.helpers.processes import PROJECT

RECIPES = ("formats.md", "sources.md", "families.md", "commands.md")
CONTRACTS = (
    "tests/unit/test_contracts.py",
    "tests/unit/test_layers.py",
    "tests/unit/test_doc_links.py",
    "tests/unit/io/results/test_formats.py",
    "tests/unit/sinks/results/test_tsv.py",
)
# The shell blocks say `detcli` and `python`, which are those of the copy.
PROGRAMS = """
python() { "$PYTHON" "$@"; }
detcli() { "$PYTHON" -m detcli "$@"; }
"""


def run(repository: Path, *command: str) -> str:
    """Run a command in the copy; its output."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "PYTHON": sys.executable, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The repository with all recipes, after the commands of every page."""
    repository = copy_of_the_repository(tmp_path_factory.mktemp("repository"))
    folders = {}
    for page in RECIPES:
        commands = follow(page, repository)
        folders[page] = tmp_path_factory.mktemp("work")
        commands = [line for line in commands if not line.startswith("python -m pytest")]  # CONTRACTS runs them
        script = f"cd '{folders[page]}'\n" + "\n".join(commands)
        run(repository, "bash", "-euc", PROGRAMS + script.replace("python -m detcli.cli.docs.generate", "true"))
    run(repository, sys.executable, "-m", "detcli.cli.docs.generate")
    return {**folders, "": repository}


@pytest.mark.skipif(sys.platform == "win32", reason="the pages have commands of a POSIX shell")
class TestRecipes:
    """One copy of the repository has all recipes."""

    def test_the_format_is_written_and_read(self, followed: dict[str, Path]) -> None:
        rows = [row.split("\t") for row in lines_of(followed["formats.md"] / "out.tsv")]
        assert {row[0] for row in rows} == {f"{number}.jpg" for number in range(1, 7)}
        assert {len(row) for row in rows} == {7}

    def test_the_source_reads_its_images(self, followed: dict[str, Path]) -> None:
        records = [json.loads(line) for line in lines_of(followed["sources.md"] / "out.jsonl")]
        assert [record["file"] for record in records] == [
            f"zip:photos.zip/images/{number}.jpg" for number in range(1, 7)
        ]
        assert all(record["detections"] for record in records)

    def test_the_family_is_trained_and_detects(self, followed: dict[str, Path]) -> None:
        folder = followed["families.md"]
        assert json.loads((folder / "runs" / "grid" / "last" / "config.json").read_text())["model_type"] == "grid"
        assert any(json.loads(line)["detections"] for line in lines_of(folder / "out.jsonl"))

    def test_the_command_works_and_has_a_manual_page(self, followed: dict[str, Path]) -> None:
        results = str(followed["commands.md"] / "out.jsonl")
        counted = run(followed[""], sys.executable, "-m", "detcli", "classes", results)
        detections = sum(len(json.loads(line)["detections"]) for line in lines_of(Path(results)))
        assert sum(int(line.split()[0]) for line in counted.splitlines()) == detections
        assert "detcli classes out.jsonl" in (followed[""] / "man" / "detcli-classes.1").read_text()

    def test_what_the_recipes_add_keeps_every_contract(self, followed: dict[str, Path]) -> None:
        run(followed[""], sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CONTRACTS)


def test_every_page_with_changes_is_followed() -> None:
    with_changes = {page.name for page in PAGES.glob("*.md") if 'title="' in page.read_text(encoding="utf-8")}
    assert with_changes == set(RECIPES)


def test_the_family_also_works_from_a_package_of_its_own(tmp_path: Path) -> None:
    package, info = tmp_path / "site" / "acme_grid", tmp_path / "site" / "acme_grid-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    for name, text in new_files("families.md").items():
        (package / Path(name).name).write_text(text.replace("detcli.models.grid", "acme_grid"), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-grid\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[detcli.families]\ngrid = acme_grid:FAMILY\n")
    (tmp_path / "config.json").write_text('{"model_type": "grid", "id2label": {"0": "circle"}}')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(tmp_path / "site")])}
    options = "-m config.json --scratch --data shapes:0:8 --val shapes:1:2 --epochs 1 --imgsz 64 64 -d cpu -o run"
    done = subprocess.run(
        [sys.executable, "-m", "detcli", "train", *shlex.split(options)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "best" / "config.json").read_text())["model_type"] == "grid"
