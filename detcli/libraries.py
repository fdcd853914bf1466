"""Why another library cannot be loaded or does not work, and what to do about it: in one sentence for every library."""

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, TracebackType
from typing import Any

from detcli.errors import DetcliError, LibraryError

# Module -> package, where their names differ.
PACKAGES: Mapping[str, str] = MappingProxyType(
    {"PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python", "pillow_heif": "pillow-heif"}
)
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't allocate memory", "not enough memory")
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


def optional_library(
    module: str, *, need: str, install: str | None = None, error_type: type[DetcliError] | None = None
) -> Any:
    """Import a library that only some functions need, or a module of it.

    need        begins the message: "plots need"
    install     the command that installs it; None: pip with its own name
    error_type  of the error; None: LibraryError

    Raises the error with the cause and the remedy if the library is not installed, or if its import fails in any way
    but from a limit of the machine, such as too little memory, whose error is raised as it is.
    """
    name = module.partition(".")[0]
    try:
        import_module(name)
        return import_module(module)
    except Exception as error:  # the code of another package can raise anything
        if is_machine_fault(error):
            raise
        package = PACKAGES.get(name, name)
        message = f"{need} {package}, which {problem(error, package, install=install)}"
        raise (LibraryError(message, package=package) if error_type is None else error_type(message)) from error


def is_machine_fault(error: BaseException) -> bool:
    """Whether memory, threads or open files of this process are used up: the library that failed is not to blame."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return True
    return lacks_memory(error)


def lacks_memory(error: BaseException) -> bool:
    """Whether the words of an error tell of too little memory, as those of the system's loader do."""
    text = str(error).lower()
    return isinstance(error, RuntimeError | ImportError | OSError) and any(words in text for words in _NO_MEMORY)


def problem(error: BaseException, package: str, *, install: str | None = None) -> str:
    """What is wrong with a package and what to do, to follow its name: `is not installed: pip install av`.

    install  the command that installs it; None: pip with its own name
    """
    reinstall = f"pip install --force-reinstall {package}"
    library = missing_library(error)
    if library is not None:
        return (
            f"cannot be loaded because the system library {library} is missing: install the package of your system that "
            f"has it, or {reinstall}"
        )
    if isinstance(error, ModuleNotFoundError) and PACKAGES.get(error.name or "", error.name) == package:
        return f"is not installed: {install or f'pip install {package}'}"
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
