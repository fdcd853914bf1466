"""Library messages name arguments in backquotes; on the command line they are options."""

import re
from collections.abc import Iterable, Mapping

import click

# Arguments of the library whose option has another name: argument -> option as it is typed.
_OTHER_NAMES = {
    "batch_size": "--batch",
    "cache_dir": "--cache-dir",
    "dilation": "--dc5/--no-dc5",
    "evaluate": "eval",
    "extensions": "--ext",
    "format": "--format",
    "ground_truth": "--gt",
    "image_size": "--imgsz",
    "max_detections": "--max-det",
    "optimize": "--no-optimize",
    "outputs": "--output",
    "overwrite": "--if-exists overwrite (or -y)",
    "reconnect": "--no-reconnect",
    "recursive": "--no-recursive",
}
_ARGUMENT = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]+))?`")


def option_names(parameters: Iterable[click.Parameter]) -> dict[str, str]:
    """The name of each option's Python argument -> the option as it is typed, the long form."""
    own = {
        parameter.name: max(parameter.opts, key=len)
        for parameter in parameters
        if isinstance(parameter, click.Option) and parameter.name
    }
    return _OTHER_NAMES | own


def translate(message: str, names: Mapping[str, str]) -> str:
    """Replace `arguments` in a message by options; other names only lose the backquotes.

    `name=value` becomes `--option value`; quotes around the value are removed.
    """

    def option(match: re.Match[str]) -> str:
        argument, value = match.groups()
        name = names.get(argument)
        if match[0] == "`if_exists=overwrite`" and name is not None:
            return _OTHER_NAMES["overwrite"]
        if value is None:
            return name or argument
        return f"{name} {value.strip(chr(34) + chr(39))}" if name else f"{argument}={value}"

    return _ARGUMENT.sub(option, message)
