"""Options that take NAME=VALUE: fields of documents with their values, and thresholds of classes."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import click

from detcli.argument_checks import OTHER_CLASSES
from detcli.cli.framework.option_types import ScoreType
from detcli.cli.framework.options.option import Option
from detcli.errors import UsageError
from detcli.io.documents import DocumentError, parse_toml


def parse_assignments(option: str, assignments: Iterable[str], meaning: str) -> dict[str, Any]:
    """Fields and values of all uses of an option; a later one wins. Values are TOML, or a bare word for a text.

    option   as it is typed
    meaning  for messages: "a field of the recipe is set as NAME=VALUE, such as clip=0.5"

    `network.x=1` sets a field of a table. Raises UsageError.
    """
    fields: dict[str, Any] = {}
    for assignment in assignments:
        _merge(fields, _parse_assignment(option, assignment, meaning))
    return fields


def _parse_assignment(option: str, assignment: str, meaning: str) -> dict[str, Any]:
    name, sign, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not sign or not name.replace(".", "_").isidentifier():
        raise UsageError(f"{option} '{assignment}': {meaning}")
    try:
        return parse_toml(f"{name} = {text}")
    except DocumentError:
        pass
    try:
        return parse_toml(f"{name} = {json.dumps(text.strip())}")
    except DocumentError as error:
        raise UsageError(f"{option} '{assignment}': {error}") from error


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = into[name] | value
        else:
            into[name] = value


class ThresholdsType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Minimum scores, separated by commas: 0.4 of all classes, person=0.6 of one class."""

    name = "thresholds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, float], ...]:
        """Return pairs of a class and its score; a score without a class has the class "*". Fails for what is no score."""
        text = str(value)
        parts = [part.strip() for part in text.split(",")] if "=" in text else [text]
        return tuple(self._pair(part, param, ctx) for part in [part for part in parts if part] or [text])

    def split_envvar_value(self, rv: str) -> list[str]:
        """Names of classes may have spaces: a variable is one value."""
        return [rv]

    def _pair(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, sign, score = part.rpartition("=")
        if sign and not name.strip():
            self.fail(f"{part[:40]!r} names no class: use person=0.5", param, ctx)
        if colon := re.fullmatch(r"(.+?)\s*:\s*([\d.]+)", part):
            self.fail(f"{part[:40]!r} is not a number from 0 to 1; use {colon[1]}={colon[2]}", param, ctx)
        return name.strip() or OTHER_CLASSES, ScoreType().convert(score.strip() if sign else part, param, ctx)


class ThresholdOption(Option):
    """A repeatable option whose value is one score, or the scores of classes by name, with "*" for all others."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{**attributes, "multiple": True, "type": ThresholdsType()})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value; None where the option is not given."""
        processed = super().process_value(ctx, value)
        return None if processed == () else processed

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Join the values of all uses. Fails for a class with two scores."""
        if isinstance(value, float | Mapping):  # of a settings file, and joined already
            return value
        uses = super().type_cast_value(ctx, value)
        if not isinstance(uses, tuple):  # not given
            return uses
        scores: dict[str, float] = {}
        for use in uses:
            if OTHER_CLASSES in dict(use):
                scores.pop(
                    OTHER_CLASSES, None
                )  # the last score without a class counts, as the last value of any option
            for name, score in use:
                if name in scores:
                    whose = "all classes" if name == OTHER_CLASSES else f"the class '{name}'"
                    message = f"{whose} cannot have two thresholds: {scores[name]:g} and {score:g}"
                    raise click.BadParameter(message, ctx, self)
                scores[name] = score
        return scores.get(OTHER_CLASSES) if scores.keys() <= {OTHER_CLASSES} else scores
