"""The public names: documented, defined once, and imported only when they are used."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import detcli
import detcli.errors

HEAVY = ("torch", "numpy", "cv2", "PIL", "av", "huggingface_hub", "scipy", "click", "rich")


@pytest.mark.parametrize("name", detcli.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(detcli, name)
    assert name in dir(detcli)
    if name != "__version__":
        documentation = inspect.getdoc(value) or ""
        assert documentation
        assert not documentation.startswith(f"{name}(")  # the text that dataclass makes by itself


def test_the_public_names_are_sorted_and_unique() -> None:
    assert detcli.__all__ == sorted(set(detcli.__all__))


def test_every_error_is_public() -> None:
    errors = {name for name, value in vars(detcli.errors).items() if inspect.isclass(value)}
    assert {name for name in errors if name.endswith("Error")} <= set(detcli.__all__)


def test_other_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'detcli' has no attribute 'nonsense'"):
        detcli.nonsense  # noqa: B018


@pytest.mark.parametrize("statement", ["import detcli", "import detcli; dir(detcli); detcli.UsageError"])
def test_importing_the_package_imports_no_heavy_library(statement: str) -> None:
    script = f"import sys; {statement}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_functions_import_no_torch_before_they_are_called() -> None:
    script = "import sys; from detcli import detect, segment, track_video; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_importing_all_names_changes_nothing_of_the_process() -> None:
    """Warning filters, loggers, the environment, and limits of Pillow stay as they are."""
    script = """
import logging, os, warnings
import PIL.Image, torch, numpy  # their own changes do not count
def state():
    return dict(os.environ), list(warnings.filters), PIL.Image.MAX_IMAGE_PIXELS, len(logging.getLogger("PIL").handlers)
before = state()
import detcli
for name in detcli.__all__:
    getattr(detcli, name)
after = state()
print([one == other for one, other in zip(before, after)])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[True, True, True, True]"


def test_the_types_of_the_package_are_published() -> None:
    assert (Path(detcli.__file__).parent / "py.typed").is_file()
