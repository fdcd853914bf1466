"""Settings files: `--config FILE`, then ./detcli.toml, then the user's file; checked before a run starts.

The file of the current folder may come from a stranger: `folder_rules.py` says what it may set.

A file has one table per command; keys are the option names without dashes:

    color = "never"            # global options at the top apply to all commands

    [detect]
    model = "dfine-x"
    classes = ["person", "dog"]
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from detcli.cli.framework.folder_rules import refusal
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.text import long_name, suggestion
from detcli.errors import UsageError
from detcli.io.documents import DocumentError, parse_toml
from detcli.io.output_paths import is_same_file

LOCAL_FILE = "detcli.toml"
_MAX_BYTES = 1 << 20
_UNSETTABLE = {"config", "help", "version"}  # a file cannot name the file to read


# Name of the option's type -> TOML types and their description.
_TOML_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "an integer"),
    "integer range": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "float range": ((int, float), "a number"),
    "score": ((int, float), "a number"),
    "thresholds": ((int, float, str), "a number, or text such as 'person=0.6'"),
    "nms": ((int, float, str), "a number, or 'off'"),
    "batch": ((int, str), "a number or a word"),
    "time": ((int, float, str), "seconds, or a time such as 1:30 in quotes"),
    "image size": ((int, str), "a number, two numbers or text such as '480x640'"),
    "rate": ((int, float, str), "a number"),
    "list": ((str, int), "text in quotes"),
}


def user_file() -> Path:
    """Path of the user's settings file, whether or not it exists; relative (and never read) for a user without a home."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises without a home
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or home / "AppData" / "Roaming"
    else:
        configured = os.environ.get("XDG_CONFIG_HOME", "")
        base = configured if os.path.isabs(configured) else home / ".config"  # noqa: PTH117 - the standard's words
    return Path(base) / "detcli" / "config.toml"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file; `kind` is where it belongs, `is_required` whether it must exist."""

    kind: Literal["user", "folder", "config"]
    path: Path
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class RefusedSetting:
    """A setting of the current folder's file that is not used.

    name    of the parameter
    key     as the file names it
    where   the table, such as "[detect] "; "" at the top
    value   of TOML
    reason  why it is refused
    """

    name: str
    key: str
    where: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a file sets for a command: parameter name -> value, and what is refused."""

    file: SettingsFile
    values: Mapping[str, Any]
    refused: tuple[RefusedSetting, ...] = ()


def settings_files(config: str | None) -> tuple[SettingsFile, ...]:
    """The settings files, whether or not they exist; a later one has priority over an earlier one.

    `detcli.toml` of the current folder is left out where the user named it, or where it is the user's own.
    """
    user = user_file()
    # A relative path would be in the current folder, whose files are not the user's.
    trusted = [SettingsFile("user", user)] if user.is_absolute() else []
    given = [SettingsFile("config", Path(config), is_required=True)] if config else []
    local = Path(LOCAL_FILE)
    is_trusted = any(is_same_file(local, file.path) for file in (*trusted, *given))
    return (*trusted, *([] if is_trusted else [SettingsFile("folder", local)]), *given)


def read_file(ctx: click.Context, file: SettingsFile) -> FileSettings:
    """What a file sets for a command; nothing for a file that does not exist.

    Raises UsageError with file and key for an unreadable file, an unknown key or a wrong type.
    """
    document = _read(file.path, required=file.is_required)
    return FileSettings(file, {}) if document is None else _settings_for(ctx, file, document)


def read_settings(ctx: click.Context, config: str | None) -> tuple[FileSettings, ...]:
    """What the existing files set for a command; a later one has priority over an earlier one.

    Raises what `read_file` raises.
    """
    return tuple(read_file(ctx, file) for file in settings_files(config))


def refusals(settings: Sequence[FileSettings]) -> list[RefusedSetting]:
    """The refused settings that no file of higher priority sets."""
    refused: dict[str, RefusedSetting] = {}
    for file in settings:
        for name in file.values:
            refused.pop(name, None)
        refused |= {one.name: one for one in file.refused}
    return list(refused.values())


def explain_refusals(refused: Sequence[RefusedSetting]) -> str:
    """The message for settings that are refused."""
    what = "; ".join(f"{one.where}{one.key}: {one.reason}" for one in refused)
    return (
        f"{LOCAL_FILE} of the current folder may not set this: {what}. Remove it there and use the options of the command "
        f"line, or '--config {LOCAL_FILE}' if you trust the file"
    )


