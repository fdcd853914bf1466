"""The folders of a run that watches them: what can be watched, and the source."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from detcli.engine.inputs.open_images import source_settings
from detcli.engine.inputs.source_listing import SourceListing
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import ImageRequest
from detcli.errors import UsageError
from detcli.extras import EXTRAS, install_command
from detcli.io.naming import SkippedEntries
from detcli.libraries import is_installed
from detcli.sources.watching.done_before import DoneBefore
from detcli.sources.watching.watched_folders import WatchedFolders


def check_watch(request: ImageRequest, plan: OutputPlan) -> None:
    """Raise UsageError for what cannot be done while folders are watched, or where a package is missing."""
    if request.cluster is not None:
        raise UsageError("`watch` cannot be combined with `cluster`: one process watches folders")
    for target in plan.targets:
        record = target.record
        if record is not None and record.needs_end:
            raise UsageError(
                f"the format {record.name} ('{target.name}') is written at the end of a run, and `watch` has none: write "
                f"JSON Lines (.jsonl), which 'detcli convert' turns into {record.title} at any time"
            )
    if request.output.select is not None:
        raise UsageError(
            "`select` decides at the end of a run, and `watch` has none: 'detcli filter' selects from results"
        )
    if request.output.no_scores:
        raise UsageError("`no_scores` writes a dataset at the end of a run, and `watch` has none")
    if request.compute.deterministic and request.compute.batch_size != 1:
        raise UsageError(
            "`deterministic` waits until a batch is full, and the next image may be hours away: `watch` needs `batch_size=1` "
            "with it"
        )
    check_watch_package()


def check_watch_package() -> None:
    """Raise UsageError where the package that watches folders is not installed."""
    missing = [name for name in EXTRAS["watch"] if not is_installed(name)]
    if missing:
        raise UsageError(f"`watch` needs {missing[0]}, which is not installed: {install_command('watch')}")


def open_watched(request: ImageRequest, plan: OutputPlan, on_remark: Callable[[str], None]) -> SourceListing:
    """The images of the folders that are there, and those that arrive. Raises UsageError or InputError."""
    images = request.input
    check_watch(request, plan)
    settings = replace(source_settings(images, outputs=plan.paths), skipped=SkippedEntries())
    done = DoneBefore()
    if request.output.resume and plan.journal is not None:
        with suppress(OSError):
            done.changed_ns = plan.journal.stat().st_mtime_ns  # before it is opened, which may change it
    source = WatchedFolders(images.sources, settings, new_only=images.new_only, done=done, on_remark=on_remark)
    return SourceListing(source, settings.skipped, watched=source)
