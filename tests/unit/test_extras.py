"""Messages name the packages of an extra, and these are the packages of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from detcli.extras import EXTRAS, install_command

PROJECT = Path(__file__).parents[2]
FOR_DEVELOPMENT = {"test", "dev", "docs"}  # no message advises these


def test_the_table_of_extras_is_that_of_pyproject() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for_users = {
        name: tuple(sorted(re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in requirements))
        for name, requirements in declared.items()
        if name not in FOR_DEVELOPMENT
    }
    assert dict(EXTRAS) == for_users


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_command_names_every_package_of_an_extra(extra: str) -> None:
    assert install_command(extra).split() == ["pip", "install", *EXTRAS[extra]]


def test_no_message_advises_an_extra_from_an_index() -> None:
    for path in sorted((PROJECT / "detcli").rglob("*.py")):
        if path.name != "extras.py":
            assert "detcli[" not in path.read_text(encoding="utf-8"), path


def test_the_installation_without_torch_names_all_other_packages() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in declared}
    quickstart = (PROJECT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    commands = re.search(r"^pip install --no-deps \.\npip install (.+)\n```$", quickstart, re.MULTILINE)
    assert commands is not None
    assert set(commands[1].split()) == needed - {"torch"} | {"openvino"}
