"""Parses YAML from others: mappings, lists, text, numbers, true, false and null, within limits; no other types."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from detcli.io.documents.document_error import DocumentError

_MAX_DEPTH = 64
_MAX_DIGITS = 32
_TAG = "tag:yaml.org,2002:"
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
)
_SIGN = r"([-+]?)"
_INTEGERS = {
    re.compile(_SIGN + r"0b([01_]+)"): 2,
    re.compile(_SIGN + r"0x([0-9a-fA-F_]+)"): 16,
    re.compile(_SIGN + r"0o?([0-7_]+)"): 8,
    re.compile(_SIGN + r"([0-9][0-9_]*)"): 10,
}


def parse_yaml(data: bytes) -> Any:
    """The value of a YAML document; None for an empty one. Dates and numbers of base 60 stay texts.

    Each alias is the object that its anchor names, so that aliases of aliases take no memory.

    Raises DocumentError.
    """
    try:
        return _Composer().compose(yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())[:200]) from error
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error


@dataclass(slots=True)
class _Open:
    """A mapping or a list whose end has not come yet; `key` waits for its value, `given` are the keys so far."""

    value: dict[Any, Any] | list[Any]
    anchor: str | None
    key: Any = None
    has_key: bool = False
    given: set[Any] = field(default_factory=set)


@dataclass(slots=True)
class _Composer:
    """Makes values from the events of the parser, without recursion."""

    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Any] = field(default_factory=dict)
    documents: list[Any] = field(default_factory=list)
    resolver: Any = field(default_factory=yaml.resolver.Resolver)

    def compose(self, events: Iterator[Any]) -> Any:
        """The value of the only document; None if there is none."""
        for event in events:
            self._take(event)
        if len(self.documents) > 1:
            raise DocumentError(f"it has {len(self.documents)} documents, separated by '---'")
        return self.documents[0] if self.documents else None

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            _check_tag(event, "map" if is_mapping else "seq")
            if len(self.stack) == _MAX_DEPTH:
                raise DocumentError(f"it is nested more than {_MAX_DEPTH} levels deep ({_line(event)})")
            self.stack.append(_Open({} if is_mapping else [], event.anchor))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self.stack.pop()
            self._add(done.value, event, done.anchor)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise DocumentError(f"the alias '{event.anchor}' has no anchor before it ({_line(event)})")
            self._add(self.anchors[event.anchor], event, None)

    def _add(self, value: Any, event: Any, anchor: str | None) -> None:
        """Put a complete value where it belongs."""
        if anchor is not None:
            self.anchors[anchor] = value
        if not self.stack:
            self.documents.append(value)
            return
        into = self.stack[-1]
        if isinstance(into.value, list):
            into.value.append(value)
        elif not into.has_key:
            if isinstance(value, dict | list):
                raise DocumentError(f"a key is a {'list' if isinstance(value, list) else 'mapping'} ({_line(event)})")
            if value in into.given and value != "<<":
                raise DocumentError(f"it has the key {str(value)[:60]!r} twice in one mapping ({_line(event)})")
            into.given.add(value)
            into.key, into.has_key = value, True
        else:
            _put(into.value, into.key, value, event)
            into.has_key = False

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is None or event.tag == "!":
            tag = _TAG + "str" if event.tag else self.resolver.resolve(yaml.ScalarNode, text, event.implicit)
            convert = _CONVERSIONS.get(tag.removeprefix(_TAG), str)
            try:
                return convert(text)
            except DocumentError:
                raise
            except ValueError:  # as a number of base 60, which no file of a dataset means
                return text
        explicit = _CONVERSIONS.get(event.tag.removeprefix(_TAG))
        if explicit is None:
            raise DocumentError(f"the type '{event.tag[:60]}' is not supported ({_line(event)})")
        try:
            return explicit(text)
        except ValueError as error:
            raise DocumentError(f"{text[:60]!r} is not {error} ({_line(event)})") from error


def _put(mapping: dict[Any, Any], key: Any, value: Any, event: Any) -> None:
    """Add an entry; `<<` adds the entries of other mappings, which do not replace those that are there."""
    if key != "<<":
        mapping[key] = value
        return
    for other in value if isinstance(value, list) else [value]:
        if not isinstance(other, dict):
            raise DocumentError(f"'<<' names something that is not a mapping ({_line(event)})")
        for name, entry in other.items():
            mapping.setdefault(name, entry)


def _check_tag(event: Any, expected: str) -> None:
    if event.tag not in (None, "!", _TAG + expected):
        raise DocumentError(f"the type '{event.tag[:60]}' is not supported ({_line(event)})")


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("true or false")
    return _BOOLEANS[text.lower()]


def _integer(text: str) -> int:
    for pattern, base in _INTEGERS.items():
        match = pattern.fullmatch(text)
        digits = match[2].replace("_", "") if match else ""
        if match and digits:
            if len(digits) > _MAX_DIGITS:
                raise DocumentError(f"a number has {len(digits):,} digits")
            return int(match[1] + digits, base)
    raise ValueError("an integer")


def _float(text: str) -> float:
    word = text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
    try:
        return float(word)
    except ValueError:
        raise ValueError("a number") from None


def _null(text: str) -> None:
    if text.lower() not in ("", "~", "null"):
        raise ValueError("null")


_CONVERSIONS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"str": str, "null": _null, "bool": _boolean, "int": _integer, "float": _float}
)
