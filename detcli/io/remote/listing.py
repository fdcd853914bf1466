"""Lists the objects below a prefix page by page, in the order of the store, which is that of the bytes of keys."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from detcli.errors import ImageError, StoreError
from detcli.io.remote.addresses import StoreAddress, store_address
from detcli.io.remote.stores import Store, store_of


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that a listing found.

    address  of the object; as a text it is what the user can type, without credentials
    below    the part of its key below the prefix, "/" between parts
    size     bytes; None: unknown
    """

    address: StoreAddress
    below: str
    size: int | None

    @property
    def url(self) -> str:
        """As the user can type it."""
        return str(self.address)


def list_objects(url: str | StoreAddress, *, recursive: bool = True) -> Iterator[StoredObject]:
    """The objects below a prefix, one page of the store after the other; a page is requested when it is needed.

    url        of a bucket or a prefix, with or without "/" at its end
    recursive  also those with a further "/" in their keys

    Objects that stand for folders (keys that end with "/") are left out. Raises ImageError: not-found where there is no
    such bucket, no-permission, and the others of `read_object`; LibraryError where the driver is missing. A prefix without
    objects gives none.
    """
    address = store_address(url)
    store = store_of(address)
    pages = {"s3": _s3_objects, "gcs": _google_objects}.get(store.extra or "", _walked)
    prefix = address.key.rstrip("/") + "/" if address.key.rstrip("/") else ""
    for below, size in pages(store, address, prefix, recursive):
        if below and not below.endswith("/"):
            yield StoredObject(replace(address, key=prefix + below), below, size)


def _s3_objects(store: Store, address: StoreAddress, prefix: str, recursive: bool) -> Iterator[tuple[str, int | None]]:
    options: dict[str, Any] = {"Bucket": address.bucket, "Prefix": prefix}
    if not recursive:
        options["Delimiter"] = "/"
    while True:
        page = store.call("call_s3", address, "list_objects_v2", **options)
        for entry in page.get("Contents", ()):
            yield entry["Key"][len(prefix) :], entry["Size"]
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or not token:
            return
        options["ContinuationToken"] = token


def _google_objects(
    store: Store, address: StoreAddress, prefix: str, recursive: bool
) -> Iterator[tuple[str, int | None]]:
    options: dict[str, Any] = {"prefix": prefix, "maxResults": 1000, "json_out": True}
    if not recursive:
        options["delimiter"] = "/"
    while True:
        try:
            page = store.call("call", address, "GET", "b/{}/o", address.bucket, **options)
        except StoreError as error:
            if error.absent:
                raise ImageError("not-found", f"there is no bucket '{address.bucket}'") from None
            raise
        for entry in page.get("items", ()):
            yield entry["name"][len(prefix) :], int(entry["size"])
        if not page.get("nextPageToken"):
            return
        options["pageToken"] = page["nextPageToken"]


def _walked(store: Store, address: StoreAddress, prefix: str, recursive: bool) -> Iterator[tuple[str, int | None]]:
    """Of stores whose drivers list one level at a time, which holds the names of one level of each open folder."""
    root = store.path_of(replace(address, key=prefix.rstrip("/")))
    try:
        stack = [_level(store, address, root, "")]
    except ImageError as error:
        if error.code == "not-found" and prefix:
            return
        raise
    while stack:
        if not stack[-1]:
            stack.pop()
            continue
        below, size = stack[-1].pop()
        if not below.endswith("/"):
            yield below, size
        elif recursive:
            stack.append(_level(store, address, f"{root}/{below.rstrip('/')}", below))


def _level(store: Store, address: StoreAddress, path: str, below: str) -> list[tuple[str, int | None]]:
    """The entries of a level in reverse order; a folder ends with "/", which sorts it like its contents."""
    found = []
    for entry in store.call("ls", address, path, detail=True):
        name = str(entry["name"]).rstrip("/").rpartition("/")[2]
        if str(entry["name"]).strip("/") == path.strip("/"):
            continue  # an object with the name of the prefix
        is_folder = entry["type"] == "directory"
        found.append((f"{below}{name}{'/' if is_folder else ''}", None if is_folder else entry.get("size")))
    found.sort(key=lambda item: item[0].encode("utf-8", "surrogateescape"), reverse=True)
    return found
