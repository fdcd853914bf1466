"""The Markdown pages of the project: their code blocks, links, anchors and command lines."""

import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
SHELL = ("", "bash", "sh", "console")
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_OPERATORS = set("();<>|&")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: its language, the rest of the line that opens it, and its text without indentation."""

    language: str
    info: str
    text: str


def pages() -> list[Path]:
    """README, the other pages in the root of the project, and those of the site."""
    return [*sorted(PROJECT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """The path of a page in the project."""
    return page.relative_to(PROJECT).as_posix()


@cache
def text_of(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def code_blocks(text: str) -> Iterator[CodeBlock]:
    """The fenced blocks of a text."""
    for match in _BLOCK.finditer(text):
        language, _, info = match["info"].strip().partition(" ")
        lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines()]
        yield CodeBlock(language, info, "\n".join(lines) + "\n")


def without_code(text: str) -> str:
    """The text without fenced blocks and code in backquotes."""
    return re.sub(r"`[^`\n]+`", "", _BLOCK.sub("", text))


def links(text: str) -> list[str]:
    """The targets of links and images outside of code."""
    return re.findall(r"\]\(([^()\s]+(?:\([^()\s]*\))?)(?: \"[^\"]*\")?\)", without_code(text))


def anchors(text: str, *, github: bool = False) -> set[str]:
    """The anchors of a page: headings, `id` of HTML, `{#id}`, and names that mkdocstrings describes.

    github  anchors of headings as GitHub makes them, for pages that are not in the site
    """
    found = set(re.findall(r'\bid="([^"]+)"', text)) | set(re.findall(r"\{ ?#([\w.-]+)[^}]*\}", text))
    found |= set(re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE))
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +\{[^}]*\})?$", _BLOCK.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(_github_slug(plain) if github else _slug(plain))
    return found


def command_lines(text: str) -> Iterator[list[str]]:
    """The words of every `detcli …` in the shell blocks of a page, without those of other programs."""
    for block in code_blocks(text):
        if block.language in SHELL:
            for line in re.sub(r"\\\n", " ", block.text).splitlines():
                yield from commands_of(line)


def commands_of(line: str) -> Iterator[list[str]]:
    """The words of every `detcli …` in a line of a shell."""
    for inner in re.findall(r"\$\((.*?)\)", line):
        yield from commands_of(inner)
    try:
        lexer = shlex.shlex(re.sub(r"^\$ ", "", line.strip()), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quote that goes on in the next line, or an apostrophe of prose
        return
    command: list[str] = []
    is_redirected = False
    for word in [*words, ";"]:
        if set(word) <= set("<>"):
            is_redirected = True
        elif set(word) <= _OPERATORS:
            yield from _of_detcli(command)
            command = []
        elif is_redirected:
            is_redirected = False
        else:
            command.append(word)


def _of_detcli(words: list[str]) -> Iterator[list[str]]:
    """The words after the name of the program, which may follow variables of the environment or `python -m`."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:1] == ["detcli"]:
        yield words[1:]
    elif "-m" in words and words[words.index("-m") + 1 :][:1] == ["detcli"]:
        yield words[words.index("-m") + 2 :]


def _slug(heading: str) -> str:
    """The anchor that Python-Markdown makes of a heading."""
    ascii_text = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_text).strip().lower())


def _github_slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
