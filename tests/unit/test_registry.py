"""A registry lists without importing, imports on use, and tells a missing package from a slip of ours."""

import sys

import pytest

from detcli.errors import UsageError
from detcli.registry import Registry


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


def test_an_unknown_name_is_a_key_error() -> None:
    registry: Registry[object] = Registry("thing", {})
    with pytest.raises(KeyError):
        registry["b"]


def test_a_missing_extra_names_what_to_install() -> None:
    registry: Registry[object] = Registry("runtime", {"a": "no_such_package.module:X"}, {"a": "onnx"})
    with pytest.raises(UsageError, match=r"runtime 'a' needs the package 'no_such_package'.*detcli\[onnx\]"):
        registry["a"]


def test_a_slip_inside_detcli_is_not_called_a_missing_package() -> None:
    registry: Registry[object] = Registry("runtime", {"a": "detcli.no_such_room:X"}, {"a": "onnx"})
    with pytest.raises(ModuleNotFoundError, match="no_such_room"):
        registry["a"]
