"""The sections of the help pages, and how an option is put into one of them."""

from collections.abc import Callable
from typing import Any

import click

from detcli.cli.framework.options.option import Decorator, Option

INPUT, MODEL, DETECTION, COUNTING, SPEED, OUTPUT, IMAGES, RUN = (
    "Input",
    "Model",
    "Filtering",
    "Counting",
    "Speed",
    "Results",
    "Visualization",
    "Run",
)


def option(*names: str, section: str, kind: type[Option] = Option, **attributes: Any) -> Decorator:
    """Decorate a command with an option in a section of its help."""
    return click.option(*names, cls=kind, section=section, **attributes)


def group_of(*decorators: Decorator) -> Decorator:
    """Combine several options into one decorator, in the order of the help page."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate
