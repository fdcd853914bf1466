"""Pages of docs/reference/commands/: one for each command, with its subcommands, and one for what they share."""

import html
import re
from collections.abc import Iterable, Iterator

from detcli.cli.docs.command_tree import CommandNode, FlagInfo
from detcli.cli.docs.reference.markdown import as_html, code_block, page, table, with_code
from detcli.cli.docs.shared_facts import ENVIRONMENT, FILES
from detcli.cli.framework.help_page import GLOBAL_OPTIONS

_TOP = 2  # level of the headings of a page


def command_pages(root: CommandNode) -> dict[str, str]:
    """File name -> text of every page."""
    pages = {f"{child.name}.md": page(_command_page(child)) for child in root.children}
    return {"index.md": page(_overview(root)), **pages}


def option_id(path: tuple[str, ...], flag: FlagInfo) -> str:
    """The anchor of an option on the page of its command: "--resume", "list--json" for a subcommand."""
    name = next((name for name in flag.names if name.startswith("--")), flag.names[0])
    return "-".join(path[2:]) + name


def _overview(root: CommandNode) -> Iterator[str]:
    yield "# Commands"
    yield from _paragraphs(root.help)
    yield from table(
        ["command", "description"], [(f"[`{_full(child)}`]({child.name}.md)", child.summary) for child in root.children]
    )
    yield from (
        "",
        "`detcli COMMAND --help` shows the options of a command, and `man detcli-COMMAND` its manual page.",
        "",
    )
    yield from _examples(root, level=_TOP)
    yield from _options(root, root.flags, level=_TOP)
    yield from ("## Values from settings files and the environment", "")
    yield "An option takes its value from the first of: the command line, the environment variable, `--config FILE`,"
    yield "`./detcli.toml`, the user's settings, the default. The environment variable is `DETCLI_COMMAND_OPTION`: the name"
    yield "of the command and the long name of the option in capitals, with underscores, such as `DETCLI_DETECT_MAX_DET=50`."
    yield from ("", "## Environment variables", "")
    yield from table(["variable", "meaning"], [(_codes(names), with_code(text)) for names, text in ENVIRONMENT.items()])
    yield from ("", "## Files", "")
    yield from table(["file", "content"], [(_codes(names), with_code(text)) for names, text in FILES.items()])
    yield from ("", "The exit codes are on [a page of their own](../exit-codes.md).")


def _command_page(node: CommandNode) -> Iterator[str]:
    yield f"# {_full(node)}"
    yield from _command(node, level=_TOP, shared=())
    for child in node.children:
        yield from (f"## {_full(child)}", "")
        yield from _command(child, level=_TOP + 1, shared=[flag.names for flag in node.flags])
    yield "See also: [what all commands share](index.md), [exit codes](../exit-codes.md), [records](../records.md)."


def _command(node: CommandNode, *, level: int, shared: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from _paragraphs(node.help)
    yield from code_block(f"{_full(node)} {node.usage}")
    yield ""
    if node.aliases:
        names = ", ".join(f"`{' '.join((*node.path[:-1], alias))}`" for alias in node.aliases)
        yield from (f"Also called {names}.", "")
    if node.children:
        yield from table(
            ["command", "description"], [(f"[`{_full(c)}`](#{'-'.join(c.path)})", c.summary) for c in node.children]
        )
        yield ""
    yield from _examples(node, level=level)
    hidden = list(shared)
    yield from _options(node, [flag for flag in node.flags if flag.names not in hidden], level=level)


def _examples(node: CommandNode, *, level: int) -> Iterator[str]:
    if not node.examples:
        return
    if level == _TOP:
        yield from ("## Examples", "")
    lines = [line for example in node.examples for line in (f"# {example.purpose}", example.line)]
    yield from code_block("\n".join(lines), "sh")
    yield ""


def _options(node: CommandNode, flags: Iterable[FlagInfo], *, level: int) -> Iterator[str]:
    """The options by section; each is a heading with an anchor, which the search of the site finds, but no table of contents lists."""
    sections: dict[str, list[FlagInfo]] = {}
    for flag in flags:  # a subcommand has few options: one list
        sections.setdefault(_title(flag.section) if level == _TOP else "", []).append(flag)
    for title, members in sections.items():
        yield from (f"## {title}", "") if title else ()
        for flag in members:
            yield from (_option(node, flag), "")


def _title(section: str) -> str:
    return section if section in (GLOBAL_OPTIONS, "Options") else f"{section} options"


def _option(node: CommandNode, flag: FlagInfo) -> str:
    anchor = option_id(node.path, flag)
    names = ", ".join(f"<code>{name}</code>" for name in flag.names)
    values = "".join(f" <var>{html.escape(metavar, quote=False)}</var>" for metavar in flag.metavars)
    text = as_html(with_code(flag.help))
    choices = [word for word in flag.values.words if word not in flag.help] if flag.values.kind == "words" else []
    if choices and len(flag.values.words) == len(choices):
        text += f" One of {', '.join(f'<code>{word}</code>' for word in choices)}."
    if flag.standard is not None:
        text += f" <em>Default: {as_html(with_code(flag.standard))}.</em>"
    return f'<h3 class="option" id="{anchor}"><a href="#{anchor}">{names}{values}</a></h3>\n<p>{text}</p>'


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield from (with_code(" ".join(paragraph.split())), "")


def _codes(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _full(node: CommandNode) -> str:
    return " ".join(node.path)
