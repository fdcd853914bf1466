"""What is odd about annotations, said in sentences; and the refusal of those that cannot be used."""

from collections.abc import Iterable
from itertools import islice
from typing import NoReturn

from detcli.errors import DataError

_MOST_IN_A_FINDING = 3
_MOST_IN_A_REFUSAL = 10
_FORMS = {
    "s": ("", "s"),
    "es": ("", "es"),
    "ies": ("y", "ies"),
    "are": ("is", "are"),
    "were": ("was", "were"),
    "have": ("has", "have"),
    "lead": ("leads", "lead"),
    "its": ("its", "their"),
}  # by count: for one, for any other number


class IssueReport:
    """Collects sentences about one dataset.

    where  the dataset as the user can type it
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._sentences: list[str] = []

    def note(self, count: int, what: str, culprits: Iterable[str] = ()) -> None:
        """Keep a sentence where there is something to say.

        what  what is odd and what became of it; endings and verbs of what is counted in braces, as in `_FORMS`
        """
        if count:
            self._sentences.append(_counted(count, what) + _listed(culprits, count, _MOST_IN_A_FINDING))

    def refuse(self, count: int, what: str, culprits: Iterable[str] = (), *, advice: str = "") -> None:
        """Raise DataError, naming the first ten, where there is something to say."""
        if count:
            sentence = _counted(count, what) + _listed(culprits, count, _MOST_IN_A_REFUSAL)
            raise DataError(f"'{self.where}' cannot be used: {sentence}{f'; {advice}' if advice else ''}")

    def refuse_all(self, why: str) -> NoReturn:
        """Raise DataError with what was found so far."""
        found = "".join(f"; {sentence}" for sentence in self._sentences)
        raise DataError(f"'{self.where}' cannot be used: {why}{found}")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was kept, in order."""
        return tuple(self._sentences)


def _counted(count: int, what: str) -> str:
    for word, (one, many) in _FORMS.items():
        what = what.replace(f"{{{word}}}", one if count == 1 else many)
    return f"{count:,} {what}"


def _listed(culprits: Iterable[str], count: int, most: int) -> str:
    named = list(islice(culprits, most))
    if not named:
        return ""
    more = f" and {count - len(named):,} more" if count > len(named) else ""
    return f": {', '.join(named)}{more}"
