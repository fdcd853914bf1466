"""docs/reference/exit-codes.md: the table of `detcli.errors`, with the exceptions of the Python API."""

from collections.abc import Iterator

from detcli import errors
from detcli.cli.docs.reference.markdown import code_block, page, table, with_code


def exit_code_page() -> str:
    """The text of the page."""
    return page(_lines())


def _lines() -> Iterator[str]:
    yield "# Exit codes"
    yield "Every command ends with one of these codes. Messages go to standard error; a failure is one line, and the last"
    yield "line of a run is its summary. `detcli help exit-codes` prints the table."
    yield ""
    yield from table(
        ["code", "meaning", "exception in Python"],
        [(code, with_code(meaning), _exceptions(code)) for code, meaning in errors.EXIT_CODES.items()],
    )
    yield ""
    yield "The functions of the [Python API](python.md#errors) raise the exception instead. All of them are subclasses of"
    yield "`DetcliError`. The subclasses of an exception have its code."
    yield from ("", "In a script:", "")
    yield from code_block(
        "detcli detect images/ -o out.jsonl --if-exists overwrite\n"
        "case $? in\n"
        "    0) echo 'all images' ;;\n"
        "    3) echo 'some images failed' ;;\n"
        "    6) echo 'the Hub is unavailable: try again later' ;;\n"
        "    *) exit 1 ;;\n"
        "esac",
        "sh",
    )
    yield from ("", "An image that failed is a record with an [error code](records.md#error-codes) of its own.")


def _exceptions(code: str) -> str:
    """The exceptions that define this code, without those that inherit it."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DetcliError)]
    names = [
        kind.__name__
        for kind in kinds
        if kind not in (errors.DetcliError, errors.ImageError) and str(vars(kind).get("exit_code")) == code
    ]
    return ", ".join(f"[`{name}`](python.md#detcli.{name})" for name in names) or "-"
