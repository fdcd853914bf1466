"""The words of a command line before click parses them: sizes of two words, and slips that click would misread."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import click

from detcli.cli.framework.foreign.foreign_answers import (
    explain_grammar,
    explain_unknown_options,
    options_of,
    single_dash_name,
)

# www.example.org/a.jpg, example.com/a.jpg, localhost:8000/a.jpg, 192.168.1.5:554/stream
_ADDRESS = re.compile(
    r"(?:www\.[\w.-]+|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|co|dev|ai|app)|localhost|\d{1,3}(?:\.\d{1,3}){3})"
    r"(?::(?P<port>\d{1,5}))?(?:/.*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_MOST_PARTS = 12  # of a path with spaces
_SIDE = re.compile(r"\d{2,6}")  # one digit is a camera


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the command line: an option with its values, or an argument."""

    text: str
    option: click.Option | None = None
    values: tuple[str, ...] = ()

    def words(self) -> Iterator[str]:
        yield self.text
        yield from self.values


def prepare_arguments(command: click.Command, ctx: click.Context, args: Sequence[str]) -> list[str]:
    """The words for click's parser. Raises a usage error for a slip, with what was meant.

    `--imgsz 480 640` becomes one value; a missing value, one dash before a long name, words like `conf=0.3` and class
    names with spaces between them are refused.
    """
    words = list(_read(command, ctx, args))
    if unknown := [word.text for word in words if _is_unknown(command, word)]:
        raise click.UsageError(explain_unknown_options(command, ctx, args, unknown[0]), ctx)
    arguments = [word.text for word in words if word.option is None and not word.text.startswith("-")]
    if message := explain_grammar(command, ctx, arguments):
        raise click.UsageError(message, ctx)
    _check_classes(words, ctx)
    if any(isinstance(param, click.Argument) and param.name == "sources" for param in command.params):
        _check_inputs(arguments, ctx)
    _check_places(command, ctx, words, arguments)
    return [text for word in words for text in word.words()]


def _read(command: click.Command, ctx: click.Context, args: Sequence[str]) -> Iterator[_Word]:
    """The words with the options they are; everything after `--` is an argument."""
    known, rest = options_of(command), list(args)
    while rest:
        text = rest.pop(0)
        if text == "--":
            yield from map(_Word, (text, *rest))
            return
        option = known.get(text)
        if option is None and (meant := single_dash_name(command, text)):
            if meant in known:
                raise click.UsageError(f"unknown option '{text.partition('=')[0]}': did you mean '{meant}'?", ctx)
            raise click.UsageError(explain_unknown_options(command, ctx, [f"-{text}", *rest], meant), ctx)
        if text[1:2] != "-" and text[2:3] == "=" and (short := known.get(text[:2])) is not None and not short.is_flag:
            raise click.UsageError(f"unknown syntax '{text}'; use {text[:2]} {shell_word(text[3:])}", ctx)
        if option is None or option.is_flag or option.count:
            yield _Word(text, option)
            continue
        count = option.nargs
        if getattr(option.type, "joins_two", False) and len(rest) > 1 and all(map(_SIDE.fullmatch, rest[:2])):
            rest[:2] = [" ".join(rest[:2])]
        if rest and rest[0] in known:
            raise click.BadOptionUsage(text, f"option '{text}' requires a value, and '{rest[0]}' follows", ctx)
        values = tuple(rest[:count])
        del rest[:count]
        yield _Word(text, option, values)


def _is_unknown(command: click.Command, word: _Word) -> bool:
    """Whether a word is a long option that the command does not have."""
    name = word.text.partition("=")[0]
    return word.option is None and name.startswith("--") and name != "--" and name not in options_of(command)


def _check_classes(words: Sequence[_Word], ctx: click.Context) -> None:
    """Raise a usage error for `--classes person dog`, where 'dog' is no input."""
    for number, word in enumerate(words):
        if word.option is None or word.option.name != "classes" or not word.values:
            continue
        names = []
        for follower in words[number + 1 :]:
            if follower.option is not None or not _is_plain_name(follower.text):
                break
            names.append(follower.text)
        if names:
            inputs = f"'{names[0]}' is not a file or a folder" if len(names) == 1 else "they are no inputs"
            raise click.UsageError(
                f"{inputs}: classes are separated by commas: {word.text} {shell_word(','.join((*word.values, *names)))}",
                ctx,
            )


