"""Collects issues of a dataset as messages, and raises an error for a dataset that cannot be used."""

from collections.abc import Iterable
from itertools import islice
from typing import NoReturn

from detcli.errors import DataError

_NAMES_IN_ISSUE = 3
_NAMES_IN_ERROR = 10
_FORMS = {
    "s": ("", "s"),
    "es": ("", "es"),
    "ies": ("y", "ies"),
    "are": ("is", "are"),
    "were": ("was", "were"),
    "have": ("has", "have"),
    "do": ("does", "do"),
    "lead": ("leads", "lead"),
    "its": ("its", "their"),
    "duplicates": ("a duplicate", "duplicates"),
}  # singular, plural


class IssueReport:
    """Collects messages about the issues of one dataset.

    where  the dataset as the user can type it
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._messages: list[str] = []

    def add(self, count: int, what: str, names: Iterable[str] = ()) -> None:
        """Add a message if `count` is not 0.

        what   the issue and its consequence; forms that depend on the count in braces, as in `_FORMS`
        names  names of the entries; the first three are given
        """
        if count:
            self._messages.append(_counted(count, what) + _listed(names, count, _NAMES_IN_ISSUE))

    def add_sentences(self, sentences: Iterable[str]) -> None:
        """Add messages that are complete."""
        self._messages.extend(sentences)

    def raise_if_any(self, count: int, what: str, names: Iterable[str] = (), *, advice: str = "") -> None:
        """Raise DataError with the first ten names if `count` is not 0."""
        if count:
            message = _counted(count, what) + _listed(names, count, _NAMES_IN_ERROR)
            raise DataError(f"'{self.where}' cannot be used: {message}{f'; {advice}' if advice else ''}")

    def reject(self, why: str) -> NoReturn:
        """Raise DataError with a reason and all messages so far."""
        details = "".join(f"; {message}" for message in self._messages)
        raise DataError(f"'{self.where}' cannot be used: {why}{details}")

    @property
    def messages(self) -> tuple[str, ...]:
        """All messages, in order."""
        return tuple(self._messages)


def _counted(count: int, what: str) -> str:
    for form, (singular, plural) in _FORMS.items():
        what = what.replace(f"{{{form}}}", singular if count == 1 else plural)
    return f"{count:,} {what}"


def _listed(names: Iterable[str], count: int, most: int) -> str:
    first = list(islice(names, most))
    if not first:
        return ""
    more = f" and {count - len(first):,} more" if count > len(first) else ""
    return f": {', '.join(first)}{more}"
