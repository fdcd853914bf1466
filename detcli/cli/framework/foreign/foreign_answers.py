"""What was meant by unknown options, by `name=value`, and by words in the place of a command."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from detcli.cli.framework.foreign.foreign_commands import COMMANDS, MODES, PROGRAMS, TASKS, command_of_inputs
from detcli.cli.framework.foreign.foreign_options import Answer, answer_for
from detcli.cli.framework.text import close_words, suggestion
from detcli.text import did_you_mean

_NAME_VALUE = re.compile(r"([a-z][a-z0-9_-]*)=(.*)", re.DOTALL)
_OFF = ("false", "none", "0", "")
_SUBCOMMANDS = {
    **dict.fromkeys(("ls", "all"), "list"),
    **dict.fromkeys(("rm", "delete", "uninstall"), "remove"),
    **dict.fromkeys(("describe", "get", "view"), "info"),
    "check": "verify",
    "where": "path",
    "file": "path",
    "print": "show",
    "import": "convert",
}
_COMMAND_OF_MODE = {
    "predict": "detect",
    "train": "train",
    "val": "eval",
    "validate": "eval",
    "test": "eval",
    "track": "video",
    "benchmark": "bench",
    "segment": "segment",
    "export": "export",
}


@dataclass(slots=True)
class _Replacements:
    """What to use instead of several foreign words: options, and sentences where there are none."""

    uses: list[str] = field(default_factory=list)
    sentences: list[tuple[str, str]] = field(default_factory=list)

    def use(self, text: str) -> None:
        if text not in self.uses:
            self.uses.append(text)

    def say(self, name: str, sentence: str) -> None:
        if sentence not in (said for _, said in self.sentences):
            self.sentences.append((name, sentence))

    def after(self, start: str, names: Sequence[str]) -> str:
        """The whole message: what was wrong, and what to use instead."""
        if len(names) == 1 and len(self.sentences) == 1 and not self.uses:
            return f"{start}: {self.sentences[0][1]}"
        used = [f"use {' '.join(self.uses)}"] if self.uses else []
        return "; ".join([start, *used, *(f"'{name}': {sentence}" for name, sentence in self.sentences)])


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command, --help too, by each of their names."""
    ctx = click.Context(command, **command.context_settings)
    return {
        name: option
        for option in command.get_params(ctx)
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }


def explain_unknown_options(command: click.Command, ctx: click.Context, args: Sequence[str], first: str) -> str:
    """The message for a command line with unknown options; `first` is the one that the parser met."""
    if isinstance(command, click.Group):
        return _explain_group_option(command, ctx, first)
    unknown = _unknown_options(command, args) or [(first, None)]
    replacements = _Replacements()
    for name, value in unknown:
        _replace(replacements, command, ctx, name, value)
    names = [name for name, _ in unknown]
    quoted = ", ".join(f"'{name}'" for name in names)
    return replacements.after(f"unknown option{'s' if len(names) > 1 else ''} {quoted}", names)


def _explain_group_option(group: click.Group, ctx: click.Context, name: str) -> str:
    """The message for an unknown option before the name of a command."""
    close = close_words(name, [known for known in options_of(group) if known.startswith("--")])
    if close:
        return f"unknown option '{name}': {did_you_mean(close)}"
    place = f"{ctx.command_path} COMMAND"
    for command in _commands(ctx):
        if name in options_of(command) or answer_for(name, command.name or ""):
            place = f"{ctx.command_path} {command.name}"
            break
    return f"unknown option '{name}'; the options of a command follow its name: {place} {name} …"


def explain_grammar(command: click.Command, ctx: click.Context, words: Sequence[str]) -> str | None:
    """The message for words like `conf=0.3` that are not files, with the options of detcli; None without such words."""
    pairs = [
        (word, *match.groups())
        for word in words
        if (match := _NAME_VALUE.fullmatch(word)) and not os.path.lexists(word)
    ]
    modes = [word for word in words if word in (*MODES, *TASKS, *PROGRAMS) and not os.path.lexists(word)]
    wrong = [word for word in words if word in modes]
    modes += [value for _, name, value in pairs if name in ("mode", "task")]
    target = _command_of_modes(command, ctx, modes)
    replacements = _Replacements()
    if "track" in modes:
        replacements.use("--track")
    for word, name, value in pairs:
        if name in ("mode", "task") or _replace_pair(replacements, target, ctx, name, value):
            wrong.append(word)
    if not wrong or (not pairs and not isinstance(command, click.Group)):  # a folder may be missing
        return None
    program = [f"detcli {target.name}"] if target is not command else []
    rest = [word for word in words if program and word not in wrong]
    replacements.uses = [*program, *rest, *replacements.uses]
    return replacements.after(f"unknown syntax '{' '.join(wrong)}'", wrong)


