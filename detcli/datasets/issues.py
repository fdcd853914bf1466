"""Collects issues of a dataset as messages, and raises an error for a dataset that cannot be used."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NoReturn

from detcli.errors import DataError

About = Literal["entries", "classes", "images"]
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


@dataclass(frozen=True, slots=True)
class DatasetIssue:
    """An issue that was found when a dataset was opened, and tolerated.

    message   what was found and its consequence, with the count and the first names
    count     number of entries; None: not counted
    names     names of the first ten entries
    harmless  nothing is lost, and nothing is wrong in the annotations
    about     "classes" without boxes, or "images" that cannot be read, which a check of the whole data tells in more detail;
              "entries": others
    """

    message: str
    count: int | None = None
    names: tuple[str, ...] = ()
    harmless: bool = False
    about: About = "entries"


class IssueReport:
    """Collects messages about the issues of one dataset.

    where  the dataset as the user can type it
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._issues: list[DatasetIssue] = []

    def add(
        self,
        count: int,
        what: str,
        names: Iterable[str] = (),
        *,
        harmless: bool = False,
        about: About = "entries",
    ) -> None:
        """Add an issue if `count` is not 0.

        what      the issue and its consequence; forms that depend on the count in braces, as in `_FORMS`
        names     names of the entries; the first three are given
        harmless  nothing is lost, and nothing is wrong in the annotations
        about     of a `DatasetIssue`
        """
        if count:
            first = tuple(islice(names, _NAMES_IN_ERROR))
            message = _counted(count, what) + _listed(first, count, _NAMES_IN_ISSUE)
            self._issues.append(DatasetIssue(message, count, first, harmless, about))

    def add_sentences(self, sentences: Iterable[str], *, harmless: bool = False) -> None:
        """Add messages that are complete."""
        self._issues.extend(DatasetIssue(sentence, harmless=harmless) for sentence in sentences)

    def raise_if_any(self, count: int, what: str, names: Iterable[str] = (), *, advice: str = "") -> None:
        """Raise DataError with the first ten names if `count` is not 0."""
        if count:
            message = _counted(count, what) + _listed(names, count, _NAMES_IN_ERROR)
            raise DataError(f"'{self.where}' cannot be used: {message}{f'; {advice}' if advice else ''}")

    def reject(self, why: str) -> NoReturn:
        """Raise DataError with a reason and all messages so far."""
        details = "".join(f"; {message}" for message in self.messages)
        raise DataError(f"'{self.where}' cannot be used: {why}{details}")

    @property
    def messages(self) -> tuple[str, ...]:
        """All messages, in order."""
        return tuple(issue.message for issue in self._issues)

    @property
    def issues(self) -> tuple[DatasetIssue, ...]:
        """All issues, in order."""
        return tuple(self._issues)


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
