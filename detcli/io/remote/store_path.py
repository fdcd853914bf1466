"""Addresses in object stores as paths, for outputs and results: what works on names of paths works on them."""

import os
import re
from pathlib import Path, PosixPath, WindowsPath
from typing import Any, BinaryIO

from detcli.errors import OutputError, UsageError
from detcli.io.remote.addresses import DRIVERS, StoreAddress, store_address

# A path has no "//": the one of an address is lost wherever it was made a path.
_ADDRESS = re.compile(rf"({'|'.join(DRIVERS)}):[/\\]+", re.IGNORECASE)
_NativePath: Any = WindowsPath if os.name == "nt" else PosixPath


class StorePath(_NativePath):  # type: ignore[misc]
    """An address in an object store, shown as one: `s3://bucket/key`.

    Its names, parents and suffixes are those of any path. `open` reads the object. What would write it as a file raises
    OutputError; `open_output` and `write_atomically` write the object.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return _ADDRESS.sub(lambda match: f"{match[1].lower()}://", super().__str__()).replace("\\", "/")

    @property
    def address(self) -> StoreAddress:
        """Of the object, or of the prefix."""
        return store_address(str(self))

    def absolute(self) -> "StorePath":
        """The path itself."""
        return self

    def open(self, mode: str = "r", *arguments: Any, **options: Any) -> BinaryIO:
        """Open the object for reading as a binary file. Raises ImageError as `open_object`."""
        if mode != "rb":
            raise self._no_file()
        from detcli.io.remote.read_objects import open_object

        return open_object(self.address)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Raise OutputError."""
        raise self._no_file()

    def _no_file(self) -> OutputError:
        return OutputError(
            f"cannot write '{self}': this output needs a file on this machine; copy it to the store afterwards"
        )


def as_path(name: str | os.PathLike[str]) -> Path:
    """The path of a name: a `StorePath` for an address in an object store.

    Raises UsageError for an address without a bucket, or with credentials, which would be shown.
    """
    text = os.fspath(name)
    match = _ADDRESS.match(text)
    if match is None:
        return name if isinstance(name, Path) else Path(text)
    address = store_address(f"{match[1]}://{text[match.end() :]}")
    if address.user is not None:
        raise UsageError(
            f"'{address}' was given with credentials: set them in the environment, where no result or message shows them"
        )
    return StorePath(str(address))


def final_path(path: Path, *, complete: bool) -> Path:
    """Where an output is after a run: an interrupted one writes an object under another name, `out.partial.jsonl`."""
    return StorePath(str(path.address.partial)) if isinstance(path, StorePath) and not complete else path


def store_text(name: str) -> str:
    """An address as it was typed, where it was made a path; other names stay."""
    match = _ADDRESS.match(name)
    return name if match is None else f"{match[1].lower()}://{name[match.end() :]}"
