"""`detcli models`: which models there are, what they can do, and what of them lies on this machine."""

import json
import os
import sys
from pathlib import Path

import click

from detcli.cli.framework import options
from detcli.cli.framework.command import Entry, Group, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted, megabytes
from detcli.errors import DamagedModelError, NotCachedError, UsageError


@click.group(
    cls=Group,
    table={
        "convert": Entry(
            "detcli.cli.models.models_convert:convert",
            "Make a model of weights (.pth) of the original D-FINE, DETR or Deformable DETR.",
        ),
    },
    no_args_is_help=True,
    examples=[
        UsageExample("what there is, and how good it is", "detcli models list"),
        UsageExample("the classes a model knows", "detcli models info dfine-s"),
        UsageExample("see whether the files are still what was fetched", "detcli models verify"),
        UsageExample("make room", "detcli models remove dfine-x"),
        UsageExample("take in weights of an original repository", "detcli models convert best_stg2.pth -o mine/"),
    ],
)
def models() -> None:
    """Look after the models on this machine."""


@models.command(
    name="list",
    examples=[
        UsageExample("all models", "detcli models list"),
        UsageExample(
            "names of those that need no download", "detcli models list --json | jq -r 'select(.cached) | .name'"
        ),
    ],
)
@options.cache_dir
@options.as_json
@pass_console
def list_models(console: Console, *, cache_dir: Path | None, as_json: bool) -> None:
    """List the models that have a name, and others that were fetched.

    AP is the published average precision of boxes in percent on COCO val2017, on Objects365 for those that know its
    365 classes, or on drawn shapes; PQ the panoptic quality of those that segment; params are millions, GFLOPs those
    of one image as the model takes it.
    """
    from detcli.cli.models.models_view import model_rows, model_table

    rows = model_rows(cache_dir)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
    for line in model_table(rows, width=width, bold=console.uses_color(sys.stdout)):
        click.echo(line, color=True)


@models.command(
    examples=[
        UsageExample("facts, classes and category ids", "detcli models info dfine-s"),
        UsageExample("the classes as text", "detcli models info dfine-s --json | jq -r '.classes[].label'"),
        UsageExample("a model of your own", "detcli models info ./my-model"),
    ],
)
@click.argument("name")
@options.revision
@options.cache_dir
@options.as_json
@pass_console
def info(console: Console, *, name: str, revision: str | None, cache_dir: Path | None, as_json: bool) -> None:
    """Show what is known of a model: its classes too, once it is on this machine. Asks no network."""
    from detcli.cli.models.models_view import model_facts, model_page

    facts = model_facts(name, revision=revision, cache_dir=cache_dir)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for line in model_page(facts, width=console.width(sys.stdout)):
        click.echo(line)
    if facts["classes"] is None:
        console.say(f"its classes are known once it is here: detcli download {name}")


@models.command(
    examples=[
        UsageExample("look at a model's files", 'ls -l "$(detcli models path dfine-s)"'),
    ],
)
@click.argument("name")
@options.revision
@options.cache_dir
def path(*, name: str, revision: str | None, cache_dir: Path | None) -> None:
    """Print the folder a model lies in. Asks no network; exit code 5 where it is not here."""
    from detcli.checkpoints.hub import locate_model as hub

    if hub.repository_of(name) is None:
        files = hub.locate(name, revision=revision)
    else:
        found = hub.cached(name, revision=revision, cache_dir=cache_dir, offline=True)
        if found is None:
            raise NotCachedError(f"'{name}' is not on this machine: detcli download {name}")
        files = found
    click.echo(os.fsencode(files.folder))


@models.command(
    examples=[
        UsageExample("everything that was fetched", "detcli models verify"),
        UsageExample("one model, mended if need be", "detcli models verify dfine-s || detcli download dfine-s"),
    ],
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.cache_dir
@pass_console
def verify(console: Console, *, names: tuple[str, ...], cache_dir: Path | None) -> None:
    """Compare the files of models, byte by byte, with what was fetched; all models where none is named.

    Exit code 5 where a file is damaged or missing. Asks no network. What comes with detcli is looked at where it is
    named.
    """
    from detcli.checkpoints.catalog import CATALOG, bundled_entry
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.models.models_view import fetched

    places = {name: None if bundled_entry(name) else hub.cached_repository(name, cache_dir=cache_dir) for name in names}
    damaged, whole = [], 0
    for name, place in (places or fetched(cache_dir)).items():
        if place is None:
            checks = [("with detcli", check) for check in hub.check_bundled_model(name)]
        else:
            usual = place.commit_of(CATALOG[name].revision if name in CATALOG else "main")
            commits = sorted({*place.commits(), *([usual] if usual else [])})
            checks = [(commit[:12], check) for commit in commits for check in place.check(commit, thorough=True)]
        if not checks and names:
            damaged.append(f"'{name}' (never fetched to its end)")
        elif not checks:
            console.warning(f"'{name}' was never fetched to its end: detcli download {name}")
        for origin, check in checks:
            size = megabytes(check.facts.size) if check.facts else "-"
            click.echo(f"{escape(name)}  {origin}  {escape(check.name)}  {size}  {check.state}")
        whole += bool(checks)
        wrong = [check.name for _, check in checks if check.state != "ok"]
        if wrong:
            damaged.append(f"'{name}' ({', '.join(wrong)})")
    if damaged:
        cure = "`detcli download NAME` mends it" + (
            ", and installing detcli again what comes with it" if None in places.values() else ""
        )
        raise DamagedModelError(
            f"{counted(len(damaged), 'model is', 'models are')} not what was fetched: {', '.join(damaged)}; {cure}"
        )
    verdict = f"{counted(whole, 'model is', 'models are')} whole" if whole else "no model is here whole"
    console.say(verdict, models=whole)


@models.command(
    examples=[
        UsageExample("one model, with a question first", "detcli models remove dfine-x"),
        UsageExample("several, in a script", "detcli models remove -y dfine-m dfine-l"),
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.option("-y", "--yes", section=options.RUN, is_flag=True, help="Ask nothing.")
@options.cache_dir
@pass_console
def remove(console: Console, *, names: tuple[str, ...], yes: bool, cache_dir: Path | None) -> None:
    """Delete fetched models from this machine: all commits of them, also what other programs fetched of them."""
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.framework.progress import DownloadProgressBar

    named = {
        hub.cached_repository(name, cache_dir=cache_dir): name for name in names
    }  # a repository may be named twice
    places = {name: place for place, name in named.items()}
    if not yes:
        if not is_terminal(sys.stdin):
            raise UsageError("removing models asks first, and nobody is there to answer: add -y")
        for name, place in places.items():
            console.say(f"'{name}': {megabytes(place.size())} in '{place.folder}'")
        if not click.confirm(f"Remove {counted(len(places), 'model')}?", err=True):
            console.say("nothing was removed")
            return
    freed = sum(hub.remove(name, cache_dir=cache_dir, progress=DownloadProgressBar(console)) for name in places)
    console.say(f"removed {counted(len(places), 'model')}: {megabytes(freed)} freed", models=len(places), bytes=freed)
