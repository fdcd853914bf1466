"""Types of option values: they convert the text of an option and say what is wrong with it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from detcli.cli.framework.text import close_words
from detcli.errors import UsageError
from detcli.io.results.formats import FORMATS
from detcli.shard import Shard

# Names of formats that are none here, and what was meant.
_LINES = "'jsonl' is one JSON object per image and line"
_EXPORT = "'detcli export' writes models; this is a format of results"
_OTHER_FORMATS = {
    "json": f"'coco' is one JSON document, and {_LINES}",
    "ndjson": _LINES,
    "txt": "'yolo' is a folder of text files, and 'csv' one text file",
    "text": "'yolo' is a folder of text files, and 'csv' one text file",
    "yolov5": "'yolo' is a folder of text files",
    "yolov8": "'yolo' is a folder of text files",
    "ultralytics": "'yolo' is a folder of text files",
    "darknet": "'yolo' is a folder of text files",
    "voc": "Pascal VOC is not supported; 'coco' is read by most programs",
    "xml": "Pascal VOC is not supported; 'coco' is read by most programs",
    "excel": "spreadsheets read 'csv'",
    "xlsx": "spreadsheets read 'csv'",
    "tsv": "spreadsheets read 'csv'",
    "parquet": "pandas reads 'csv'",
    "pandas": "pandas reads 'csv'",
    **dict.fromkeys(("png", "jpg", "jpeg", "image"), "--save-images DIR writes annotated images"),
    **dict.fromkeys(("mp4", "video"), "'detcli video --save-video FILE' writes annotated videos"),
    **dict.fromkeys(("onnx", "engine", "tensorrt", "openvino", "torchscript", "coreml", "tflite"), _EXPORT),
}

FOLDER = click.Path(path_type=Path, file_okay=False)
NEW_FOLDER = click.Path(path_type=Path)  # an output; an existing file is reported by the output checks
FILE = click.Path(path_type=Path, dir_okay=False)


class ScoreType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number from 0 to 1; not NaN."""

    name = "score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the value, or fail."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= 1:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number from 0 to 1{_meant_score(str(value))}", param, ctx)
        return number


def _meant_score(text: str) -> str:
    """The end of the message for percent, and for a comma in a number."""
    plain = re.fullmatch(r"(\d{1,3}(?:[.,]\d{1,6})?)\s*(%?)", text.strip(), re.ASCII)
    if plain is None:
        return ""
    number = float(plain[1].replace(",", "."))
    if plain[2] or 1 < number <= 100:
        return f"; {number:g} percent is {number / 100:g}" if number <= 100 else ""
    return f"; use a point: {number:g}" if "," in plain[1] and number <= 1 else ""


class NmsType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """An intersection over union between 0 and 1, or off."""

    name = "nms"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Read the value, or fail."""
        if value == "off":
            return "off"
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number < 1:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number between 0 and 1; 'off' removes no boxes", param, ctx)
        return number


class PositiveIntType(click.IntRange):
    """An integer within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or fail with the bounds."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            bounds = f" from {self.min:,}" + (f" to {self.max:,}" if self.max is not None else "")
            self.fail(f"{str(value)[:40]!r} is not an integer{bounds}", param, ctx)


class CommaSeparatedType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Comma-separated words; a list in a settings file."""

    name = "list"
    takes_list = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split the value, or fail if it is empty."""
        parts = value.split(",") if isinstance(value, str) else [str(part) for part in value]
        words = tuple(part.strip() for part in parts if part.strip())
        if not words:
            self.fail("the list is empty", param, ctx)
        return words


class ShardType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """One of several shards: 2/8."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Read the value, or fail."""
        try:
            return Shard.of(value)
        except (UsageError, TypeError) as error:
            self.fail(str(error).replace("`shard` must be", "a shard is"), param, ctx)


class BatchSizeType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number of images, or auto (None)."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read the value, or fail."""
        if value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 4096:
            self.fail(f"{str(value)[:40]!r} is neither auto nor an integer from 1 to 4096", param, ctx)
        return number


