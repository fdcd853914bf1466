"""The detections of one image, in pixels of that image."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from detcli.errors import UsageError
from detcli.libraries import problem
from detcli.structures.class_labels import ClassLabels
from detcli.structures.float_text import shortest
from detcli.structures.masks import Rle

if TYPE_CHECKING:
    import pandas
    import supervision

Selector = slice | Sequence[int] | Sequence[bool] | npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]

_MAX_CLASSES_SHOWN = 5
STD_COLUMNS = ("x_min_std", "y_min_std", "x_max_std", "y_max_std")  # of `box_std` in tables


@dataclass(frozen=True, slots=True)
class Detection:
    """One detection.

    label     name of the class; None if the detections have no labels
    score     confidence, 0 … 1
    class_id  index of the class in the model's labels
    xyxy      left, top, right, bottom in pixels of the upright image
    mask      run-length encoded; `mask.decode()` is a bool array [H, W]; None for detections without masks
    track_id  from 1; None without tracking
    box_std   standard deviation of left, top, right and bottom in pixels; None if it was not requested
    """

    label: str | None
    score: float
    class_id: int
    xyxy: tuple[float, float, float, float]
    mask: Rle | None = None
    track_id: int | None = None
    box_std: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detections:
    """Detections of one image, sorted by confidence.

    boxes_xyxy  float64 [N, 4]  left, top, right, bottom in pixels of the upright image, clipped to it
    scores      float32 [N]     confidence, 0 … 1
    class_ids   int64   [N]     index into the model's labels
    masks       N masks at the image's own size; None for detections without masks. Panoptic and semantic segments do
                not overlap, and their boxes are the bounding boxes of their masks
    track_ids   int64 [N], from 1: one object has one number in every frame of a video; None without tracking
    box_std     float64 [N, 4]: how sure the network is of each edge, as the standard deviation of left, top, right and
                bottom in pixels; None if it was not requested
    labels      class names and category ids; set by the detector and kept by indexing; None: unknown

    Lists are accepted where arrays are named. The length is the number of detections; iteration and an integer index
    give a `Detection`; a slice, a bool mask or an array of indices gives `Detections`. Two are equal if all fields are.

    Raises ValueError if the lengths differ, and TypeError for fields of a wrong type.
    """

    boxes_xyxy: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    masks: tuple[Rle, ...] | None = None
    track_ids: npt.NDArray[np.int64] | None = None
    labels: ClassLabels | None = None
    box_std: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        self._set("boxes_xyxy", np.float64)
        self._set("scores", np.float32)
        self._set("class_ids", np.int64)
        if self.track_ids is not None:
            self._set("track_ids", np.int64)
        if self.box_std is not None:
            self._set("box_std", np.float64)
        if self.masks is not None:
            object.__setattr__(self, "masks", _checked_masks(self.masks))
        self._check_lengths()
        self._check_labels()

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        return (self._detection(index) for index in range(len(self)))

    @overload
    def __getitem__(self, index: Selector) -> "Detections": ...

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Detection: ...

    def __getitem__(self, index: int | np.integer[Any] | Selector) -> "Detection | Detections":
        """Return one detection for an integer, or those that a slice, a bool mask or an array of indices selects.

        Raises IndexError for an index out of range or a mask of another length, and TypeError for everything else.
        """
        if isinstance(index, slice):
            return self._select(np.arange(len(self))[index])
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return self._detection(int(index))
        return self._select(self._indices(index))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return (
            np.array_equal(self.boxes_xyxy, other.boxes_xyxy)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.class_ids, other.class_ids)
            and self.masks == other.masks
            and _equal(self.track_ids, other.track_ids)
            and _equal(self.box_std, other.box_std)
            and self.labels == other.labels
        )

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __repr__(self) -> str:
        """The number of detections of each class, such as `Detections(3: 2 person, 1 dog)`."""
        extras = [name for name in ("masks", "track_ids", "box_std") if getattr(self, name) is not None]
        with_extras = f" with {' and '.join(extras)}" if extras else ""
        return f"{type(self).__name__}({len(self)}{with_extras}{self._class_counts()})"

    @classmethod
    def empty(cls, labels: ClassLabels | None = None) -> "Detections":
        """No detections."""
        return cls(np.zeros((0, 4), np.float64), np.zeros(0, np.float32), np.zeros(0, np.int64), labels=labels)

    @property
    def class_names(self) -> npt.NDArray[np.str_]:
        """Name of each detection's class, [N], as in `detections[detections.class_names == "person"]`.

        Raises UsageError if the detections have no labels.
        """
        labels = self._known_labels()
        return np.array([labels.names[class_id] for class_id in self.class_ids.tolist()], np.str_)

    def to_dict(self) -> dict[str, Any]:
        """Return `{"detections": [...]}` with the entries that a JSON Lines record has, ready for `json.dumps`.

        Each entry has `label`, `label_id`, `category_id`, `score` and `bbox` (left, top, width, height). Label and
        category id are None if the detections have no labels. Masks add `segment_id`, `is_thing` and `segmentation`,
        tracks add `track_id`, and uncertainty `bbox_std`.
        """
        return {"detections": detection_records(self, self.labels)}

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Return results as pycocotools' `loadRes` takes them: masks, or boxes for detections without masks.

        image_id  of the image in the COCO annotations

        Raises UsageError if the detections have no labels, since category ids come from them.
        """
        if isinstance(image_id, bool) or not isinstance(image_id, SupportsIndex):
            raise TypeError(f"`image_id` must be an integer, not {type(image_id).__name__}")
        image_id = operator.index(image_id)
        return [
            {"image_id": image_id} | {name: record[name] for name in _COCO_KEYS if name in record}
            for record in _one_shape_each(detection_records(self, self._known_labels()))
        ]

    def to_supervision(self) -> "supervision.Detections":
        """Return `supervision.Detections`, with class names in `data["class_name"]` and uncertainty in `data["box_std"]`.

        Raises ImportError if the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise ImportError(
                f"to_supervision() needs the package supervision, which {problem(error, 'supervision')}"
            ) from error
        data: dict[str, Any] = {} if self.labels is None else {"class_name": self.class_names}
        if self.box_std is not None:
            data["box_std"] = self.box_std.copy()
        masks = None if self.masks is None or not len(self) else np.stack([mask.decode() for mask in self.masks])
        return supervision.Detections(
            xyxy=self.boxes_xyxy.astype(np.float32),
            mask=masks,
            confidence=self.scores.copy(),
            class_id=self.class_ids.copy(),
            tracker_id=None if self.track_ids is None else self.track_ids.copy(),
            data=data,
        )

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a DataFrame with a row per detection: label, class_id, score, x_min, y_min, x_max, y_max, track_id.

        With uncertainty also x_min_std, y_min_std, x_max_std, y_max_std.

        Raises ImportError if the package pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(f"to_pandas() needs the package pandas, which {problem(error, 'pandas')}") from error
        columns: dict[str, Any] = {} if self.labels is None else {"label": self.class_names}
        columns |= {"class_id": self.class_ids, "score": self.scores}
        columns |= dict(zip(("x_min", "y_min", "x_max", "y_max"), self.boxes_xyxy.T, strict=True))
        if self.track_ids is not None:
            columns["track_id"] = self.track_ids
        if self.box_std is not None:
            columns |= dict(zip(STD_COLUMNS, self.box_std.T, strict=True))
        return pandas.DataFrame(columns)

    def _set(self, name: str, dtype: type[np.generic]) -> None:
        """Convert a field to an array of its type."""
        array = np.asarray(getattr(self, name))
        kinds = "iu" if np.issubdtype(dtype, np.integer) else "iuf"
        if array.size and array.dtype.kind not in kinds:
            what = "integers" if kinds == "iu" else "numbers"
            raise TypeError(f"`{name}` must be an array of {what}, not {type(getattr(self, name)).__name__}")
        if name in ("boxes_xyxy", "box_std") and array.size == 0:
            array = array.reshape(-1, 4)
        if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise ValueError(f"`{name}` has a number above the range of int64")
        object.__setattr__(self, name, array.astype(dtype, copy=False))

    def _check_lengths(self) -> None:
        if self.scores.ndim != 1:
            raise ValueError(f"`scores` must have the shape [N], not {list(self.scores.shape)}")
        count = len(self.scores)
        shapes: dict[str, tuple[int, ...]] = {"boxes_xyxy": (count, 4), "class_ids": (count,), "track_ids": (count,)}
        shapes["box_std"] = (count, 4)
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"`{name}` must have the shape {list(shape)} for {count} scores, not {list(value.shape)}"
                )
        if self.masks is not None and len(self.masks) != count:
            raise ValueError(f"there are {len(self.masks)} `masks` for {count} scores")

    def _check_labels(self) -> None:
        if self.labels is None:
            return
        if not isinstance(self.labels, ClassLabels):
            raise TypeError(f"`labels` must be ClassLabels or None, not {type(self.labels).__name__}")
        if len(self) and not 0 <= self.class_ids.min() <= self.class_ids.max() < len(self.labels):
            raise ValueError(
                f"`class_ids` must lie between 0 and {len(self.labels) - 1}: there are {len(self.labels)} labels"
            )

    def _detection(self, index: int) -> Detection:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: there are {len(self)} detections")
        left, top, right, bottom = self.boxes_xyxy[index].tolist()
        class_id = int(self.class_ids[index])
        return Detection(
            None if self.labels is None else self.labels.names[class_id],
            float(self.scores[index]),
            class_id,
            (left, top, right, bottom),
            None if self.masks is None else self.masks[index],
            None if self.track_ids is None else int(self.track_ids[index]),
            None if self.box_std is None else tuple(self.box_std[index].tolist()),
        )

    def _indices(self, selector: Any) -> npt.NDArray[np.int64]:
        """Turn a bool mask or an array of indices into indices, [M]."""
        array = np.asarray(selector)
        if isinstance(selector, str | bytes) or array.ndim == 0 or (array.size and array.dtype.kind not in "biu"):
            raise TypeError(
                "detections are indexed by an integer, a slice, a bool mask or an array of integers, "
                f"not by {type(selector).__name__}"
            )
        if array.ndim != 1:
            raise IndexError(f"a mask or an array of indices must have the shape [N], not {list(array.shape)}")
        if array.dtype == np.bool_:
            if len(array) != len(self):
                raise IndexError(f"a mask of length {len(array)} cannot select from {len(self)} detections")
            return np.flatnonzero(array)
        if array.size and not -len(self) <= int(array.min()) <= int(array.max()) < len(self):
            raise IndexError(f"an index is out of range: there are {len(self)} detections")
        return array.astype(np.int64)

    def _select(self, indices: npt.NDArray[np.int64]) -> "Detections":
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[indices],
            scores=self.scores[indices],
            class_ids=self.class_ids[indices],
            masks=None if self.masks is None else tuple(self.masks[index] for index in indices.tolist()),
            track_ids=None if self.track_ids is None else self.track_ids[indices],
            box_std=None if self.box_std is None else self.box_std[indices],
        )

    def _known_labels(self) -> ClassLabels:
        if self.labels is None:
            raise UsageError("these detections have no labels; set them with dataclasses.replace(detections, labels=…)")
        return self.labels

    def _class_counts(self) -> str:
        if self.labels is None or not len(self):
            return ""
        counts = Counter(self.class_names.tolist()).most_common()
        shown = [f"{count} {name}" for name, count in counts[:_MAX_CLASSES_SHOWN]]
        others = sum(count for _, count in counts[_MAX_CLASSES_SHOWN:])
        return ": " + ", ".join([*shown, *([f"{others} others"] if others else [])])


def _equal(array: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None) -> bool:
    return (array is None) == (other is None) and (array is None or other is None or np.array_equal(array, other))


def _checked_masks(masks: Any) -> tuple[Rle, ...]:
    if isinstance(masks, str) or not isinstance(masks, Iterable):
        raise TypeError(f"`masks` must be a list of Rle, not {type(masks).__name__}")
    checked = tuple(masks)
    for mask in checked:
        if not isinstance(mask, Rle):
            raise TypeError(f"`masks` must hold Rle (see Rle.of), not {type(mask).__name__}")
    return checked


_COCO_KEYS = ("category_id", "bbox", "segmentation", "score", "track_id", "bbox_std")


def detection_records(detections: Detections, labels: ClassLabels | None) -> list[dict[str, Any]]:
    """Return the entries of `detections` in a JSON record; numbers are the shortest that read back as the same float32."""
    boxes = detections.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    flat = shortest(boxes.reshape(-1))
    std = [] if detections.box_std is None else shortest(detections.box_std.reshape(-1))
    rows = zip(detections.class_ids.tolist(), shortest(detections.scores), range(0, len(flat), 4), strict=True)
    records: list[dict[str, Any]] = [
        {
            "label": None if labels is None else labels.names[class_id],
            "label_id": class_id,
            "category_id": None if labels is None else labels.category_ids[class_id],
            "score": score,
            "bbox": flat[start : start + 4],
        }
        for class_id, score, start in rows
    ]
    if detections.masks is not None:
        stuff = frozenset() if labels is None else labels.stuff
        for number, (record, mask) in enumerate(zip(records, detections.masks, strict=True), 1):
            is_thing = record["label_id"] not in stuff
            record |= {"segment_id": number, "is_thing": is_thing, "segmentation": mask.as_json()}
    if detections.track_ids is not None:
        for record, track_id in zip(records, detections.track_ids.tolist(), strict=True):
            record["track_id"] = track_id
    if detections.box_std is not None:
        for record, start in zip(records, range(0, 4 * len(records), 4), strict=True):
            record["bbox_std"] = std[start : start + 4]
    return records


def _one_shape_each(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Drop the box of a record with a mask: pycocotools would sort masks into small, medium and large by their boxes."""
    for record in records:
        yield {name: value for name, value in record.items() if name != "bbox" or "segmentation" not in record}
