"""Which category of the ground truth each box of stored results has: by its label, or by its category id if it has none."""

from collections import Counter
from collections.abc import Iterator

from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, quoted_names
from detcli.io.results import StoredBox
from detcli.structures.class_labels import plain_name
from detcli.text import counted


class CategoryIndex:
    """Category ids of the ground truth by the label of a box, or by its category id if it has no label."""

    def __init__(self, ground_truth: CocoGroundTruth, name: str) -> None:
        self._ground_truth, self._name = ground_truth, name
        self._categories = ground_truth.categories  # a property that makes a new dictionary
        self._ids: dict[str, int] = {}
        for category_id, label in self._categories.items():
            self._ids.setdefault(plain_name(label), category_id)
        self._matches: dict[str | int, int | None] = {}
        self._counts: Counter[str | int] = Counter()

    @property
    def boxes(self) -> int:
        """Number of boxes."""
        return self._counts.total()

    def match(self, box: StoredBox) -> int | None:
        """The id; None if the ground truth does not have the category."""
        key: str | int = box.label if box.label is not None else box.category_id or 0
        self._counts[key] += 1
        if key not in self._matches:
            known = self._ids.get(plain_name(key)) if isinstance(key, str) else key if key in self._categories else None
            self._matches[key] = known
        return self._matches[key]

    def check(self) -> None:
        """Raise DataError if no category matches, or the ids are numbered differently."""
        unknown = self._unknown()
        if not unknown:
            return
        categories = self._categories
        has = quoted_names([f"{number} {label}" for number, label in sorted(categories.items())])
        if len(unknown) == len(self._matches):
            raise DataError(
                f"none of the categories in '{self._name}' is in '{self._ground_truth.name}': {quoted_names(unknown)}; it has {has}"
            )
        ids = {key for key in self._matches if isinstance(key, int)}
        count = len(categories)
        for first in (0, 1):
            if ids and ids <= set(range(first, first + count)):
                raise DataError(
                    f"the category ids in '{self._name}' look like class indices from {first}, not like those of "
                    f"'{self._ground_truth.name}', which does not have {quoted_names(unknown)}; it has {has}. Detect with "
                    "`ground_truth` to get the ids of the annotations"
                )

    def notes(self) -> Iterator[str]:
        """Issues that do not prevent an evaluation."""
        unknown = self._unknown()
        if unknown:
            boxes = sum(self._counts[key] for key in unknown)
            yield (
                f"{counted(boxes, 'detection is', 'detections are')} "
                f"left out, of {quoted_names(unknown)}: the annotations have no such category"
            )

    def _unknown(self) -> list[str | int]:
        return sorted((key for key, category_id in self._matches.items() if category_id is None), key=str)
