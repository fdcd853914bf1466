"""Why another library cannot be loaded or does not work, and what to do about it: in one sentence for every library."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType, TracebackType

from detcli.errors import LibraryError

# Module -> package, where their names differ.
PACKAGES: Mapping[str, str] = MappingProxyType(
    {"PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python", "pillow_heif": "pillow-heif"}
)
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_OWN = "detcli"
# Modules of detcli's dependencies that other ones import: safetensors.torch, for example, without torch.
_DEPENDENCIES = frozenset({"torch", "numpy", "PIL", "yaml"})
_WITHOUT_NUMPY = "Numpy is not available"  # of torch, when it uses a numpy that it was not built for


def missing_library(error: BaseException) -> str | None:
    """The file name of the system library without which an import failed on Linux; None for other errors."""
    found = _MISSING_LIBRARY.search(str(error))
    return None if found is None else found[1]


def library_error(error: BaseException) -> LibraryError | None:
    """The error for a library that fails while it is imported, or whose compiled part is missing; None for other errors."""
    if isinstance(error, RuntimeError) and _WITHOUT_NUMPY in str(error):
        return LibraryError("torch does not work with this numpy: pip install --upgrade torch numpy", package="torch")
    module = _failed_module(error)
    if module is None:
        return None
    package = PACKAGES.get(module, module)
    return LibraryError(f"{package} {problem(error, package)}", package=package)


def require_torch(needs: str) -> None:
    """Raise LibraryError where torch is not installed.

    needs  start of the message: what needs torch, with its verb
    """
    if not is_installed("torch"):
        raise LibraryError(f"{needs} torch, which is not installed: pip install torch", package="torch")


def is_installed(module: str) -> bool:
    """Whether Python finds a module; it is not imported."""
    try:
        return find_spec(module) is not None
    except ImportError:  # of an import hook
        return False


def problem(error: BaseException, package: str) -> str:
    """What is wrong with a package and what to do, to follow its name: `is not installed: pip install av`."""
    reinstall = f"pip install --force-reinstall {package}"
    library = missing_library(error)
    if library is not None:
        return (
            f"cannot be loaded because the system library {library} is missing: install the package of your system that "
            f"has it, or {reinstall}"
        )
    if isinstance(error, ModuleNotFoundError) and PACKAGES.get(error.name or "", error.name) == package:
        return f"is not installed: pip install {package}"
    first_line = (str(error).splitlines() or [""])[0]
    return f"cannot be loaded ({type(error).__name__}: {first_line[:300]}): {reinstall}; 'detcli doctor' checks all libraries"


def _failed_module(error: BaseException) -> str | None:
    """The name of the library that failed, without submodules; None if it is detcli itself, or no import failed."""
    called, is_importing = _called_library(error.__traceback__)
    if isinstance(error, ModuleNotFoundError) and error.name in _DEPENDENCIES:
        return error.name
    if isinstance(error, ImportError):
        named = (error.name or "").partition(".")[0]
        module = named if called is None else called
        return module if module and module != _OWN and named != _OWN else None
    return called if is_importing else None


def _called_library(traceback: TracebackType | None) -> tuple[str | None, bool]:
    """The library that detcli called last, and False; during an import, the one that was being imported last, and True.

    None if the error is of detcli's own code.
    """
    called: str | None = None
    is_importing = False
    while traceback is not None:
        frame = traceback.tb_frame
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name in (_OWN, "__main__"):
            called, is_importing = None, False
        elif not name.startswith("importlib"):
            if frame.f_code.co_name == "<module>":
                called, is_importing = name, True
            called = called or name
        traceback = traceback.tb_next
    return called, is_importing
