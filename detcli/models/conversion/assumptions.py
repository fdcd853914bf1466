"""What names, shapes and values of tensors do not tell about a network: told by the run's arguments or the user, else assumed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from detcli.errors import UnsupportedModelError, UsageError
from detcli.models.family import ConversionHints

ConfigT = TypeVar("ConfigT")


def settled(
    config_json: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], ConfigT],
    *,
    untold: Sequence[str],
    told: Mapping[str, Any],
    hints: ConversionHints,
) -> tuple[ConfigT, tuple[str, ...]]:
    """The configuration with what is told about it, and what remains assumed, as "field=value".

    config_json  config.json with the usual values of the repository
    read         config.json -> configuration
    untold       fields that the tensors do not tell
    told         fields that the arguments in the file tell
    hints        the user's `fields`, which win

    Raises UsageError for a field of the user that is unknown, invalid, or told by the tensors; UnsupportedModelError for an
    argument in the file that is not supported.
    """
    for name in hints.fields:
        if name not in untold:
            raise UsageError(f"`fields`: '{name}' cannot be given for this file, only {', '.join(untold)}")
    told = {name: value for name, value in told.items() if name in untold}
    try:
        config = read({**config_json, **told, **hints.fields})
    except UnsupportedModelError as error:
        if not hints.fields:
            raise
        raise UsageError(f"`fields`: {str(error).removeprefix('config.json: ')}") from error
    said = told.keys() | hints.fields.keys()
    return config, tuple(assumed(name, config_json[name]) for name in untold if name not in said)


def assumed(name: str, value: object) -> str:
    """One thing that is assumed, in the form in which it can be given."""
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def argument(args: Mapping[str, Any], *names: str) -> Any:
    """The first of the arguments of a run that has one of these names, alone or after a dot; None if there is none.

    The arguments of a nested configuration have dotted names: "DFINETransformer.num_queries".
    """
    for name in names:
        for given, value in args.items():
            if value is not None and (given == name or given.endswith(f".{name}")):
                return value
    return None


def arguments(args: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Fields of config.json that the arguments of a run tell.

    names  field -> names of the argument that sets it
    """
    told = {field: argument(args, *given) for field, given in names.items()}
    return {field: value for field, value in told.items() if value is not None}


def refuse_arguments(args: Mapping[str, Any], supported: Mapping[str, Sequence[Any]]) -> None:
    """Raise UnsupportedModelError for an argument of a run that makes a network which detcli does not have.

    supported  argument -> its supported values
    """
    for name, values in supported.items():
        given = argument(args, name)
        plain = given.casefold() if isinstance(given, str) else given
        if given is not None and plain not in values:
            raise UnsupportedModelError(
                f"the model was trained with {name}={str(given)[:60]}, which is not supported; supported is "
                + " or ".join(str(value) for value in values)
            )