class ImageSizeType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """An input size: 640 (a square), 480x640 or 480,640 (height, width), two words, or a list in a settings file."""

    name = "image size"
    takes_list = True
    joins_two = True  # two numbers on the command line are one value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Convert to height and width, or fail."""
        text = " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value).strip("[]() ")
        match = re.fullmatch(r"(\d{1,6})(?:(?:\s*[xX*,:]\s*|\s+)(\d{1,6}))?", text, re.ASCII)
        if match is None or not all(int(side) for side in match.groups() if side is not None):
            self.fail(
                f"{str(value)[:40]!r} is not an input size: use 640, 480x640 or 480 640 (height, width)", param, ctx
            )
        return int(match[1]), int(match[2] or match[1])


_ONE_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?", re.ASCII)
_SEVERAL_DEVICES = re.compile(r"cpu:\d{1,18}|cuda:all|cuda(:\d{1,3})?(,cuda(:\d{1,3})?)+", re.ASCII)
_MEANT_DEVICES = {"gpu": "cuda", "nvidia": "cuda", "metal": "mps", "all": "cuda:all", "gpus": "cuda:all"}


class DeviceType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """The name of a device, or of several; loading a model checks that they exist.

    several  several may be named
    """

    name = "device"

    def __init__(self, *, several: bool = False) -> None:
        self._several = several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the form of the name; a number is a CUDA device."""
        names = [name.strip() for name in str(value).strip().lower().strip("[]()").split(",")]
        text = ",".join(f"cuda:{name}" if re.fullmatch(r"\d{1,3}", name, re.ASCII) else name for name in names)
        # The request checks whether several can share a run.
        takes_all = self._several and ("," in text or _SEVERAL_DEVICES.fullmatch(text))
        if not takes_all and not _ONE_DEVICE.fullmatch(text):
            self._refuse(text, param, ctx)
        return text

    def _refuse(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        if _SEVERAL_DEVICES.fullmatch(text):
            one = "cpu" if text.startswith("cpu") else "cuda:0" if text == "cuda:all" else text.partition(",")[0]
            self.fail(
                f"this command runs on one device, such as {one}; {text[:40]} is for detect, segment and train",
                param,
                ctx,
            )
        meant = _MEANT_DEVICES.get(text)
        known = "auto, cpu, cuda, cuda:0 (or 0) or mps" + ("; several are 0,1 or cuda:all" if self._several else "")
        self.fail(f"{text[:40]!r} is not a device: use {meant or known}", param, ctx)


class PositiveFloatType(click.FloatRange):
    """A number that is not negative."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the value, or fail."""
        try:
            return float(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{str(value)[:40]!r} is not a number from 0", param, ctx)


class WordType(click.Choice):  # type: ignore[type-arg]  # generic in newer clicks only
    """One of a few words; another one is answered with what was meant.

    meant  other name -> word
    """

    def __init__(self, words: Sequence[str], *, meant: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self._meant = dict(meant or {})

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the word, or fail."""
        if value not in self.choices:
            text = str(value)[:40]
            meant = self._meant.get(text.lower()) or next(iter(close_words(text, self.choices)), None)
            known = ", ".join(map(repr, self.choices))
            self.fail(f"{text!r} is not one of {known}" + (f": did you mean {meant!r}?" if meant else ""), param, ctx)
        return super().convert(value, param, ctx)


class FormatType(click.Choice):  # type: ignore[type-arg]  # generic in newer clicks only
    """The name of a result format, built in or of a plug-in; the names are read when they are needed."""

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the formats."""
        return tuple(self._names())

    @choices.setter
    def choices(self, names: object) -> None:
        """Ignore the names that click sets."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the name. Raises UsageError with the reason for a plug-in that cannot be loaded."""
        if value in FORMATS.plug_ins():
            FORMATS[value]
        if value not in self.choices and (meant := _OTHER_FORMATS.get(str(value).lower().lstrip("."))):
            self.fail(f"{value!r} is not one of {', '.join(map(repr, self.choices))}: {meant}", param, ctx)
        return super().convert(value, param, ctx)
