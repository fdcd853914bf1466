"""`detcli download`: download models for offline use."""

import os
from pathlib import Path

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import model_options, run_options
from detcli.cli.framework.options.help_sections import MODEL, option
from detcli.cli.framework.text import megabytes
from detcli.errors import AccessError, DetcliError, HubError, ModelError


@click.command(
    cls=Command,
    examples=[
        UsageExample("download two models for offline use", "detcli download dfine-s dfine-x"),
        UsageExample(
            "a repository of the Hub at a commit, branch or tag", "detcli download owner/name --revision v1.0"
        ),
        UsageExample("the newest weights of an updated repository", "detcli download --update dfine-s"),
        UsageExample("to another folder", "detcli download dfine-x --cache-dir /data/models"),
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@model_options.revision
@option("--update", section=MODEL, is_flag=True, help="Check the Hub for a newer commit of a downloaded model.")
@model_options.cache_dir
@run_options.progress
@pass_console
def download(
    console: Console, *, names: tuple[str, ...], revision: str | None, update: bool, cache_dir: Path | None
) -> None:
    """Download models for offline use.

    A NAME is a name from 'detcli models list' or a repository of the Hub. Files that are already downloaded are checked,
    and downloaded again only if they are damaged. An interrupted download continues where it stopped. HF_TOKEN gives
    access to gated repositories. Bundled models need no download.
    """
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.framework.progress import DownloadProgressBar

    for name in names:  # a wrong name is reported before the first download
        hub.repository_of(name)
    failures: list[DetcliError] = []
    for name in dict.fromkeys(names):
        console.status(f"requesting {name}")
        try:
            files = hub.download(
                name, revision=revision, update=update, cache_dir=cache_dir, progress=DownloadProgressBar(console)
            )
        except (ModelError, HubError, AccessError) as error:  # the other models can still be downloaded
            failures.append(error)
            continue
        finally:
            console.clear_status()
        size = sum(path.stat().st_size for path in files.folder.iterdir() if os.path.isfile(path))  # noqa: PTH113
        console.say(
            f"'{name}' is downloaded and verified: {megabytes(size)} in '{files.folder}'",
            model=name,
            bytes=size,
            folder=str(files.folder),
            commit=files.commit,
            sha256=files.sha256,
        )
    for failure in failures[:-1]:
        console.error(str(failure), exit_code=failure.exit_code)
    if failures:
        raise failures[-1]
