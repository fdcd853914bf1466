"""Installations of OpenCV that do not work: a folder with a `cv2` that Python finds before the real one."""

from pathlib import Path

NO_LIBRARY = "libGL.so.1: cannot open shared object file: No such file or directory"

# Name -> content of cv2/__init__.py. None: an empty folder, what an uninstallation leaves.
KINDS: dict[str, str | None] = {
    "missing library": f'raise ImportError("{NO_LIBRARY}")\n',
    "not installed": "raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')\n",
    "empty package": "",
    "empty folder": None,
    "crash at import": "raise AttributeError('_ARRAY_API not found')\n",
}


def break_opencv(folder: Path, kind: str) -> Path:
    """Write a `cv2` that does not work. Returns the folder that must be first in PYTHONPATH.

    A regular package is found before an empty folder: there, the real cv2 is hidden too.
    """
    content = KINDS[kind]
    (folder / "cv2").mkdir(parents=True)
    if content is not None:
        (folder / "cv2" / "__init__.py").write_text(content)
    else:
        (folder / "sitecustomize.py").write_text(_HIDE_REGULAR_PACKAGE.format(folder=str(folder / "cv2")))
    return folder


_HIDE_REGULAR_PACKAGE = """
import sys
from importlib.machinery import ModuleSpec


class EmptyFolder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "cv2":
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [{folder!r}]
        return spec


sys.meta_path.insert(0, EmptyFolder)
"""
