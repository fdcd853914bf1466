"""What is asked of a segmentation: one record, which names the task, the rule and its numbers."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Task = Literal["panoptic", "instance", "semantic"]
Rule = Literal["original", "transformers"]

TASKS: Final[tuple[Task, ...]] = get_args(Task)

# facebookresearch/detr, PostProcessPanoptic; transformers, DetrImageProcessor.post_process_*_segmentation.
_ORIGINAL_PANOPTIC, _OTHERS = 0.85, 0.5


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """Which segments are made of a network's answer, and how.

    task               panoptic: every pixel belongs to one thing or stuff; instance: things; semantic: one segment a
                       class
    rule               original: as facebookresearch/detr evaluates; transformers: as that library's image processor.
                       The original has no semantic task: there both are transformers'
    threshold          scores strictly above it; None: 0.85 for the original's panoptic task, none for the semantic
                       one, else 0.5
    mask_threshold     a pixel belongs to a mask where its probability is above it
    overlap_threshold  transformers' panoptic and instance rule: a segment stays where other segments leave it more
                       than this share of its mask
    max_detections     so many of the best
    class_ids          only these classes, chosen when every pixel has its segment; None: all
    stuff              classes that cannot be counted: of each an image has one panoptic segment and no instance
    """

    task: Task
    rule: Rule = "original"
    threshold: float | None = None
    mask_threshold: float = 0.5
    overlap_threshold: float = 0.8
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None
    stuff: frozenset[int] = frozenset()

    @property
    def score_threshold(self) -> float:
        """The threshold given, else the task's and rule's own."""
        if self.threshold is not None:
            return self.threshold
        if self.task == "semantic":
            return 0.0
        return _ORIGINAL_PANOPTIC if (self.task, self.rule) == ("panoptic", "original") else _OTHERS
