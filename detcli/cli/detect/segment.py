"""`detcli segment`: masks in images."""

from collections.abc import Iterator
from typing import Any

import click

from detcli.cli.detect import segment_options
from detcli.cli.detect.video import counting_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import input_options, model_options, run_options, speed_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("panoptic segments of an image, drawn", "detcli segment street.jpg --save-images drawn/"),
        UsageExample(
            "a folder into COCO panoptic: out.json and the PNGs in out/",
            "detcli segment images/ -f coco-panoptic -o out.json",
        ),
        UsageExample(
            "masks of people and dogs, for pycocotools",
            "detcli segment images/ --task instance --classes person,dog -o out.json",
        ),
        UsageExample(
            "one map of class indices per image",
            "detcli segment images/ --task semantic --save-masks maps/ -o out.jsonl",
        ),
        UsageExample(
            "the classes in an image, sorted by score", "detcli segment street.jpg | jq -r '.detections[].label'"
        ),
        UsageExample("resume an interrupted run", "detcli segment big/ -o out.jsonl --save-masks maps/ --resume"),
    ],
)
@input_options.sources
@input_options.inputs
@model_options.model_option(default=segment_options.DEFAULT_MODEL)
@model_options.model_location
@segment_options.segmentation
@counting_options.of_images
@speed_options.speed_on_devices
@speed_options.cluster
@segment_options.results
@segment_options.drawing
@run_options.failures
@run_options.dry_run
@run_options.progress
@pass_console
def segment(console: Console, /, **given: Any) -> int:
    """Segment images (panoptic, instance or semantic).

    SOURCES are images, folders, archives (.tar, .tar.gz, .zip), globs, ranges of names ('shard-{000..127}.tar'),
    http(s) URLs, object stores (s3://bucket/photos/), or '-': a list of paths or the bytes of one image on standard input. Folders and archives are
    searched with the folders inside them; archives in folders are not opened.

    Panoptic segmentation assigns every pixel to one segment, a thing or stuff, so that masks never overlap. Instance
    segmentation finds things only, and their masks may overlap. Semantic segmentation assigns a class to every pixel.
    Results hold masks as COCO run-length encoding, as pycocotools reads them.
    """
    from detcli.cli.detect.requests import image_request
    from detcli.cli.detect.run_images import run_images

    for option, needed in _unused_options(given):
        console.warning(f"{option} has no effect here: it needs {needed}")
    return run_images(console, image_request(console, given), dry_run=given["dry_run"])


def _unused_options(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Options that have no effect with this task and rule, and what they need."""
    task = given["task"]
    transformers = given["rule"] == "transformers" and task != "semantic"
    if given["overlap_threshold"] != segment_options.OVERLAP_THRESHOLD and not transformers:
        yield "--overlap-threshold", "--rule transformers with --task panoptic or instance"
    if given["mask_threshold"] != segment_options.MASK_THRESHOLD and not (transformers or task == "instance"):
        yield "--mask-threshold", "--task instance, or --rule transformers with --task panoptic"
