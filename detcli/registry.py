"""A table of names that imports what it names on first use."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from detcli.errors import UsageError

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from a name to what `"module:attribute"` names; listing the names imports nothing.

    kind     what the entries are, for messages: "sink"
    entries  name -> "package.module:Attribute"
    extras   name -> extra of detcli that brings what the entry needs: `pip install "detcli[extra]"`

    Raises KeyError for a name that is not in the table, and UsageError for one whose package is not installed.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], extras: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._entries = dict(entries)
        self._extras = dict(extras or {})
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            module, _, attribute = self._entries[name].partition(":")
            try:
                self._loaded[name] = getattr(import_module(module), attribute)
            except ModuleNotFoundError as error:
                if error.name is None or error.name.split(".")[0] == "detcli" or name not in self._extras:
                    raise  # a slip of ours must not read as "package missing"
                raise UsageError(
                    f"{self.kind} '{name}' needs the package '{error.name}', which is not installed: "
                    f'pip install "detcli[{self._extras[name]}]"'
                ) from error
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # Mapping would import the entry to find out

    def get(self, name: str, default: Any = None) -> Any:
        """Return the entry, or `default` where the table has no such name."""
        return self[name] if name in self._entries else default
