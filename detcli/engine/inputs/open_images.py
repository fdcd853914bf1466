"""The images of a run."""

from dataclasses import replace
from pathlib import Path

from detcli.engine.inputs.source_listing import SourceListing
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.input_settings import ImageInputSettings
from detcli.engine.requests.run_request import ImageRequest
from detcli.errors import InputError
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.io.naming import SkippedEntries
from detcli.io.remote.addresses import scheme_of, without_credentials
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.sources.source import SourceSettings, make_source


def open_images(request: ImageRequest, plan: OutputPlan) -> SourceListing:
    """The images, listed and not read; outputs of this run are left out. Raises InputError where there are none."""
    images = request.input
    read_ahead = ReadAhead() if request.cluster is None else None  # workers of a cluster read for themselves
    settings = replace(source_settings(images, outputs=plan.paths), skipped=SkippedEntries(), read_ahead=read_ahead)
    source = make_source(images.sources, settings)
    listing = SourceListing(source, settings.skipped, shard=images.shard, read_ahead=read_ahead)
    if listing.is_empty():
        given = [name for name in (*images.sources, images.files_from) if name]
        names = [f"'{without_credentials(name) if scheme_of(name) else name}'" for name in given]
        raise InputError(f"there are no images in {', '.join(names)}{listing.skipped.ending()}")
    return listing


def source_settings(images: ImageInputSettings, *, outputs: tuple[Path, ...] = ()) -> SourceSettings:
    """The settings of the image source; outputs are left out of it."""
    return SourceSettings(
        recursive=images.recursive,
        extensions=tuple(s.lower().lstrip(".") for s in images.extensions) if images.extensions else None,
        exclude=images.exclude,
        outputs=outputs,
        files_from=images.files_from,
        null_separated=images.null_separated,
        limit=images.limit,
        max_pixels=images.max_pixels or DEFAULT_MAX_PIXELS,
    )
