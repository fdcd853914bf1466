"""`detcli doctor`: check the installation and the environment, and say how to fix problems."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape
from detcli.cli.framework.options import model_options, output_options
from detcli.cli.framework.options.option import Option
from detcli.cli.framework.text import counted

if TYPE_CHECKING:
    from detcli.cli.setup.check_result import CheckResult

_BROKEN = 1
_MARKS = {"good": (" ", ""), "warning": ("!", "\x1b[33m"), "bad": ("x", "\x1b[31m")}
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLUMN = 18  # where values begin


@click.command(
    cls=Command,
    examples=[
        UsageExample("check versions, devices, image formats, fonts and the cache", "detcli doctor"),
        UsageExample("check the connection to the Hub too", "detcli doctor --network"),
        UsageExample(
            "names of checks with a warning or an error, for a script",
            "detcli doctor --json | jq -r '.findings[] | select(.state != \"good\") | .name'",
        ),
    ],
)
@click.option(
    "--network",
    cls=Option,
    section="Checks",
    is_flag=True,
    help="Check the connection to the Hub; by default there is no network access.",
)
@model_options.cache_dir
@output_options.as_json
@pass_console
def doctor(console: Console, *, network: bool, cache_dir: Path | None, as_json: bool) -> int:
    """Check the installation and the environment.

    The exit code is 0 if detcli works, also with warnings, and 1 if something that it needs is broken.
    """
    from detcli.cli.setup.checks import run_checks

    findings = run_checks(cache_dir=cache_dir, network=network)
    seen = _as_json(findings) if as_json else _as_page(console, findings)
    return _BROKEN if "bad" in seen else 0


def _as_json(findings: Iterable["CheckResult"]) -> list[str]:
    found = list(findings)
    rows = [
        {"section": one.section, "name": one.name, "value": one.value, "state": one.state, "advice": one.advice}
        for one in found
    ]
    click.echo(json.dumps({"findings": rows}, indent=2))
    return [one.state for one in found]


def _as_page(console: Console, findings: Iterable["CheckResult"]) -> list[str]:
    color = console.uses_color(sys.stdout)
    width = console.width(sys.stdout) - 1
    section = ""
    states: list[str] = []
    for finding in findings:
        if finding.section != section:
            click.echo(("\n" if section else "") + _styled(finding.section, _BOLD, color=color), color=color)
            section = finding.section
        for line in _lines(finding, width, color=color):
            click.echo(line, color=color)
        states.append(finding.state)
    bad, warnings = states.count("bad"), states.count("warning")
    verdict = f"{counted(bad, 'check')} failed" if bad else "detcli works"
    verdict += f"; {counted(warnings, 'warning')}" if warnings else ""
    click.echo("\n" + "\n".join(_styled(line, _BOLD, color=color) for line in wrap(verdict, width)), color=color)
    return states


def _lines(finding: "CheckResult", width: int, *, color: bool) -> Iterable[str]:
    mark, style = _MARKS[finding.state]
    column = _COLUMN if width >= 40 else 4
    head = f"{mark} {escape(finding.name)}"
    parts = wrap(escape(finding.value), max(width - column, 20), break_on_hyphens=False) or [""]
    if len(head) < column:
        head = head.ljust(column) + parts.pop(0)
    yield _styled(head, style, color=color)
    yield from (_styled(" " * column + part, style, color=color) for part in parts)
    advice = f"-> {escape(finding.advice)}" if finding.advice else ""
    for part in wrap(advice, max(width - column, 20), break_on_hyphens=False):  # commands can be copied
        yield " " * column + part


def _styled(text: str, style: str, *, color: bool) -> str:
    return f"{style}{text}{_RESET}" if style and color else text
