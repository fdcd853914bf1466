"""Settings of segmentation: task, rule and thresholds."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detcli.argument_checks import check_choice, check_fraction, check_nms, check_positive
from detcli.errors import UsageError
from detcli.structures.class_labels import ClassValues

Task = Literal["panoptic", "instance", "semantic"]
Rule = Literal["original", "transformers"]

TASKS: Final[tuple[Task, ...]] = get_args(Task)
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

# facebookresearch/detr, PostProcessPanoptic; transformers, DetrImageProcessor.post_process_*_segmentation.
_ORIGINAL_PANOPTIC, _DEFAULT = 0.85, 0.5


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """How segments are made of a network's outputs.

    task               panoptic: every pixel belongs to one segment, of a thing or stuff; instance: things; semantic: one
                       segment per class
    rule               original: as facebookresearch/detr evaluates; transformers: as the image processor of that
                       library. The original has no semantic task: both rules are transformers' there
    threshold          scores are strictly above it; None: 0.85 for the panoptic task of the original rule, 0 for the
                       semantic task, else 0.5
    mask_threshold     a pixel belongs to a mask if its probability is above it
    overlap_threshold  rule transformers, panoptic and instance: a segment is kept if it keeps more than this share of
                       its mask
    max_detections     maximum number of segments per image
    class_ids          only these classes, selected after pixels are assigned; None: all
    stuff              stuff classes: an image has one panoptic segment of each, and no instances
    class_thresholds   of classes that have another threshold
    nms                instances whose boxes overlap a better one of their class by more than this intersection over union
                       are removed, before the maximum number counts; None: none is
    nms_agnostic       a better one of any class
    """

    task: Task
    rule: Rule = "original"
    threshold: float | None = None
    mask_threshold: float = 0.5
    overlap_threshold: float = 0.8
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None
    stuff: frozenset[int] = frozenset()
    class_thresholds: ClassValues = ()
    nms: float | None = None
    nms_agnostic: bool = False

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_choice("rule", self.rule, RULES)
        for name in ("mask_threshold", "overlap_threshold"):
            check_fraction(name, getattr(self, name))
        if self.threshold is not None:
            check_fraction("threshold", self.threshold)
        check_positive("max_detections", self.max_detections)
        if self.nms is not None:
            check_nms("nms", self.nms)
            check_nms_task(self.task)

    @property
    def score_threshold(self) -> float:
        """The threshold, or the default of the task and rule."""
        if self.threshold is not None:
            return self.threshold
        if self.task == "semantic":
            return 0.0
        return _ORIGINAL_PANOPTIC if (self.task, self.rule) == ("panoptic", "original") else _DEFAULT

    @property
    def least_threshold(self) -> float:
        """The lowest threshold of any class."""
        return min((self.score_threshold, *(threshold for _, threshold in self.class_thresholds)))


def check_nms_task(task: Task) -> None:
    """Raise UsageError for a task whose segments cannot be duplicates."""
    if task != "instance":
        raise UsageError(
            f"`nms` is for boxes and `task=instance`: with `task={task}`, each pixel has one segment already"
        )