def _check_places(command: click.Command, ctx: click.Context, words: Sequence[_Word], arguments: Sequence[str]) -> None:
    """Raise a usage error for more arguments than the command takes, such as `train shapes:0:20`."""
    counts = [param.nargs for param in command.params if isinstance(param, click.Argument)]
    if isinstance(command, click.Group) or -1 in counts or len(arguments) <= sum(counts):
        return
    known, given = options_of(command), {word.text for word in words}
    before = {word.text: words[number - 1].text for number, word in enumerate(words) if number}
    first = arguments[sum(counts)]
    message = f"unexpected argument '{first}'"
    meant = next((name for name in ("--gt", "--data", "--output") if name in known and name not in given), None)
    if before.get(first) == "--resume" and "--output" in known:
        run = re.sub(r"(?<=.)[/\\](weights[/\\])?(last|best)(\.\w+)?[/\\]?$", "", first)
        message += f"; --resume takes no value, and --output names the run: -o {shell_word(run)} --resume"
    elif meant is not None:
        message += f"; use {meant} {shell_word(first)}"
    raise click.UsageError(message, ctx)


def _check_inputs(arguments: Sequence[str], ctx: click.Context) -> None:
    """Raise a usage error for an input that does not exist, where another spelling does."""
    for number, word in enumerate(arguments):
        if os.path.lexists(word):
            continue
        if (spaced := _joined_path(arguments[number : number + _MOST_PARTS])) is not None:
            raise click.UsageError(f"a path with spaces is written in quotes: {shell_word(spaced)}", ctx)
        if (several := _several_paths(word)) is not None:
            raise click.UsageError(f"inputs are separated by spaces: {' '.join(map(shell_word, several))}", ctx)
        if (meant := _meant_path(word)) is not None:
            raise click.UsageError(f"'{word}' is not a file or a folder: use {shell_word(meant)}", ctx)
        if match := _ADDRESS.fullmatch(word):
            scheme = "rtsp" if match["port"] in ("554", "8554") else "http" if match["port"] else "https"
            raise click.UsageError(
                f"'{word}' is not a file or a folder; an address starts with its scheme: {scheme}://{word}", ctx
            )


def _joined_path(words: Sequence[str]) -> str | None:
    """The existing path that several words are, where its quotes were left out."""
    joined = (" ".join(words[:count]) for count in range(2, len(words) + 1))
    return next((path for path in joined if os.path.lexists(path)), None)


def _several_paths(word: str) -> list[str] | None:
    """The existing paths that one word lists with commas or spaces, as from a variable in quotes."""
    paths = [part for part in re.split(r"[,;\s]+", word) if part]
    return paths if len(paths) > 1 and all(map(os.path.lexists, paths)) else None


def _meant_path(word: str) -> str | None:
    """The existing path that a word means: without quotes, `file://`, `~`, or backslashes before spaces or as slashes."""
    spellings = [word.strip("'\""), word.replace("\\ ", " "), word.strip()]
    if word.startswith("file://"):
        spellings.append(unquote(urlsplit(word).path))
    if word.startswith("~"):
        spellings.append(os.path.expanduser(word))  # noqa: PTH111 - Path.expanduser raises without a home
    if os.sep == "/":
        slashes = word.replace("\\", "/")
        drive = re.fullmatch(r"([A-Za-z]):(/.*)", slashes)
        spellings += [slashes, *([f"/mnt/{drive[1].lower()}{drive[2]}"] if drive else [])]
    return next((path for path in spellings if path and path != word and os.path.lexists(path)), None)


def _is_plain_name(word: str) -> bool:
    """Whether a word can be a class name and cannot be an input."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]*", word) is not None and not os.path.lexists(word)


def shell_word(text: str) -> str:
    """A word as it is typed in a shell, in quotes where needed."""
    import shlex

    return shlex.quote(text)
