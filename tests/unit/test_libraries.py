"""Faults of other libraries become a sentence with the cause and the remedy; bugs of detcli stay bugs."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from detcli.errors import LibraryError, UsageError
from detcli.libraries import library_error

NO_LIBRARY = "libGL.so.1: cannot open shared object file: No such file or directory"
OTHER_NUMPY = "module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000"


def fault(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str) -> LibraryError | None:
    """What is told of a library with this content, when it is imported."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(content)
    monkeypatch.syspath_prepend(folder)
    try:
        import_module(name)
    except Exception as error:
        return library_error(error)
    finally:
        sys.modules.pop(name, None)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"raise ImportError({NO_LIBRARY!r})", "because the system library libGL.so.1 is missing: install"),
        (f"raise OSError({NO_LIBRARY!r})", "because the system library libGL.so.1 is missing: install"),
        (f"raise RuntimeError({OTHER_NUMPY!r})", "cannot be loaded (RuntimeError: module compiled against"),
        ("raise AttributeError('_ARRAY_API not found')", "(AttributeError: _ARRAY_API not found): pip install --force-reinstall"),
        ("import no_such_module_at_all", "(ModuleNotFoundError: No module named 'no_such_module_at_all'): pip install"),
        ("from json import no_such_name", "cannot import name 'no_such_name'"),
        ("1 / 0", "cannot be loaded (ZeroDivisionError: division by zero)"),
    ],
)  # fmt: skip
def test_a_library_that_fails_at_import_is_named(
    content: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = fault(tmp_path, monkeypatch, "brokenlibrary", content)
    assert isinstance(error, UsageError)
    assert str(error).startswith("brokenlibrary ")
    assert sentence in str(error)


def test_the_library_that_another_one_imports_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "innerlibrary.py").write_text("raise RuntimeError('damaged')")
    error = fault(tmp_path, monkeypatch, "outerlibrary", "import innerlibrary")
    assert str(error).startswith("innerlibrary cannot be loaded (RuntimeError: damaged)")


def test_a_library_that_is_not_installed_is_named_with_its_package() -> None:
    error = library_error(ModuleNotFoundError("No module named 'yaml'", name="yaml"))
    assert str(error) == "pyyaml is not installed: pip install pyyaml"


def test_a_torch_for_another_numpy_is_told() -> None:
    assert "pip install --upgrade torch numpy" in str(library_error(RuntimeError("Numpy is not available")))


@pytest.mark.parametrize("call", [lambda: json.loads("{"), lambda: 1 / 0])
def test_errors_that_libraries_raise_when_called_stay_bugs(call: Callable[[], object]) -> None:
    with pytest.raises((ValueError, ZeroDivisionError)) as caught:
        call()
    assert library_error(caught.value) is None


def test_a_missing_module_of_detcli_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        import_module("detcli.no_such_module")
    assert library_error(caught.value) is None
