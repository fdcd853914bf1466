"""The options that only `detcli segment` has, or has with another help text."""

from functools import partial

from detcli.cli.detect import filter_options
from detcli.cli.framework.option_types import NEW_FOLDER, ScoreType, WordType
from detcli.cli.framework.options import drawing_options, model_options, output_options
from detcli.cli.framework.options.help_sections import DETECTION, IMAGES, group_of, option
from detcli.io.results.formats import writable_formats

DEFAULT_MODEL = "detr-r50-panoptic"
MASK_THRESHOLD = 0.5
OVERLAP_THRESHOLD = 0.8

segmentation = group_of(
    option(
        "--task",
        section=DETECTION,
        type=WordType(["panoptic", "instance", "semantic"], meant={"instances": "instance", "masks": "instance"}),
        metavar="NAME",
        default="panoptic",
        standard="panoptic",
        help="panoptic: things and stuff; instance: things; semantic: one class per pixel.",
    ),
    option(
        "--rule",
        section=DETECTION,
        type=WordType(["original", "transformers"]),
        metavar="NAME",
        default="original",
        standard="original",
        help="Post-processing rule: original, as DETR was published, or transformers.",
    ),
    filter_options.threshold_option(
        standard="0.85 for panoptic (0.5 with --rule transformers), 0.5 for instance, 0 for semantic",
        description="Minimum score of a segment.",
    ),
    option(
        "--mask-threshold",
        section=DETECTION,
        type=ScoreType(),
        metavar="PROBABILITY",
        default=MASK_THRESHOLD,
        standard=f"{MASK_THRESHOLD}",
        help="Minimum probability of a pixel in a mask.",
    ),
    option(
        "--overlap-threshold",
        section=DETECTION,
        type=ScoreType(),
        metavar="FRACTION",
        default=OVERLAP_THRESHOLD,
        standard=f"{OVERLAP_THRESHOLD}",
        help="With --rule transformers: minimum share of its mask that a segment must keep.",
    ),
    filter_options.nms_option(standard="off; only with --task instance"),
    filter_options.nms_agnostic,
    filter_options.max_det,
    filter_options.classes,
    model_options.imgsz,
)
results = output_options.results_as(partial(writable_formats, masks=True), boxes=False)
drawing = group_of(
    drawing_options.save_images,
    option(
        "--save-masks",
        section=IMAGES,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Save label maps as PNG with a color palette: pixels are segment ids, or class indices with --task semantic. "
        "More than 255 ids: gray, 16 bits.",
    ),
    drawing_options.save_crops,
    drawing_options.drawing_style,
)