def keys_of_options(command: click.Command) -> dict[str, Any]:
    """Key of a settings file -> option: the long name without dashes."""
    options = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in _UNSETTABLE:
            name = long_name(option.opts)
            if name:
                options[name] = option
    return options


def _read(path: Path, *, required: bool) -> dict[str, Any] | None:
    try:
        if not path.is_file():
            if required:
                reason = "not a file" if path.exists() else "file not found"
                raise UsageError(f"cannot read the settings file '{path}': {reason}")
            return None
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UsageError(f"cannot read the settings file '{path}': larger than {_MAX_BYTES} bytes")
        return parse_toml(data)
    except OSError as error:
        raise UsageError(f"cannot read the settings file '{path}': {error.strerror}") from error
    except DocumentError as error:
        raise UsageError(f"cannot read the settings file '{path}': not TOML: {error}") from error


def _settings_for(ctx: click.Context, file: SettingsFile, document: Mapping[str, Any]) -> FileSettings:
    """Settings of one file for the command of a context; checks all top-level names, and the table of this command."""
    root, name_of_file = ctx.find_root(), str(file.path)
    words = ctx.command_path.split()[1:] if ctx.parent else []
    group = root.command
    commands = group.list_commands(root) if isinstance(group, click.Group) else []
    shared = {name: option for name, option in keys_of_options(ctx.command).items() if option.section == GLOBAL_OPTIONS}
    top = {name: value for name, value in document.items() if not isinstance(value, Mapping)}
    for name in document:
        if name in top and _key(name) not in shared:
            raise UsageError(f"{name_of_file}: unknown key '{name}'" + suggestion(_key(name), list(shared)))
        if name not in top and name not in commands:
            raise UsageError(f"{name_of_file}: unknown table [{name}]" + suggestion(name, commands))
    settings = _checked(ctx, file, "", top)
    table: Any = document
    for depth, word in enumerate(words):
        table = table.get(word, {})
        if not isinstance(table, Mapping):
            raise UsageError(f"{name_of_file}: [{'.'.join(words[: depth + 1])}] is not a table")
    if not words:
        return settings
    of_command = _checked(ctx, file, f"[{'.'.join(words)}] ", table)
    return FileSettings(file, {**settings.values, **of_command.values}, (*settings.refused, *of_command.refused))


def _checked(ctx: click.Context, file: SettingsFile, where: str, table: Mapping[str, Any]) -> FileSettings:
    options = keys_of_options(ctx.command)
    values, refused = {}, []
    for key, value in table.items():
        option = options.get(_key(key))
        if option is None:
            raise UsageError(f"{file.path}: {where}unknown key '{key}'" + suggestion(_key(key), list(options)))
        name = option.name or ""
        _check_type(option, value, f"{file.path}: {where}{key}")
        if file.kind == "folder" and (reason := refusal(_key(key), value)) is not None:
            refused.append(RefusedSetting(name, _key(key), where, value, reason))
            continue
        try:
            values[name] = option.type_cast_value(ctx, _for_click(option, value))
        except click.BadParameter as error:
            raise UsageError(f"{file.path}: {where}{key}: {error.message.strip().removesuffix('.')}") from None
    return FileSettings(file, values, tuple(refused))


def _check_type(option: click.Option, value: Any, where: str) -> None:
    """Raise UsageError unless a TOML value has the option's type; a number in quotes is text."""
    many = option.multiple or option.nargs != 1 or getattr(option.type, "takes_list", False)
    allowed, expected = _TOML_TYPES.get(option.type.name, ((str,), "text in quotes"))
    items = value if many and isinstance(value, list) else [value]
    if option.nargs != 1 and (not isinstance(value, list) or len(value) != option.nargs):
        raise UsageError(f"{where}: {_shown(value)} is not a list of {option.nargs} values")
    for item in items:
        quoted = option.type.name == "thresholds" and isinstance(item, str) and "=" not in item
        if not isinstance(item, allowed) or (isinstance(item, bool) and bool not in allowed) or quoted:
            raise UsageError(f"{where}: {_shown(item)} is not {expected}")


def _for_click(option: click.Option, value: Any) -> Any:
    """The value as click expects it: a list for a repeatable option."""
    if option.multiple and not isinstance(value, list):
        return [value]
    return value


def _key(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: object) -> str:
    return repr(value)[:60]
