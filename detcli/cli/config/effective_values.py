"""The value that each option of a command has without the command line, and where it comes from."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from detcli.checkpoints.catalog import CATALOG
from detcli.checkpoints.hub.hub_environment import cache_folder, is_true
from detcli.checkpoints.score_threshold import threshold_of_folder
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.options.option import Option
from detcli.cli.framework.settings import FileSettings, RefusedSetting, keys_of_options, read_settings, refusals
from detcli.errors import UsageError

OriginKind = Literal["environment", "config", "folder", "user", "catalog", "model", "default"]
_CACHE_VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """The value of an option.

    key          as a settings file names it
    value        as JSON holds it; None: not set
    kind         of its origin
    source       the environment variable, the file, the model of the catalog, or the model folder; None for a default
    description  of a default that depends on other things, or None
    """

    key: str
    value: Any
    kind: OriginKind
    source: str | None = None
    description: str | None = None


def leaf_contexts(
    root: click.Context, *, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    """The words and the context of every command that is no group."""
    group = root.command
    assert isinstance(group, click.Group)  # noqa: S101 - only groups are walked
    for name in group.list_commands(root):
        command = group.get_command(root, name)
        if command is None:
            continue
        ctx = command.context_class(command, info_name=name, parent=root, **command.context_settings)
        if isinstance(command, click.Group):
            yield from leaf_contexts(ctx, prefix=(*prefix, name))
        else:
            yield (*prefix, name), ctx


def effective_values(ctx: click.Context, config: str | None) -> tuple[list[EffectiveValue], list[RefusedSetting]]:
    """The values of a command, and what the current folder's file may not set.

    config  the file of --config, or None

    Raises UsageError for a wrong value in a file or in the environment.
    """
    files = read_settings(ctx, config)
    found = {key: _value(ctx, key, option, files) for key, option in keys_of_options(ctx.command).items()}
    for known in (_of_catalog(ctx, found), _of_model(ctx, found), _of_hub(found)):
        found |= known
    return list(found.values()), refusals(files)


def _value(ctx: click.Context, key: str, option: Option, files: tuple[FileSettings, ...]) -> EffectiveValue:
    name = option.name or ""
    for place in (ctx, ctx.find_root()) if option.section == GLOBAL_OPTIONS else (ctx,):
        if option.resolve_envvar_value(place) is not None:
            return _of_environment(place, key, option)
    for one in reversed(files):
        if name in one.values:
            return EffectiveValue(key, _plain(one.values[name]), one.file.kind, str(one.file.path))
    default = option.get_default(ctx)
    if not isinstance(default, str | int | float | tuple | list | Path):  # newer clicks have a value for "not set"
        default = None
    value = option.type_cast_value(ctx, default)
    return EffectiveValue(key, _plain(value), "default", description=option.standard)


def _of_environment(ctx: click.Context, key: str, option: Option) -> EffectiveValue:
    variable = option.variable(ctx)
    try:
        value = option.type_cast_value(ctx, option.value_from_envvar(ctx))
    except click.BadParameter as error:
        raise UsageError(f"{variable}: {error.message.strip().removesuffix('.')}") from None
    return EffectiveValue(key, _plain(value), "environment", variable)


def _of_catalog(ctx: click.Context, found: Mapping[str, EffectiveValue]) -> dict[str, EffectiveValue]:
    """What the catalog says of the model: threshold, NMS and revision, where nothing else says it."""
    model = found.get("model")
    entry = CATALOG.get(model.value) if model is not None and isinstance(model.value, str) else None
    if entry is None:
        return {}
    known: dict[str, object] = {"revision": entry.revision if entry.repository else None}
    if ctx.command.name in ("detect", "video"):
        known |= {"threshold": entry.threshold, "nms": entry.nms}
    return {
        key: EffectiveValue(key, value, "catalog", entry.name)
        for key, value in known.items()
        if value is not None and key in found and found[key].kind == "default"
    }


def _of_model(ctx: click.Context, found: Mapping[str, EffectiveValue]) -> dict[str, EffectiveValue]:
    """The threshold that `eval` or `train` wrote into the folder of the model, where nothing else says it."""
    model, threshold = found.get("model"), found.get("threshold")
    if ctx.command.name not in ("detect", "video") or threshold is None or threshold.kind != "default":
        return {}
    if model is None or not isinstance(model.value, str) or model.value in CATALOG:
        return {}
    stored = threshold_of_folder(Path(model.value))
    return {} if stored is None else {"threshold": EffectiveValue("threshold", stored.value, "model", model.value)}


def _of_hub(found: Mapping[str, EffectiveValue]) -> dict[str, EffectiveValue]:
    """What the variables of the Hub say, where nothing else says it."""
    known = {}
    if "cache-dir" in found and found["cache-dir"].kind == "default":
        variable = next((name for name in _CACHE_VARIABLES if os.environ.get(name)), None)
        folder = str(cache_folder())
        known["cache-dir"] = EffectiveValue("cache-dir", folder, "environment" if variable else "default", variable)
    offline = next((name for name in _OFFLINE_VARIABLES if is_true(name)), None)
    if offline is not None and "offline" in found and not found["offline"].value:
        known["offline"] = EffectiveValue("offline", True, "environment", offline)
    return known


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, str | int | float | bool) or value is None else None
