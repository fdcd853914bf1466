"""What an exported file says about itself: one JSON document in its metadata, under the key `detcli`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.io.documents import parse_json
from detcli.structures.class_labels import ClassLabels
from detcli.version import __version__

METADATA_KEY = "detcli"
FORMAT = 1  # of this document; a file with a higher number is refused
MAX_METADATA_BYTES = 16 * 1024 * 1024

OutputsKind = Literal["raw", "boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAccuracy:
    """AP (IoU 0.50 to 0.95) of an exported file and of its checkpoint on the same images, from 0 to 1.

    data        name of the dataset, without its folder
    images      that were evaluated
    checkpoint  of the checkpoint, run by torch in fp32; None: the dataset has no boxes
    exported    of the file
    """

    data: str
    images: int
    checkpoint: float | None
    exported: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFacts:
    """The facts of an exported network; enough to use it without its checkpoint.

    model         name of the model that was exported
    labels        class names and category ids
    preprocessor  complete preprocessor_config.json, with the input size of the export
    size_divisor  height and width of the input must be multiples of this
    scores        how logits become scores: sigmoid or softmax
    threshold     default threshold of scores
    class_thresholds  default thresholds of classes that have their own, by class name
    threshold_source  how `eval` or `train` found it; empty: the default of the model
    nms           default intersection over union of non-maximum suppression; None: off
    size_hw       the only input size; None: any
    batch         the only number of images; None: any
    outputs       raw: `logits` and `boxes` of all queries, perhaps `masks`; boxes: `boxes`, `scores` and `classes`,
                  sorted by score
    masks         whether there are masks
    uncertainty   whether there is `box_std`, the standard deviation of each edge; with `outputs=raw`
    precision     of the weights: fp32, fp16 or int8
    calibration_images  with int8: how many images the ranges are from; None: not int8
    accuracy      of the file and of the checkpoint; None: not measured
    repository, commit, sha256  of the checkpoint; None: unknown
    version       of detcli that exported
    """

    model: str
    labels: ClassLabels
    preprocessor: Mapping[str, Any] = field(hash=False)
    size_divisor: int
    scores: Literal["sigmoid", "softmax"]
    threshold: float
    threshold_source: str = ""
    class_thresholds: Mapping[str, float] = field(default_factory=dict, hash=False)
    nms: float | None = None
    size_hw: tuple[int, int] | None = None
    batch: int | None = None
    outputs: OutputsKind = "raw"
    masks: bool = False
    uncertainty: bool = False
    precision: str = "fp32"
    calibration_images: int | None = None
    accuracy: ExportAccuracy | None = None
    repository: str | None = None
    commit: str | None = None
    sha256: str | None = None
    version: str = __version__

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs of the file, in order."""
        if self.outputs == "boxes":
            return ("boxes", "scores", "classes")
        more = {"masks": self.masks, "box_std": self.uncertainty}
        return ("logits", "boxes", *(name for name, is_there in more.items() if is_there))

    def as_json(self) -> str:
        """Write the document."""
        document = asdict(self)
        labels = document.pop("labels")
        document |= {
            "format": FORMAT,
            "names": labels["names"],
            "category_ids": labels["category_ids"],
            "stuff": sorted(labels["stuff"]),
        }
        return json.dumps(document, ensure_ascii=True, allow_nan=False)


def read_facts(text: str | None, path: Path) -> ExportedFacts:
    """Read the document of a file.

    text  None: the file has none

    Raises UnsupportedModelError for a file of another tool or of a later detcli, and DamagedModelError for an invalid document.
    """
    if text is None:
        raise UnsupportedModelError(
            f"'{path}' was not exported by detcli: its classes and its preprocessing are unknown; "
            "'detcli export MODEL' writes a file that has them"
        )
    try:
        if len(text) > MAX_METADATA_BYTES:
            raise ValueError(f"it has {len(text)} bytes")
        document = parse_json(text)
        if not isinstance(document, dict):
            raise TypeError("it is not an object")
        later = document.get("format")
        if isinstance(later, int) and later > FORMAT:
            raise UnsupportedModelError(
                f"'{path}' was exported by detcli {str(document.get('version'))[:20]}, in a format that detcli {__version__} "
                "does not know: install a later detcli"
            )
        return _FactsReader(document).facts()
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise DamagedModelError(f"'{path}': its metadata of detcli is invalid: {str(error)[:200]}") from error


