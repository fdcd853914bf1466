"""Values from files: `--config FILE`, then ./detcli.toml, then the user's own; checked before anything starts.

A file holds one table a command, keys named as the flags without their dashes:

    color = "never"            # screen options may stand at the top, for all commands

    [detect]
    model = "dfine-x"
    classes = ["person", "dog"]
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.help_page import SCREEN
from detcli.cli.framework.text import long_name, suggestion
from detcli.errors import UsageError

LOCAL_FILE = "detcli.toml"
_MOST_BYTES = 1 << 20
_UNSETTABLE = {"config", "help", "version"}  # a file cannot name the file to read


# Name of click's or our own type -> what TOML may give it.
_TOML_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "an integer"),
    "integer range": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "float range": ((int, float), "a number"),
    "score": ((int, float), "a number"),
    "batch": ((int, str), "a number or a word"),
    "time": ((int, float, str), "seconds, or a time such as 1:30 in quotes"),
    "rate": ((int, float, str), "a number"),
    "list": ((str, int), "text in quotes"),
}


def user_file() -> Path:
    """Where the user's own settings lie, whether or not they exist."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where there is none, as in some containers
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or home / "AppData" / "Roaming"
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    return Path(base) / "detcli" / "config.toml"


def read_settings(ctx: click.Context, config: str | None) -> dict[str, Any]:
    """Parameter name -> value for a command, from all files there are; the nearer file wins key by key.

    Raises UsageError naming file and key for what cannot be read, is unknown or of a wrong type.
    """
    values: dict[str, Any] = {}
    for path, required in (
        (user_file(), False),
        (Path(LOCAL_FILE), False),
        *([(Path(config), True)] if config else []),
    ):
        document = _read(path, required=required)
        if document is not None:
            values |= _values_for(ctx, str(path), document)
    return values


def _read(path: Path, *, required: bool) -> dict[str, Any] | None:
    try:
        if not path.is_file():
            if required:
                reason = "it is not a file" if path.exists() else "there is no such file"
                raise UsageError(f"cannot read the settings '{path}': {reason}")
            return None
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UsageError(f"cannot read the settings '{path}': larger than {_MOST_BYTES} bytes")
        return tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read the settings '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"cannot read the settings '{path}': not TOML: {error}") from error


def _values_for(ctx: click.Context, file: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says to the command of a context; every top-level name is checked, tables only for this command."""
    root = ctx.find_root()
    words = ctx.command_path.split()[1:] if ctx.parent else []
    group = root.command
    commands = group.list_commands(root) if isinstance(group, click.Group) else []
    shared = {name: option for name, option in _options(ctx.command).items() if option.section == SCREEN}
    top = {name: value for name, value in document.items() if not isinstance(value, Mapping)}
    for name in document:
        if name in top and _key(name) not in shared:
            raise UsageError(f"{file}: unknown key '{name}'" + suggestion(_key(name), list(shared)))
        if name not in top and name not in commands:
            raise UsageError(f"{file}: unknown table [{name}]" + suggestion(name, commands))
    values = _checked(ctx, file, "", top)
    table: Any = document
    for depth, word in enumerate(words):
        table = table.get(word, {})
        if not isinstance(table, Mapping):
            raise UsageError(f"{file}: [{'.'.join(words[: depth + 1])}] is not a table")
    return values | (_checked(ctx, file, f"[{'.'.join(words)}] ", table) if words else {})


def _checked(ctx: click.Context, file: str, where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    options = _options(ctx.command)
    values = {}
    for key, value in table.items():
        option = options.get(_key(key))
        if option is None:
            raise UsageError(f"{file}: {where}unknown key '{key}'" + suggestion(_key(key), list(options)))
        _check_type(option, value, f"{file}: {where}{key}")
        try:
            values[option.name or ""] = option.type_cast_value(ctx, _as_given(option, value))
        except click.BadParameter as error:
            raise UsageError(f"{file}: {where}{key}: {error.message.strip().removesuffix('.')}") from None
    return values


def _options(command: click.Command) -> dict[str, Any]:
    """Key of a settings file -> option: the longest flag without its dashes."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in _UNSETTABLE:
            name = long_name(option.opts)
            if name:
                found[name] = option
    return found


def _check_type(option: click.Option, value: Any, where: str) -> None:
    """Raise UsageError unless a TOML value has the option's type; a number in quotes is no number."""
    many = option.multiple or option.nargs != 1 or getattr(option.type, "takes_list", False)
    allowed, wanted = _TOML_TYPES.get(option.type.name, ((str,), "text in quotes"))
    items = value if many and isinstance(value, list) else [value]
    if option.nargs != 1 and (not isinstance(value, list) or len(value) != option.nargs):
        raise UsageError(f"{where}: {_shown(value)} is not a list of {option.nargs} values")
    for item in items:
        if not isinstance(item, allowed) or (isinstance(item, bool) and bool not in allowed):
            raise UsageError(f"{where}: {_shown(item)} is not {wanted}")


def _as_given(option: click.Option, value: Any) -> Any:
    """The value as click's types take it: a list where several are allowed."""
    if option.multiple and not isinstance(value, list):
        return [value]
    return value


def _key(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: object) -> str:
    return repr(value)[:60]
