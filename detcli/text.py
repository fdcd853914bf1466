"""Parts of sentences for messages: counts with nouns, and names that may have been meant."""

from collections.abc import Iterable, Mapping, Sequence

_MOST_SCORES = 4  # of classes


def counted(value: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 image", "2,918 boxes".

    many  the plural; None: `one` with an "s"
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def shown_scores(score: float, class_scores: Mapping[str, float]) -> str:
    """Scores that detections are above, as tables and figures show them: "0.4, cat 0.6", or of many classes their number."""
    own = [f"{name} {value:g}" for name, value in class_scores.items()]
    if len(own) > _MOST_SCORES:
        own = [f"of {len(own)} classes their own"]
    return ", ".join((f"{score:g}", *own))


def similar(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known words that a word may be a typing error or the beginning of, the most similar first.

    At most one letter in three differs: 'half' is no error of 'help'.
    """
    import difflib  # takes milliseconds, and only errors need it

    candidates = difflib.get_close_matches(word, list(known), n=2 * most)
    return [
        name
        for name in candidates
        if (len(word) > 2 and name.startswith(word)) or edit_distance(word, name) <= max(1, len(word) // 3)
    ][:most]


def edit_distance(one: str, other: str) -> int:
    """The number of letters to insert, delete, replace or swap with the next one to turn one word into the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(names: Sequence[str]) -> str:
    """The question "did you mean 'a' or 'b'?"; empty without names."""
    quoted = " or ".join(f"'{name}'" for name in names)
    return f"did you mean {quoted}?" if names else ""
