"""`detcli models`: list, describe, verify, remove and convert models."""

import json
import os
import sys
from pathlib import Path

import click

from detcli.checkpoints.model_files import Variant
from detcli.cli.framework.command import Entry, Group, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.options import model_options, output_options
from detcli.cli.framework.options.help_sections import RUN, option
from detcli.cli.framework.text import counted, megabytes, wrapped
from detcli.errors import DamagedModelError, NotCachedError, UsageError


@click.group(
    cls=Group,
    table={
        "convert": Entry(
            "detcli.cli.models.models_convert:convert",
            "Convert a checkpoint (.pth) of the original D-FINE, RT-DETR, DETR, Table Transformer or Deformable DETR.",
        ),
        "compiled": Entry(
            "detcli.cli.models.compiled:compiled",
            "List the networks that OpenVINO compiled, or remove them.",
        ),
    },
    no_args_is_help=True,
    examples=[
        UsageExample("all models with their accuracy", "detcli models list"),
        UsageExample("the classes of a model", "detcli models info dfine-s"),
        UsageExample("verify the downloaded files", "detcli models verify"),
        UsageExample("free disk space", "detcli models remove dfine-x"),
        UsageExample("free the space of compiled networks", "detcli models compiled --clear"),
        UsageExample("import weights of an original repository", "detcli models convert best_stg2.pth -o mine/"),
    ],
)
def models() -> None:
    """Manage local models."""


@models.command(
    name="list",
    examples=[
        UsageExample("all models", "detcli models list"),
        UsageExample(
            "names of downloaded and bundled models",
            "detcli models list --json | jq -r '.[] | select(.cached) | .name'",
        ),
    ],
)
@model_options.cache_dir
@output_options.as_json
@pass_console
def list_models(console: Console, *, cache_dir: Path | None, as_json: bool) -> None:
    """List the models of the catalog and other downloaded models.

    Models for 'detect' find boxes; those for 'segment' make masks too. AP is the published average precision of boxes in
    percent ('detcli eval' prints it from 0 to 1): on COCO val2017, on Objects365 for models with its 365 classes, on the
    test set of PubTables-1M for tables, or on synthetic shapes. PQ is the panoptic quality in percent. params are millions of parameters, GFLOPs billions of
    floating-point operations per image at the input size of the model. --json prints one array.
    """
    from detcli.cli.models.models_view import model_rows, model_table

    rows = model_rows(cache_dir)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
    lines, hidden = model_table(rows, width=width, bold=console.uses_color(sys.stdout))
    for line in lines:
        click.echo(line, color=True)
    if hidden:
        console.say(f"{width} columns are too narrow for {', '.join(hidden)}: use a wider terminal or --json")


