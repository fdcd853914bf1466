"""Parts of sentences for messages: counts with nouns, and names that may have been meant."""

from collections.abc import Iterable, Sequence


def counted(value: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 image", "2,918 boxes".

    many  the plural; None: `one` with an "s"
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def similar(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known words that are spelled like a word, the most similar first."""
    import difflib  # takes milliseconds, and only errors need it

    return difflib.get_close_matches(word, list(known), n=most)


def did_you_mean(names: Sequence[str]) -> str:
    """The question "did you mean 'a' or 'b'?"; empty without names."""
    quoted = " or ".join(f"'{name}'" for name in names)
    return f"did you mean {quoted}?" if names else ""
