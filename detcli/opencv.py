"""OpenCV, which only cameras, windows and the rendering of synthetic images need: everything else works without it.

No other module imports cv2. Slim systems lack the libraries that it links to, and the packages opencv-python and
opencv-python-headless share one folder, so that uninstalling one of them breaks the other.
"""

import re
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from detcli.errors import LibraryError
from detcli.libraries import missing_library

PACKAGES = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
WITH_WINDOWS, WITHOUT_WINDOWS = PACKAGES[:2]

# What opencv-python links to and a slim image of Debian or Ubuntu lacks, and the packages that have it.
_SYSTEM_LIBRARIES = re.compile(r"lib(GL|GLX|xcb|X11|gthread-2\.0|glib-2\.0)\.so")
_SYSTEM_PACKAGES = "libgl1 libglib2.0-0 libxcb1"


@dataclass(frozen=True, slots=True)
class OpenCVProblem:
    """Why OpenCV cannot be used.

    cause   what is wrong with OpenCV: "is not installed"
    remedy  what to do about it
    """

    cause: str
    remedy: str


def load_opencv(needed_for: str, *, windows: bool = False) -> Any:
    """The module cv2.

    needed_for  start of the message: "a camera needs"
    windows     it must be able to open windows

    Raises LibraryError (a UsageError) with the cause and the remedy if OpenCV cannot be used.
    """
    problem = opencv_problem(windows=windows)
    if problem is not None:
        raise LibraryError(f"{needed_for} OpenCV, which {problem.cause}: {problem.remedy}")
    return import_module("cv2")


def opencv_problem(*, windows: bool = False) -> OpenCVProblem | None:
    """Why OpenCV cannot be used; None if it works."""
    import numpy as np

    try:
        cv2 = import_module("cv2")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
            return OpenCVProblem("is not installed", reinstall_opencv(windows=windows))
        return _import_problem(error, windows=windows)
    except Exception as error:  # the code of another package can raise anything
        return _import_problem(error, windows=windows)
    if not hasattr(cv2, "imencode"):
        return _incomplete(cv2, windows=windows)
    try:
        cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))
    except Exception as error:  # as where it was built for another numpy
        return _import_problem(error, windows=windows)
    if windows and not cv2.currentUIFramework():
        return OpenCVProblem("has no windows in this build", reinstall_opencv(windows=True))
    return None


def opencv_packages() -> list[str]:
    """The installed packages that contain cv2; more than one is a mistake."""
    found = []
    for package in PACKAGES:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        found.append(package)
    return found


def reinstall_opencv(*, windows: bool) -> str:
    """The commands that leave exactly one complete package of OpenCV."""
    installed = opencv_packages()
    install = f"pip install {WITH_WINDOWS if windows else WITHOUT_WINDOWS}"
    return f"pip uninstall -y {' '.join(installed)}, then {install}" if installed else install


def _import_problem(error: Exception, *, windows: bool) -> OpenCVProblem:
    """Why the import of cv2 fails."""
    first_line = (str(error).splitlines() or [""])[0]
    library = missing_library(error)
    if library is None:
        return OpenCVProblem(
            f"cannot be loaded ({type(error).__name__}: {first_line})", reinstall_opencv(windows=windows)
        )
    cause = f"cannot be loaded because the system library {library} is missing"
    if not _SYSTEM_LIBRARIES.match(library):
        return OpenCVProblem(cause, "install the package of your system that has it" + _or_without(windows=windows))
    return OpenCVProblem(cause, f"apt-get install {_SYSTEM_PACKAGES} (Debian, Ubuntu)" + _or_without(windows=windows))


def _incomplete(cv2: Any, *, windows: bool) -> OpenCVProblem:
    """Something is named cv2, but has no functions: what an uninstallation left, or a file of the user."""
    file = getattr(cv2, "__file__", None)
    folder = Path(file).parent if file else Path(next(iter(getattr(cv2, "__path__", ())), "cv2"))
    cause = f"is not complete in '{folder if file is None else file}'"
    if {"site-packages", "dist-packages"}.isdisjoint(folder.parts):
        return OpenCVProblem(
            cause, "rename it, or leave it out of PYTHONPATH, then " + reinstall_opencv(windows=windows)
        )
    return OpenCVProblem(cause, reinstall_opencv(windows=windows))


def _or_without(*, windows: bool) -> str:
    """The other remedy for a missing library: a build that needs none."""
    return "" if windows else f"; or {reinstall_opencv(windows=False)}"


class _LazyOpenCV:
    """The functions of cv2; it is loaded when the first one is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by pickle, inspect and others
            raise AttributeError(name)
        value = getattr(load_opencv("this needs"), name)
        setattr(self, name, value)
        return value


cv2: Any = _LazyOpenCV()
