"""Libraries that are installed and cannot be loaded: folders that Python finds before the real ones."""

from pathlib import Path

NO_LIBRARY = "libbroken.so.3: cannot open shared object file: No such file or directory"

# Kind -> what the library does when it is imported, and what detcli must say of it.
FAULTS: dict[str, tuple[str, str]] = {
    "missing system library": (
        f'raise ImportError("{NO_LIBRARY}")\n',
        "cannot be loaded because the system library libbroken.so.3 is missing: install",
    ),
    "other numpy": (
        "raise RuntimeError('module compiled against ABI version 0x1000009')\n",
        "cannot be loaded (RuntimeError: module compiled against ABI version 0x1000009): pip install --force-reinstall",
    ),
    "missing dependency": (
        "import no_such_dependency_at_all\n",
        "cannot be loaded (ModuleNotFoundError: No module named 'no_such_dependency_at_all'): pip install --force",
    ),
    "bad loader": (
        f'raise OSError("{NO_LIBRARY}")\n',
        "cannot be loaded because the system library libbroken.so.3 is missing: install",
    ),
}


def break_library(folder: Path, module: str, fault: str) -> Path:
    """Write a library with this fault. Returns the folder that must be first in PYTHONPATH."""
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(FAULTS[fault][0], encoding="utf-8")
    return folder
