"""Registries: a table of names whose entries are imported on first use, the built-in ones and those of plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from detcli.errors import UsageError
from detcli.extras import install_command

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


def import_attribute(location: str) -> Any:
    """Import `"package.module:attribute"` and return the attribute."""
    module, _, attribute = location.partition(":")
    return getattr(import_module(module), attribute)


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from a name to an entry; listing the names imports no entry.

    kind     what an entry is, for messages: "runtime"
    entries  name -> "package.module:attribute", or the entry itself
    extras   name -> extra of detcli with the packages that the entry needs: a key of `EXTRAS`
    group    entry-point group in which other packages add entries: "detcli.runtimes"; None: no plug-ins
    check    called with name and entry of a plug-in; raises ValueError or TypeError with the reason if it is invalid

    Entry points are read when names are listed or an entry is requested, never at import. Built-in names come first.

    Raises KeyError for an unknown name. Raises UsageError for an entry whose package is missing, for a plug-in that
    cannot be loaded, and for a name that more than one package defines.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, str | T],
        extras: Mapping[str, str] | None = None,
        *,
        group: str | None = None,
        check: Callable[[str, T], None] | None = None,
    ) -> None:
        self.kind = kind
        self._entries = dict(entries)
        self._extras = dict(extras or {})
        self._group, self._check = group, check
        self._loaded: dict[str, T] = {}
        self._found: dict[str, list[EntryPoint]] | None = None

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            plug_ins = self._plug_ins().get(name, [])
            if name in self._entries:
                if plug_ins:
                    raise UsageError(self._clash(name, "detcli", _package(plug_ins[0])))
                self._loaded[name] = self._load_built_in(name)
            elif not plug_ins:
                raise KeyError(name)
            elif len(plug_ins) > 1:
                raise UsageError(self._clash(name, *(_package(point) for point in plug_ins[:2])))
            else:
                self._loaded[name] = self._load_plug_in(plug_ins[0])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._entries
        yield from self.plug_ins()

    def __len__(self) -> int:
        return len(self._entries) + len(self.plug_ins())

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._plug_ins()  # Mapping would import the entry

    def get(self, name: str, default: Any = None) -> Any:
        """Return the entry, or `default` for an unknown name."""
        try:
            return self[name]
        except KeyError:
            return default

    def built_in(self) -> tuple[str, ...]:
        """Return the names that come with detcli; reads no entry points."""
        return tuple(self._entries)

    def plug_ins(self) -> tuple[str, ...]:
        """Return the names that other packages add, sorted."""
        return tuple(sorted(name for name in self._plug_ins() if name not in self._entries))

    def _plug_ins(self) -> Mapping[str, list[EntryPoint]]:
        if self._found is None:
            self._found = {}
            if self._group is not None:
                from importlib.metadata import entry_points  # takes milliseconds

                for point in entry_points(group=self._group):
                    self._found.setdefault(point.name, []).append(point)
        return self._found

    def _load_built_in(self, name: str) -> T:
        entry = self._entries[name]
        if not isinstance(entry, str):
            return entry
        try:
            return cast("T", import_attribute(entry))
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "detcli" or name not in self._extras:
                raise  # a bug of detcli must not be reported as a missing package
            raise UsageError(
                f"{self.kind} '{name}' needs the package '{error.name}', which is not installed: "
                f"{install_command(self._extras[name])}"
            ) from error

    def _load_plug_in(self, point: EntryPoint) -> T:
        try:
            entry = cast("T", point.load())
            if self._check is not None:
                self._check(point.name, entry)
        except Exception as error:  # code of another package can raise anything
            raise UsageError(
                f"cannot load the {self.kind} '{point.name}' of the package '{_package(point)}': "
                f"{type(error).__name__}: {error}; update or uninstall the package"
            ) from error
        return entry

    def _clash(self, name: str, first: str, second: str) -> str:
        return f"'{first}' and '{second}' both define the {self.kind} '{name}': uninstall '{second}', or rename its {self.kind}"


def _package(point: EntryPoint) -> str:
    """The name of the distribution that defines an entry point."""
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]
