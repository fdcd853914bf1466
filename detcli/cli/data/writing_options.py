"""The options of the commands that write a dataset."""

from collections.abc import Mapping
from typing import Any

import click

from detcli.cli.data.data_options import PARTS
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import output_options
from detcli.cli.framework.options.help_sections import INPUT, OUTPUT, group_of, option
from detcli.errors import UsageError


class ShareType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A fraction of the images between 0 and 1, or a number of images from 1."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Read the value, or fail."""
        share = _share(value)
        if share is None:
            hint = percent_hint(str(value))
            self.fail(f"{str(value)[:40]!r} is not a fraction between 0 and 1, or a number of images{hint}", param, ctx)
        return share


class SharesType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Parts with their shares, separated by commas: train=0.7,val=0.2,test=0.1; a list in a settings file."""

    name = "shares"
    takes_list = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int | float]:
        """Read the value, or fail."""
        if isinstance(value, Mapping):
            return dict(value)
        shares: dict[str, int | float] = {}
        for entry in value.split(",") if isinstance(value, str) else map(str, value):
            name, sign, text = (part.strip() for part in entry.partition("="))
            share = _share(text)
            if not name or not sign or share is None:
                hint = percent_hint(text)
                self.fail(
                    f"{entry.strip()[:40]!r} is not NAME=SHARE, a fraction or a number of images, such as val=0.2{hint}",
                    param,
                    ctx,
                )
            if name in shares:
                self.fail(f"the part {name[:40]!r} has two shares", param, ctx)
            shares[name] = share
        return shares


def _share(value: Any) -> int | float | None:
    """A number of images, a fraction, or None for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        value = int(value.strip()[:18])
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 1 else None
    try:
        fraction = float(value)
    except (TypeError, ValueError):
        return None
    return fraction if 0 < fraction < 1 else None


def percent_hint(text: str) -> str:
    """The end of the message for percent; else empty."""
    number = text.strip().removesuffix("%").strip()
    is_percent = text.strip().endswith("%") and number.replace(".", "", 1).isdecimal() and 0 < float(number) < 100
    return f"; {number} percent is {float(number) / 100:g}" if is_percent else ""


part = option(
    "--part",
    section=INPUT,
    type=click.Choice([*PARTS, "all"]),
    metavar="NAME",
    standard="all that it has",
    help="Only this part of DATA: train, val or test.",
)
output = group_of(
    output_options.output_option(folder=True, required=True, metavar="DIR", description="Folder of the new dataset."),
    option(
        "--copy-images",
        section=OUTPUT,
        is_flag=True,
        help="Copy the images into DIR; without it, they are linked, which takes no space.",
    ),
    option("--no-images", section=OUTPUT, is_flag=True, help="Write only annotations."),
    output_options.replacing,
)


def output_fields(console: Console, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `DatasetOutput`. Raises UsageError for options that contradict each other."""
    if given["copy_images"] and given["no_images"]:
        raise UsageError("--copy-images and --no-images contradict each other: give one of them")
    return {
        "data": given["data"],
        "images": given["images"],
        "part": given["part"],
        "first_pixel": None if given["first_pixel"] is None else int(given["first_pixel"]),
        "output": given["output"],
        "image_files": "copy" if given["copy_images"] else "none" if given["no_images"] else "link",
        "if_exists": "overwrite" if given["yes"] else given["if_exists"],
        "workers": given["workers"],
        "protected": () if console.config is None else (str(console.config),),
    }
