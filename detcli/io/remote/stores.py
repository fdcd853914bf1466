"""Object stores, opened with the driver of fsspec for their scheme; each call has a time limit and is repeated.

Repeating is done here for all drivers, so that of the drivers is switched off: both would multiply.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from detcli.errors import ImageError, StoreError, UsageError
from detcli.extras import EXTRAS, install_command
from detcli.io.remote import store_errors
from detcli.io.remote.addresses import DRIVERS, StoreAddress, has_signature
from detcli.io.remote.retries import RetryLimits, retried
from detcli.libraries import is_machine_fault, optional_library

CONNECTIONS: Final = 32  # at once, of one store
LIMITS = RetryLimits()


@dataclass(frozen=True, slots=True)
class Store:
    """An object store: the file system of fsspec, and how its methods are called."""

    scheme: str
    filesystem: Any

    @property
    def extra(self) -> str | None:
        """The extra that has its driver; None: it comes with detcli."""
        return DRIVERS[self.scheme]

    def path_of(self, address: StoreAddress) -> str:
        """As the methods of the file system take it."""
        return str(self.filesystem._strip_protocol(f"{address.scheme}://{address.path}"))

    def call(
        self, method: str, address: StoreAddress, *arguments: Any, limits: RetryLimits | None = None, **named: Any
    ) -> Any:
        """The result of a method of the file system, repeated while its errors are temporary.

        method   of the file system; an asynchronous one has the same name with "_" before it

        Raises ImageError with the meaning of the last error.
        """

        def attempt(limit_s: float) -> Any:
            if getattr(self.filesystem, "async_impl", False):
                from fsspec.asyn import sync

                function = getattr(self.filesystem, f"_{method}")
                return sync(self.filesystem.loop, function, *arguments, timeout=max(limit_s, 0.001), **named)
            function = partial(getattr(self.filesystem, method), *arguments, **named)
            return function() if self.scheme == "memory" else _within(limit_s, function)

        try:
            return retried(attempt, limits=limits or LIMITS, is_temporary=store_errors.is_temporary)
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # the drivers have no common error
            code, message = store_errors.meaning(error, address, self.extra)
            raise StoreError(
                code, message, refusal=store_errors.refusal_of(error), absent=store_errors.is_absence(error)
            ) from None


def check_driver(address: StoreAddress) -> None:
    """Raise LibraryError where the driver of an address is not installed, UsageError for credentials it does not take."""
    extra = DRIVERS[address.scheme]
    for module in () if extra is None else EXTRAS[extra]:
        optional_library(module, need=f"{address.scheme}:// needs", install=install_command(extra or ""))
    if address.user is not None and extra != "s3":
        raise UsageError(
            f"'{address}' was given with a user or a password, which {address.scheme}:// does not take: use the environment"
        )


def refuse_signature(address: StoreAddress) -> None:
    """Raise ImageError where a query holds a secret: only https URLs are signed."""
    if has_signature(address):
        raise ImageError(
            "unsupported",
            f"the query of an {address.scheme}:// address holds no credentials: name the signed https:// URL instead",
        )


def store_of(address: StoreAddress) -> Store:
    """The store of an address; it is opened once. Raises LibraryError and UsageError as `check_driver`.

    Raises ImageError as `refuse_signature`.
    """
    refuse_signature(address)
    check_driver(address)
    account = address.bucket.partition("@")[2] if DRIVERS[address.scheme] == "azure" else ""
    try:
        return _opened(address.scheme, address.user, address.password, account.partition(".")[0])
    except Exception as error:  # of the driver: some want an account before the first call
        if is_machine_fault(error):
            raise
        reason = store_errors.without_access(address.scheme, DRIVERS[address.scheme])
        raise StoreError("no-permission", reason, refusal=None, absent=False) from None


def forget_stores() -> None:
    """Open each store anew, with the settings that the environment has then."""
    _opened.cache_clear()


@cache
def _opened(scheme: str, user: str | None, password: str | None, account: str) -> Store:
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if DRIVERS[scheme] == "s3":
        options["config_kwargs"] = {"max_pool_connections": CONNECTIONS, "retries": {"total_max_attempts": 1}}
        if user is not None:
            options |= {"key": user, "secret": password}
    elif account:
        options["account_name"] = account
    filesystem = fsspec.filesystem(scheme, **({} if scheme == "memory" else options))
    if DRIVERS[scheme] == "s3":
        filesystem.retries = 1
    return Store(scheme, filesystem)


def _within(limit_s: float, function: Callable[[], Any]) -> Any:
    """The result of a function that is given up after a time; its thread then ends by itself, or with the process."""
    done: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            done.append((function(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run, name="store", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not done:
        raise TimeoutError(f"no answer within {limit_s:.0f} s")
    value, error = done[0]
    if error is not None:
        raise error
    return value
