"""Writes objects: each appears in the store when it is complete, and not before."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from detcli.errors import ImageError, OutputError, StoreError
from detcli.io.remote import stores
from detcli.io.remote.addresses import StoreAddress, store_address
from detcli.io.remote.background_calls import BackgroundCalls
from detcli.io.remote.listing import list_objects
from detcli.io.remote.retries import RetryLimits
from detcli.io.remote.stores import store_of

_MIN_BYTES_PER_S = 1 << 18  # of an upload that is not given up


def write_object(url: str | StoreAddress, data: bytes) -> None:
    """Write a complete object, or nothing. Raises OutputError; its message has no credentials."""
    address = store_address(url)
    try:
        store = store_of(address)
        store.call("pipe_file", address, store.path_of(address), data, limits=_limits(len(data)))
    except ImageError as error:
        raise output_error(address, error) from None


def object_exists(url: str | StoreAddress) -> bool:
    """Whether there is an object with this name. Raises OutputError where the store does not tell."""
    address = store_address(url)
    try:
        store = store_of(address)
        return bool(store.call("info", address, store.path_of(address))["type"] != "directory")
    except StoreError as error:
        if error.absent:
            return False
        raise output_error(address, error) from None
    except ImageError as error:
        raise output_error(address, error) from None


def has_objects(url: str | StoreAddress) -> bool:
    """Whether there is an object below a prefix whose name is not hidden. Raises OutputError as `object_exists`."""
    address = store_address(url)
    try:
        return any(not found.below.startswith(".") for found in list_objects(url))
    except ImageError as error:
        raise output_error(address, error) from None


def remove_objects(urls: Iterable[str | StoreAddress]) -> None:
    """Remove objects, over several connections; those that are gone already are no error. Raises OutputError."""
    calls = BackgroundCalls(stores.CONNECTIONS)
    for removed in [calls.submit(partial(_remove, store_address(url))) for url in urls]:
        removed.result()


def _remove(address: StoreAddress) -> None:
    try:
        store = store_of(address)
        store.call("rm_file", address, store.path_of(address))
    except ImageError as error:
        if not (isinstance(error, StoreError) and error.absent):
            raise OutputError(f"cannot remove '{address}': {error}") from None


class ObjectFile:
    """An output file that is an object: a temporary file on this machine until `commit` uploads it.

    Raises OutputError. `discard` leaves the store as it was.
    """

    def __init__(self, url: str | StoreAddress) -> None:
        self._address = store_address(url)
        with _disk_errors(tempfile.gettempdir()):
            descriptor, self._name = tempfile.mkstemp(prefix="detcli-", suffix=".part")
        self._file: BinaryIO | None = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        """Add bytes."""
        with _disk_errors(self._name):
            self._open_file().write(data)

    def flush(self) -> None:
        """Do nothing: an object cannot be seen before its end."""

    def commit(self, *, complete: bool = True) -> None:
        """Upload the object.

        complete  False: it is uploaded under another name, `out.partial.jsonl`, since its name means a complete object

        Where that fails, the temporary file stays, and the message names it.
        """
        with _disk_errors(self._name):
            self._open_file().close()
        address = self._address if complete else self._address.partial
        try:
            upload_file(self._name, address)
        except OutputError as error:
            self._file = None
            raise OutputError(f"{error}; the content is in '{self._name}'") from error
        self.discard()

    def discard(self) -> None:
        """Forget the bytes. Safe after `commit`, and twice."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                os.unlink(self._name)  # noqa: PTH108 - a name of tempfile

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"'{self._address}' is already committed or discarded")
        return self._file


def upload_file(name: str, address: StoreAddress) -> None:
    """Upload a file as one object, a large one in parts. Raises OutputError."""
    try:
        store = store_of(address)
        limits = _limits(os.path.getsize(name))  # noqa: PTH202 - a name of tempfile
        store.call("put_file", address, name, store.path_of(address), limits=limits)
    except ImageError as error:
        raise output_error(address, error) from None


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    """Raise errors of the temporary file as OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write the temporary file '{name}': {error.strerror or error}") from error


def output_error(address: StoreAddress, error: ImageError) -> OutputError:
    """The OutputError for an error of a store."""
    return OutputError(f"cannot write '{address}': {error}")


def _limits(size: int) -> RetryLimits:
    """Of an upload: a larger one may take longer."""
    usual = stores.LIMITS
    attempt_s = usual.attempt_s + size / _MIN_BYTES_PER_S
    return replace(usual, attempt_s=attempt_s, total_s=usual.total_s + 2 * attempt_s)
