"""`detcli download`: models onto this machine, for later use without a network."""

from pathlib import Path

import click

from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import megabytes
from detcli.errors import AccessError, DetcliError, HubError, ModelError


@click.command(
    cls=Command,
    examples=[
        UsageExample("two models, for use without a network later", "detcli download dfine-s dfine-x"),
        UsageExample(
            "any repository of the Hub, at a commit, branch or tag", "detcli download owner/name --revision v1.0"
        ),
        UsageExample("the newest weights, where the repository has moved on", "detcli download --update dfine-s"),
        UsageExample("onto another disk", "detcli download dfine-x --cache-dir /data/models"),
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.revision
@options.option(
    "--update", section=options.MODEL, is_flag=True, help="Ask for the newest commit, also where one is here."
)
@options.cache_dir
@options.progress
@pass_console
def download(
    console: Console, *, names: tuple[str, ...], revision: str | None, update: bool, cache_dir: Path | None
) -> None:
    """Fetch models now, for later use without a network.

    A NAME is one of 'detcli models list' or a repository of the Hub. What is here already is checked, and fetched
    again only where it is damaged; a download that was cut off continues where it stopped. HF_TOKEN opens gated
    repositories. What comes with detcli is here.
    """
    from detcli.checkpoints.hub import locate_model as hub
    from detcli.cli.framework.progress import DownloadProgressBar

    for name in names:  # a slip in the last one is told before the first is fetched
        hub.repository_of(name)
    failures: list[DetcliError] = []
    for name in dict.fromkeys(names):
        try:
            files = hub.download(
                name, revision=revision, update=update, cache_dir=cache_dir, progress=DownloadProgressBar(console)
            )
        except (ModelError, HubError, AccessError) as error:  # the others may be had all the same
            failures.append(error)
            continue
        size = sum(path.stat().st_size for path in files.folder.iterdir())
        console.say(
            f"'{name}' is here whole: {megabytes(size)} in '{files.folder}'",
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
