"""OpenCV that cannot be used: the cause in a clause, and the remedy."""

import ast
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from detcli import opencv
from detcli.errors import UsageError
from detcli.opencv import load_opencv, opencv_packages, opencv_problem
from tests.helpers.broken_opencv import KINDS, NO_LIBRARY, break_opencv

PACKAGE = Path(__file__).parents[2] / "detcli"
SITE = "/usr/lib/python3/site-packages"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says which packages of OpenCV are installed, and what happens when cv2 is imported."""

    def install(*packages: str, imports: object) -> None:
        monkeypatch.setattr(opencv, "opencv_packages", lambda: list(packages))

        def import_module(name: str) -> object:
            if isinstance(imports, Exception):
                raise imports
            return imports

        monkeypatch.setattr(opencv, "import_module", import_module)

    return install


def problem(*, windows: bool = False) -> tuple[str, str]:
    found = opencv_problem(windows=windows)
    assert found is not None
    return found.cause, found.remedy


def imported(**attributes: object) -> ModuleType:
    module = ModuleType("cv2")
    module.__dict__.update(attributes)
    return module


def test_the_real_opencv_works() -> None:
    assert opencv_problem() is None
    assert load_opencv("a camera needs").imencode
    assert opencv_packages()


def test_only_one_module_imports_opencv() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
                names += [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found = [name for name in names if str(name).split(".")[0] == "cv2"]
            assert not found or path == PACKAGE / "opencv.py", path


def test_a_missing_package_is_installed(installed: Any) -> None:
    installed(imports=ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    assert problem() == ("is not installed", "pip install opencv-python-headless")
    assert problem(windows=True) == ("is not installed", "pip install opencv-python")


def test_a_missing_library_is_named_with_both_ways_out(installed: Any) -> None:
    installed("opencv-python", imports=ImportError(NO_LIBRARY))
    cause, remedy = problem()
    assert cause == "cannot be loaded because the system library libGL.so.1 is missing"
    assert remedy == (
        "apt-get install libgl1 libglib2.0-0 libxcb1 (Debian, Ubuntu); "
        "or pip uninstall -y opencv-python, then pip install opencv-python-headless"
    )
    assert problem(windows=True)[1] == "apt-get install libgl1 libglib2.0-0 libxcb1 (Debian, Ubuntu)"


@pytest.mark.parametrize("library", ["libGL.so.1", "libxcb.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0"])
def test_libraries_of_slim_systems_have_their_packages(installed: Any, library: str) -> None:
    installed("opencv-python", imports=ImportError(f"{library}: cannot open shared object file: No such file"))
    assert f"{library} is missing" in problem()[0]
    assert problem()[1].startswith("apt-get install ")


def test_another_missing_library_is_named_without_a_guess(installed: Any) -> None:
    installed("opencv-python", imports=ImportError("libfoo.so.7: cannot open shared object file: No such file"))
    assert "libfoo.so.7 is missing" in problem()[0]
    assert problem()[1].startswith("install the package of your system that has it; or pip uninstall")


def test_two_packages_are_both_uninstalled_before_one_is_installed(installed: Any) -> None:
    installed("opencv-python", "opencv-python-headless", imports=imported(__file__=f"{SITE}/cv2/__init__.py"))
    cause, remedy = problem()
    assert cause == f"is not complete in '{SITE}/cv2/__init__.py'"
    both = "pip uninstall -y opencv-python opencv-python-headless"
    assert remedy == f"{both}, then pip install opencv-python-headless"


def test_what_an_uninstallation_left_is_installed_again(installed: Any) -> None:
    installed(imports=imported(__path__=[f"{SITE}/cv2"]))
    cause, remedy = problem()
    assert cause == f"is not complete in '{SITE}/cv2'"
    assert remedy == "pip install opencv-python-headless"


def test_a_file_of_the_user_that_hides_opencv_is_named(installed: Any) -> None:
    installed("opencv-python", imports=imported(__file__="/project/cv2.py"))
    cause, remedy = problem()
    assert cause == "is not complete in '/project/cv2.py'"
    assert remedy.startswith("rename it, or leave it out of PYTHONPATH")


def test_a_build_without_windows_suffices_for_all_but_windows(installed: Any) -> None:
    installed(
        "opencv-python-headless",
        imports=SimpleNamespace(imencode=lambda suffix, pixels: (True, pixels), currentUIFramework=lambda: ""),
    )
    assert opencv_problem() is None
    cause, remedy = problem(windows=True)
    assert cause == "has no windows in this build"
    assert remedy == "pip uninstall -y opencv-python-headless, then pip install opencv-python"


def test_whatever_the_import_raises_is_a_usage_error(installed: Any) -> None:
    installed("opencv-python", imports=AttributeError("_ARRAY_API not found\nand more"))
    with pytest.raises(
        UsageError,
        match=r"^a camera needs OpenCV, which cannot be loaded \(AttributeError: _ARRAY_API not found\): pip",
    ):
        load_opencv("a camera needs")


@pytest.mark.parametrize("kind", KINDS)
def test_every_broken_installation_is_recognized(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = break_opencv(tmp_path, kind)
    for name in [name for name in sys.modules if name.split(".")[0] == "cv2"]:
        monkeypatch.delitem(sys.modules, name)
    if kind == "empty folder":
        monkeypatch.setattr(sys, "path", [str(folder)])
    else:
        monkeypatch.syspath_prepend(folder)
    try:
        with pytest.raises(UsageError, match=r"^this needs OpenCV, "):
            load_opencv("this needs")
    finally:
        sys.modules.pop("cv2", None)  # the broken one