def explain_unknown_command(group: click.Group, ctx: click.Context, args: Sequence[str], known: Sequence[str]) -> str:
    """The message for a word that is no command of a group."""
    word = args[0]
    start = f"unknown command '{word}'"
    if ctx.parent is None:
        if sentence := COMMANDS.get(word.lower().replace("_", "-")):
            return f"{start}; {sentence}"
        if (command := command_of_inputs(args)) is not None:
            return f"missing command; use detcli {command} {' '.join(args)}"
    else:
        root = ctx.find_root().command
        if isinstance(root, click.Group) and word in root.list_commands(ctx.find_root()):
            return f"{start}; 'detcli {word}' is a command of its own"
        if (meant := _SUBCOMMANDS.get(word.lower(), "")) in known:
            return f"{start}: {did_you_mean([meant])}"
    return start + suggestion(word, known)


def single_dash_name(command: click.Command, word: str) -> str | None:
    """The option that was meant by a long name with one dash, such as `-conf`; None for other words."""
    name = word.partition("=")[0]
    if not re.fullmatch(r"-[a-z][a-z_-]{2,}", name):
        return None
    long = "-" + name.replace("_", "-")
    return long if long in options_of(command) or answer_for(long, command.name or "") else None


def _unknown_options(command: click.Command, args: Sequence[str]) -> list[tuple[str, str | None]]:
    """The unknown long options with the words that may be their values."""
    known, found = options_of(command), []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        name, sign, value = word.partition("=")
        if name in known:
            if not sign and not known[name].is_flag:
                del rest[: known[name].nargs]
        elif name.startswith("--"):
            follows = rest[0] if rest and not re.match(r"-[A-Za-z-]", rest[0]) else None
            found.append((name, value if sign else follows))
    return found


def _replace(
    replacements: _Replacements, command: click.Command, ctx: click.Context, name: str, value: str | None
) -> None:
    """Add what to use instead of an option of another program, of another command, or with a typing error."""
    answer = answer_for(name, command.name or "")
    if answer is not None:
        _answer(replacements, command, ctx, name, value, answer)
        return
    if (dashed := name.replace("_", "-")) in options_of(command):
        replacements.use(dashed if options_of(command)[dashed].is_flag else f"{dashed} {value or 'VALUE'}")
        return
    if others := _commands_with(ctx, name, command):
        replacements.say(name, f"an option of {_listed(others)}")
        return
    close = close_words(name, [known for known in options_of(command) if known.startswith("--")])
    if close:
        replacements.say(name, did_you_mean(close))


def _answer(
    replacements: _Replacements,
    command: click.Command,
    ctx: click.Context,
    name: str,
    value: str | None,
    answer: Answer,
) -> None:
    if answer.why:
        replacements.say(name, answer.why)
        return
    use = answer.use.replace("{}", value or "VALUE")
    needed = [word for word in use.split() if word.startswith("-")]
    if isinstance(command, click.Group) or all(word in options_of(command) for word in needed):
        replacements.use(use)
    elif others := _commands_with(ctx, needed[0], command):
        replacements.say(name, f"'{answer.use.replace('{}', value or 'VALUE')}' of {_listed(others)}")
    else:
        replacements.say(name, f"not available in '{ctx.command_path}'")


def _replace_pair(
    replacements: _Replacements, command: click.Command, ctx: click.Context, name: str, value: str
) -> bool:
    """Add what to use instead of `name=value`; returns whether the name means anything."""
    flag = "--" + name.replace("_", "-")
    own = options_of(command).get(flag)
    answer = answer_for(name, command.name or "")
    if own is not None and flag != "--conf":
        if not own.is_flag:
            replacements.use(f"{flag} {value}")
        elif value.lower() not in _OFF:
            replacements.use(flag)
    elif answer is not None:
        if answer.has_value or value.lower() not in _OFF:
            _answer(replacements, command, ctx, name, value, answer)
    elif others := _commands_with(ctx, flag, command):
        replacements.say(name, f"{flag} is an option of {_listed(others)}")
    else:
        return False
    return True


def _command_of_modes(command: click.Command, ctx: click.Context, modes: Sequence[str]) -> click.Command:
    """The command that `yolo detect predict` and the like mean; without a mode `detect` for the group."""
    names = [_COMMAND_OF_MODE[mode] for mode in modes if mode in _COMMAND_OF_MODE]
    is_group = isinstance(command, click.Group)
    if not names and not is_group:
        return command
    name = names[-1] if names else "detect"
    if "segment" in names and "detect" in names:
        name = "segment"
    if command.name == "segment" and name == "detect":
        return command
    root = ctx.find_root()
    found = root.command.get_command(root, name) if isinstance(root.command, click.Group) else None
    return command if found is None else found


def _commands_with(ctx: click.Context, flag: str, other_than: click.Command) -> list[str]:
    """Names of the other commands that have an option."""
    root = ctx.find_root()
    return [
        f"detcli {command.name}"
        for command in _commands(root)
        if command is not other_than and flag in options_of(command)
    ]


def _commands(root: click.Context) -> Iterator[click.Command]:
    if isinstance(root.command, click.Group):
        for name in root.command.list_commands(root):
            command = root.command.get_command(root, name)
            if command is not None:
                yield command


def _listed(commands: Sequence[str]) -> str:
    return " and ".join(f"'{command}'" for command in commands[:3])