class _FactsReader:
    """Reads and checks the fields. Raises ValueError naming the field."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def facts(self) -> ExportedFacts:
        names = self._get("names", lambda x: _is_list(x, str))
        ids = self._get("category_ids", lambda x: _is_list(x, int) and len(x) == len(names))
        stuff = self._get("stuff", lambda x: _is_list(x, int) and all(0 <= index < len(names) for index in x))
        size = self._get("size_hw", lambda x: x is None or (_is_list(x, int) and len(x) == 2 and min(x) > 0))
        return ExportedFacts(
            model=self._get("model", lambda x: isinstance(x, str)),
            labels=ClassLabels(tuple(names), tuple(ids), frozenset(stuff)),
            preprocessor=self._get("preprocessor", lambda x: isinstance(x, dict)),
            size_divisor=self._get("size_divisor", lambda x: _is_int(x) and 0 < x <= 1024),
            scores=self._get("scores", ("sigmoid", "softmax").__contains__),
            threshold=float(self._get("threshold", lambda x: isinstance(x, int | float) and 0 <= x <= 1)),
            class_thresholds=self._class_thresholds(names),
            threshold_source=self._text("threshold_source") or "",
            nms=self._get("nms", lambda x: x is None or (isinstance(x, float) and 0 < x < 1)),
            size_hw=None if size is None else (size[0], size[1]),
            batch=self._get("batch", lambda x: x is None or (_is_int(x) and 0 < x <= 4096)),
            outputs=self._get("outputs", ("raw", "boxes").__contains__),
            masks=self._get("masks", lambda x: isinstance(x, bool)),
            uncertainty=self._get("uncertainty", lambda x: x is None or isinstance(x, bool)) or False,
            precision=self._get("precision", ("fp32", "fp16", "bf16", "int8").__contains__),
            calibration_images=self._get("calibration_images", lambda x: x is None or (_is_int(x) and x > 0)),
            accuracy=self._accuracy(),
            repository=self._text("repository"),
            commit=self._text("commit"),
            sha256=self._get("sha256", lambda x: x is None or bool(re.fullmatch(r"[0-9a-f]{64}", str(x)))),
            version=self._get("version", lambda x: isinstance(x, str)),
        )

    def _accuracy(self) -> ExportAccuracy | None:
        """The accuracy; files of earlier versions have none."""
        given = self._get("accuracy", lambda x: x is None or isinstance(x, dict))
        if given is None:
            return None
        fields = _FactsReader(given)
        try:
            return ExportAccuracy(
                data=fields._get("data", lambda x: isinstance(x, str)),
                images=fields._get("images", lambda x: _is_int(x) and x >= 0),
                checkpoint=fields._get("checkpoint", _is_fraction_or_none),
                exported=fields._get("exported", _is_fraction_or_none),
            )
        except ValueError as error:
            raise ValueError(f"`accuracy`: {error}") from error

    def _class_thresholds(self, names: Sequence[str]) -> dict[str, float]:
        """Of the classes of the model; files of before have none."""
        if "class_thresholds" not in self._document:
            return {}
        stored = self._get(
            "class_thresholds",
            lambda x: isinstance(x, dict) and all(name in names and _is_fraction(value) for name, value in x.items()),
        )
        return {name: float(value) for name, value in stored.items()}

    def _text(self, name: str) -> str | None:
        text: str | None = self._get(name, lambda x: x is None or isinstance(x, str))
        return text

    def _get(self, name: str, is_valid: Callable[[Any], bool]) -> Any:
        value = self._document.get(name)
        try:
            valid = is_valid(value)
        except TypeError:  # not hashable, for example
            valid = False
        if not valid:
            raise ValueError(f"`{name}` is {str(value)[:60]!r}")
        return value


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_fraction_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1)


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)
