"""Manual pages in roff (man macros), one per command; subcommands share the page of their group."""

import re
from collections.abc import Iterable, Iterator, Mapping

from detcli.cli.docs.command_tree import CommandNode, FlagInfo
from detcli.cli.docs.shared_facts import ENVIRONMENT, FILES
from detcli.errors import EXIT_CODES
from detcli.version import __version__


def man_page(branch: CommandNode, root: CommandNode) -> str:
    """The page of a command."""
    title = "-".join(branch.path)
    lines = [
        '.\\" Written by "python -m detcli.cli.docs.generate" from the command tree; do not edit.',
        f'.TH {_quoted(title.upper())} 1 "" {_quoted(f"detcli {__version__}")} "User Commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_text(title)} \\- {_text(_lowered(branch.summary))}",
        ".SH SYNOPSIS",
        *_synopsis(branch),
        ".SH DESCRIPTION",
        *_paragraphs(branch.help),
    ]
    if branch.aliases:
        lines += [".PP", _text(f"Also called {', '.join(f'detcli {alias}' for alias in branch.aliases)}.")]
    if branch.children:
        lines += [".SH COMMANDS", *_children(branch)]
    lines += [".SH OPTIONS", *_options(branch.flags)]
    lines += [".SH EXIT STATUS", *_definitions(EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_environment(branch), *_definitions(ENVIRONMENT)]
    lines += [".SH FILES", *_definitions(FILES)]
    if branch.examples:
        lines += [".SH EXAMPLES", *_examples(branch)]
    lines += [".SH SEE ALSO", *_see_also(branch, root)]
    return "\n".join(lines) + "\n"


def _synopsis(branch: CommandNode) -> Iterator[str]:
    yield f".B {_text(' '.join(branch.path))}"
    yield _text(branch.usage)


def _children(branch: CommandNode) -> Iterator[str]:
    """The commands of a group: one line for each with its own page, full options for subcommands."""
    own_pages = len(branch.path) == 1
    for child in branch.children:
        if own_pages:
            yield from (".TP", f".B {_text(child.name)}", f"{_sentence(child.summary)} See")
            yield f".BR {_text('-'.join(child.path))} (1)."
            continue
        yield f".SS {_text(child.name)}"
        yield f".B {_text(' '.join(child.path))}"
        yield _text(child.usage)
        yield ".PP"
        yield from _paragraphs(child.help)
        shared = {flag.names for flag in branch.flags}
        yield from _flags(flag for flag in child.flags if flag.names not in shared)


def _options(flags: Iterable[FlagInfo]) -> Iterator[str]:
    section = None
    for flag in flags:
        if flag.section != section:
            section = flag.section
            yield f".SS {_text(section)}"
        yield from _flags([flag])


def _flags(flags: Iterable[FlagInfo]) -> Iterator[str]:
    for flag in flags:
        yield ".TP"
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in flag.names)
        yield names + "".join(f" \\fI{_text(metavar)}\\fR" for metavar in flag.metavars)
        yield _text(flag.help) + (f" The default is: {_text(flag.standard)}." if flag.standard is not None else "")


def _environment(branch: CommandNode) -> Iterator[str]:
    prefix = "_".join(branch.path).upper().replace("-", "_")
    order = "the command line, the environment, --config FILE, ./detcli.toml, the user's own settings, the default"
    yield _text(f"Each option takes its value from the first of: {order}.")
    yield ".TP"
    yield f"\\fB{_text(prefix)}_\\fIOPTION\\fR"
    yield _text(
        "The value of an option: its long name in capitals, with underscores for dashes; separate several values by spaces."
    )


def _examples(branch: CommandNode) -> Iterator[str]:
    for number, example in enumerate(branch.examples):
        yield from ([".PP"] if number else [])
        yield _sentence(example.purpose[:1].upper() + example.purpose[1:])
        yield from (".PP", ".RS 4", ".nf", _text(example.line), ".fi", ".RE")


def _see_also(branch: CommandNode, root: CommandNode) -> Iterator[str]:
    pages = [page for page in (root, *root.children) if page.path != branch.path]
    for page in pages:
        comma = "," if page is not pages[-1] else ""
        yield f".BR {_text('-'.join(page.path))} (1){comma}"


def _definitions(entries: Mapping[str, str]) -> Iterator[str]:
    for term, text in entries.items():
        yield from (".TP", f".B {_text(term)}", _text(text))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Escape text for roff; dashes and quotes stay correct when copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    for character, name in (("'", "aq"), ("`", "ga"), ("^", "ha"), ("~", "ti"), ('"', "dq")):
        escaped = escaped.replace(character, f"\\({name}")
    return "\\&" + escaped if escaped.startswith(".") else escaped


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _sentence(text: str) -> str:
    return _text(text if text.endswith(".") else text + ".")


def _lowered(summary: str) -> str:
    return (summary[:1].lower() + summary[1:]).removesuffix(".")
