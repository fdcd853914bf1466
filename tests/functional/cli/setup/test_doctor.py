"""`detcli doctor`: facts about this machine, and what to do about each that is not well."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detcli.cli.setup import checks as examination
from detcli.cli.setup import library_checks
from detcli.cli.setup.check_result import CheckResult
from tests.helpers.cli_runs import Run

PROJECT = Path(__file__).parents[4]


def test_a_working_machine_is_0_and_every_problem_has_an_advice(detcli: Callable[..., Run], tmp_path: Path) -> None:
    run = detcli("doctor", "--json", "--cache-dir", tmp_path)
    assert run.code == 0
    findings = {finding["name"]: finding for finding in json.loads(run.out)["findings"]}
    assert {
        "detcli",
        "Python",
        "torch",
        "CPU",
        "allocator",
        "reads",
        "HEIC",
        "fonts",
        "cache",
        "Hub",
    } <= findings.keys()
    assert all((finding["state"] == "good") == (finding["advice"] is None) for finding in findings.values())
    assert "JPEG, PNG" in findings["reads"]["value"]
    assert findings["cache"]["value"] == f"{tmp_path}: 0 models, 0 B"
    assert "--network checks it" in findings["Hub"]["value"] or "offline" in findings["Hub"]["value"]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_page_fits_the_screen(detcli: Callable[..., Run], columns: int) -> None:
    run = detcli("doctor", "--cache-dir", "/c", env={"COLUMNS": str(columns)})
    assert run.code == 0
    assert max(len(line) for line in run.out.splitlines()) <= columns
    assert "detcli works" in run.out


def test_something_broken_is_1_and_says_what_to_do(detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Iterator[CheckResult]:
        yield CheckResult("Images", "JPEG", "not read", "bad", "mend it")

    monkeypatch.setattr(examination, "_codecs", found)
    run = detcli("doctor")
    assert run.code == 1
    assert "x JPEG" in run.out
    assert "-> mend it" in run.out
    assert "1 check failed" in run.out


def test_a_look_that_fails_is_a_finding_and_the_others_go_on(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[CheckResult]:
        raise RuntimeError("no such thing")
        yield

    monkeypatch.setattr(examination, "_fonts", broken)
    run = detcli("doctor")
    assert run.code == 1
    assert "x fonts           RuntimeError: no such thing" in run.out
    assert "free disk space" in run.out


def test_a_hub_that_does_not_answer_is_a_warning(detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    run = detcli("doctor", "--network", "--json")
    assert run.code == 0
    hub = next(finding for finding in json.loads(run.out)["findings"] if finding["name"] == "Hub")
    assert hub["state"] == "warning"
    assert "no answer from http://127.0.0.1:9" in hub["value"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "offline" in detcli("doctor", "--network").out


def finding(detcli: Callable[..., Run], name: str, *, code: int = 0) -> dict[str, str]:
    run = detcli("doctor", "--json")
    assert run.code == code
    return next(one for one in json.loads(run.out)["findings"] if one["name"] == name)


def test_something_of_every_dependency_is_called() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in declared}
    assert names == {*library_checks.LIBRARIES, "opencv-python"}


def test_a_library_that_computes_something_wrong_is_bad(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pycocotools.mask

    monkeypatch.setattr(pycocotools.mask, "area", lambda mask: 0)
    broken = finding(detcli, "pycocotools", code=1)
    assert (broken["state"], broken["advice"]) == ("bad", "pip install --force-reinstall pycocotools")
    assert broken["value"] == "RuntimeError: it is loaded, but computes a wrong result"


def test_a_missing_library_of_the_system_is_named(detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(module: object) -> None:
        raise ImportError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(library_checks, "LIBRARIES", {"torch": ("torch", fails)})
    broken = finding(detcli, "torch", code=1)
    assert broken["value"] == "the system library libgomp.so.1 is missing"
    assert broken["advice"] == "install the package of your system that has libgomp.so.1"


def test_two_packages_of_opencv_are_a_warning_with_the_remedy(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["opencv-python", "opencv-python-headless"]
    monkeypatch.setattr(library_checks, "opencv_packages", lambda: both)
    monkeypatch.setattr("detcli.opencv.opencv_packages", lambda: both)
    monkeypatch.setattr(library_checks.metadata, "version", lambda package: "5.0")
    opencv = finding(detcli, "OpenCV")
    assert opencv["state"] == "warning"
    assert opencv["value"] == "opencv-python 5.0 and opencv-python-headless 5.0 are installed into one folder"
    remedy = "pip uninstall -y opencv-python opencv-python-headless, then pip install opencv-python"
    assert opencv["advice"].startswith(f"uninstalling one of them breaks the other: {remedy}")
