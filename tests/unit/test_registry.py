"""A registry lists without importing, imports on first use, and reads the entry points of other packages."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.registry import Registry
from tests.helpers.plug_in_package import install

Install = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package whose entry points are `lines` in the group `detcli.things`."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_package(lines: str, name: str = "acme-detcli") -> None:
        install(tmp_path, {"detcli.things": lines}, name=name)

    return install_package


def things(**how: object) -> Registry[object]:
    return Registry("thing", {"a": "colorsys:rgb_to_hsv"}, group="detcli.things", **how)  # type: ignore[arg-type]


def test_listing_imports_nothing() -> None:
    sys.modules.pop("colorsys", None)
    registry: Registry[object] = Registry("thing", {"a": "colorsys:rgb_to_hsv"})
    assert list(registry) == ["a"]
    assert len(registry) == 1
    assert "a" in registry
    assert "b" not in registry
    assert registry.get("b") is None
    assert "colorsys" not in sys.modules
    assert callable(registry["a"])
    assert "colorsys" in sys.modules


def test_an_entry_may_be_the_object_itself() -> None:
    registry: Registry[object] = Registry("thing", {"a": 7})
    assert registry["a"] == 7


def test_an_unknown_name_is_a_key_error() -> None:
    registry: Registry[object] = Registry("thing", {})
    with pytest.raises(KeyError):
        registry["b"]


def test_a_missing_extra_names_what_to_install() -> None:
    registry: Registry[object] = Registry("runtime", {"a": "no_such_package.module:X"}, {"a": "timm"})
    with pytest.raises(UsageError, match=r"runtime 'a' needs the package 'no_such_package'.*pip install timm"):
        registry["a"]


def test_a_bug_inside_detcli_is_not_called_a_missing_package() -> None:
    registry: Registry[object] = Registry("runtime", {"a": "detcli.no_such_module:X"}, {"a": "timm"})
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry["a"]


def test_plug_ins_are_listed_after_the_built_in_names(installed: Install) -> None:
    installed("z = math:pi\nb = math:e")
    registry = things()
    assert list(registry) == ["a", "b", "z"]
    assert (registry.built_in(), registry.plug_ins(), len(registry)) == (("a",), ("b", "z"), 3)
    assert "b" in registry
    assert 2.7 < registry["b"] < 2.8  # type: ignore[operator]


def test_without_a_group_no_plug_in_is_found(installed: Install) -> None:
    installed("b = math:e")
    registry: Registry[object] = Registry("thing", {})
    assert list(registry) == []


@pytest.mark.parametrize("value", ["no_such_package.x:Y", "math:nothing"])
def test_a_plug_in_that_cannot_be_loaded_names_its_package(installed: Install, value: str) -> None:
    installed(f"b = {value}")
    with pytest.raises(UsageError, match=r"cannot load the thing 'b' of the package 'acme-detcli': \w+Error: .*update"):
        things()["b"]


def test_a_plug_in_that_the_check_refuses_names_its_package(installed: Install) -> None:
    def check(name: str, entry: object) -> None:
        raise ValueError(f"{name} is not a thing")

    installed("b = math:e")
    with pytest.raises(UsageError, match=r"of the package 'acme-detcli': ValueError: b is not a thing"):
        things(check=check)["b"]


def test_a_plug_in_with_a_built_in_name_is_refused(installed: Install) -> None:
    installed("a = math:e")
    registry = things()
    assert list(registry) == ["a"]
    with pytest.raises(
        UsageError, match=r"'detcli' and 'acme-detcli' both define the thing 'a': uninstall 'acme-detcli'"
    ):
        registry["a"]


def test_two_plug_ins_of_one_name_are_refused(installed: Install) -> None:
    installed("b = math:e")
    installed("b = math:pi", name="other-detcli")
    with pytest.raises(UsageError, match=r"both define the thing 'b'"):
        things()["b"]
