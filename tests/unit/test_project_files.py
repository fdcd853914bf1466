"""The files that a hosting site reads: citation, issue forms, workflows, change log."""

import datetime
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from detcli.version import __version__

PROJECT = Path(__file__).parents[2]
YAML_FILES = [PROJECT / "CITATION.cff", *sorted((PROJECT / ".github").rglob("*.yml"))]
FORMS = [path for path in YAML_FILES if path.parent.name == "ISSUE_TEMPLATE" and path.stem != "config"]
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((PROJECT / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))
    return read


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", YAML_FILES, ids=name_of)
def test_every_yaml_file_is_a_mapping(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_no_text_has_the_marks_of_an_unfinished_merge() -> None:
    places = [
        PROJECT / name
        for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "docs", "detcli", "tests", "benchmarks")
    ]
    files = [path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*")))]
    texts = [path for path in files if path.suffix in (".md", ".py", ".toml", ".json", ".yml", ".css", ".js", ".svg")]
    marked = [name_of(path) for path in texts if re.search(r"^(<{7}|>{7}) ", path.read_text(encoding="utf-8"), re.M)]
    assert (marked, len(texts) > 1000) == ([], True)


PAPERS = ("2410.13842", "2005.12872", "2010.04159", "2304.08069", "2407.17140")


def test_the_citation_is_valid_and_names_the_papers_of_all_networks() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == __version__
    assert citation["authors"] == [{"name": "detcli contributors"}]
    assert {"message", "title", "license", "repository-code"} <= citation.keys()
    papers = citation["references"]
    assert all({"type", "title", "authors", "year", "url"} <= paper.keys() for paper in papers)
    assert [paper["identifiers"] for paper in papers] == [
        [{"type": "other", "value": f"arXiv:{number}"}] for number in PAPERS
    ]


@pytest.mark.parametrize("path", FORMS, ids=name_of)
def test_every_issue_form_asks_for_the_output_of_doctor(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    assert [field["attributes"]["label"] for field in form["body"] if field["id"] == "doctor"] == [
        "Output of `detcli doctor`"
    ]
    identifiers = [field["id"] for field in form["body"]]
    assert len(identifiers) == len(set(identifiers))


def test_ci_runs_on_the_python_versions_of_the_classifiers() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert project["requires-python"] == f">={versions[0]}"
    assert workflow("ci")["jobs"]["tests"]["strategy"]["matrix"]["python"] == versions


def test_ci_runs_scripts_that_exist() -> None:
    steps = [step for job in workflow("ci")["jobs"].values() for step in job["steps"]]
    scripts = {step["run"] for step in steps if step.get("run", "").startswith(".ci/")}
    assert {".ci/run", ".ci/lowest"} <= scripts
    for path in sorted((PROJECT / ".ci").iterdir()):
        assert os.access(path, os.X_OK), path
    assert all((PROJECT / script).is_file() for script in scripts)


def test_the_container_gets_what_the_wheel_is_made_of() -> None:
    allowed = re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]
    needed = {*wheel["packages"], *(path.partition("/")[0] for path in wheel["shared-data"])}
    assert {*needed, "pyproject.toml", "README.md", "LICENSE"} == set(allowed)


def test_versions_in_the_changelog_are_dated_and_newest_first() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    versions = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert all(versions), headings
    dates = [datetime.date.fromisoformat(version[2]) for version in versions if version]
    assert dates == sorted(dates, reverse=True)


def test_sections_of_the_changelog_are_those_of_keep_a_changelog() -> None:
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for version in CHANGELOG.split("\n## ")[1:]:
        sections = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert len(sections) == len(set(sections)), version.splitlines()[0]


def test_the_license_page_has_every_direct_dependency() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in project["dependencies"]}
    page = (PROJECT / "docs" / "license.md").read_text(encoding="utf-8")
    table = page.split("| package | version | license |")[1].split("\n\n")[0]
    assert {row.split("|")[1].split()[0].lower() for row in table.splitlines()[2:]} == required