@models.command(
    examples=[
        UsageExample("metadata, classes and category ids", "detcli models info dfine-s"),
        UsageExample("class names as text", "detcli models info dfine-s --json | jq -r '.classes[].label'"),
        UsageExample("your own model", "detcli models info ./my-model"),
    ],
)
@click.argument("name")
@model_options.revision
@model_options.variant
@model_options.cache_dir
@output_options.as_json
@pass_console
def info(
    console: Console,
    *,
    name: str,
    revision: str | None,
    variant: Variant | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Show the metadata of a model, and its classes if it is downloaded. No network access."""
    from detcli.cli.models.models_view import model_facts, model_page

    facts = model_facts(name, revision=revision, cache_dir=cache_dir, variant=variant)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for line in model_page(facts, width=console.width(sys.stdout), wraps=is_terminal(sys.stdout)):
        click.echo(line)
    if facts["classes"] is None and facts["published_at"]:
        console.say(
            f"download the .pth file from {facts['published_at']}, and run "
            f"'detcli models convert FILE -o {name}/ --variant deim'"
        )
    elif facts["classes"] is None:
        console.say(f"classes are shown after the download: run 'detcli download {name}'")


@models.command(
    examples=[
        UsageExample("list the files of a model", 'ls -l "$(detcli models path dfine-s)"'),
    ],
)
@click.argument("name")
@model_options.revision
@model_options.cache_dir
def path(*, name: str, revision: str | None, cache_dir: Path | None) -> None:
    """Print the folder of a downloaded model. No network access; exit code 5 if it is not downloaded."""
    from detcli.checkpoints.hub import locate_model as hub

    if hub.repository_of(name) is None:
        files = hub.locate(name, revision=revision)
    else:
        found = hub.cached(name, revision=revision, cache_dir=cache_dir, offline=True)
        if found is None:
            raise NotCachedError(f"'{name}' is not downloaded: run 'detcli download {name}'", model=name)
        files = found
    click.echo(os.fsencode(files.folder))


@models.command(
    examples=[
        UsageExample("all downloaded models", "detcli models verify"),
        UsageExample(
            "one model, downloaded again if it is damaged", "detcli models verify dfine-s || detcli download dfine-s"
        ),
    ],
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@model_options.cache_dir
@pass_console
def verify(console: Console, *, names: tuple[str, ...], cache_dir: Path | None) -> None:
    """Verify the checksums of downloaded models; all of them if no name is given.

    Exit code 5 if a file is damaged or missing. No network access. A bundled model is verified if it is named.
    """
    from detcli.checkpoints.catalog import CATALOG, bundled_entry
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.models.models_view import downloaded

    repositories = {
        name: None if bundled_entry(name) else hub.cached_repository(name, cache_dir=cache_dir) for name in names
    }
    damaged, complete = [], 0
    for name, repository in (repositories or downloaded(cache_dir)).items():
        console.status(f"verifying {name}")
        if repository is None:
            checks = [("bundled", check) for check in hub.check_bundled_model(name)]
        else:
            default = repository.commit_of(CATALOG[name].revision if name in CATALOG else "main")
            commits = sorted({*repository.commits(), *([default] if default else [])})
            checks = [(commit[:12], check) for commit in commits for check in repository.check(commit, thorough=True)]
        console.clear_status()
        if not checks and names:
            damaged.append(f"'{name}' (download incomplete)")
        elif not checks:
            console.warning(f"the download of '{name}' is incomplete: run 'detcli download {name}'")
        for origin, check in checks:
            size = megabytes(check.facts.size) if check.facts else "-"
            line = f"{escape(name)}  {origin}  {escape(check.name)}  {size}  {check.state}"
            for part in wrapped(line, console.width(sys.stdout)) if is_terminal(sys.stdout) else [line]:
                click.echo(part)
        complete += bool(checks)
        failed = [check.name for _, check in checks if check.state != "ok"]
        if failed:
            damaged.append(f"'{name}' ({', '.join(failed)})")
    if damaged:
        fix = "fix with 'detcli download NAME'" + (
            ", and bundled models by installing detcli again" if None in repositories.values() else ""
        )
        raise DamagedModelError(
            f"{counted(len(damaged), 'model is', 'models are')} damaged: {', '.join(damaged)}; {fix}"
        )
    verdict = f"{counted(complete, 'model')} verified" if complete else "no complete model is downloaded"
    console.say(verdict, models=complete)


@models.command(
    examples=[
        UsageExample("one model, after a confirmation", "detcli models remove dfine-x"),
        UsageExample("several models, in a script", "detcli models remove -y dfine-m dfine-l"),
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@option("-y", "--yes", section=RUN, is_flag=True, help="Do not ask for confirmation.")
@model_options.cache_dir
@pass_console
def remove(console: Console, *, names: tuple[str, ...], yes: bool, cache_dir: Path | None) -> None:
    """Delete downloaded models: all commits, including those that other programs downloaded."""
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.framework.progress import DownloadProgressBar

    named = {
        hub.cached_repository(name, cache_dir=cache_dir): name for name in names
    }  # a repository may be named twice
    repositories = {name: repository for repository, name in named.items()}
    if not yes:
        if not is_terminal(sys.stdin):
            raise UsageError("standard input is not a terminal, so removal cannot be confirmed: add -y")
        for name, repository in repositories.items():
            console.say(f"'{name}': {megabytes(repository.size())} in '{repository.folder}'")
        if not click.confirm(f"Remove {counted(len(repositories), 'model')}?", err=True):
            console.say("no model was removed")
            return
    freed = sum(hub.remove(name, cache_dir=cache_dir, progress=DownloadProgressBar(console)) for name in repositories)
    console.say(
        f"removed {counted(len(repositories), 'model')}: {megabytes(freed)} freed",
        models=len(repositories),
        bytes=freed,
    )
