"""The options of `detcli eval` that no other command has."""

from pathlib import Path

import click

from detcli.cli.detect import filter_options
from detcli.cli.framework.option_types import FOLDER, NEW_FOLDER, FormatType, PositiveIntType, ScoreType, WordType
from detcli.cli.framework.options import input_options, model_options, output_options
from detcli.cli.framework.options.help_sections import DETECTION, IMAGES, INPUT, OUTPUT, group_of, option
from detcli.cli.framework.options.option import Decorator
from detcli.io.results.formats import readable_formats

results = click.argument("results", required=False, metavar="[RESULTS]", type=click.Path(path_type=Path))
against = click.argument("against", required=False, metavar="[OTHER]", type=click.Path(path_type=Path))
ground_truth = group_of(
    option(
        "--gt",
        section=INPUT,
        type=click.Path(path_type=Path),
        metavar="DATA",
        help="Ground truth for RESULTS: COCO annotations, or the validation part of any dataset.",
    ),
    option(
        "--results-format",
        section=INPUT,
        type=FormatType(readable_formats),
        metavar="NAME",
        standard="by suffix and first bytes",
        late_help=lambda: f"Format of RESULTS: {', '.join(readable_formats())}.",
    ),
    input_options.data_option(
        description="Dataset to evaluate a model on: COCO annotations (.json), a folder of COCO, YOLO, Pascal VOC or LabelMe, XML of "
        "CVAT, JSON of Label Studio, .tar of WebDataset, .parquet, or shapes."
    ),
    option(
        "--images",
        section=INPUT,
        type=FOLDER,
        metavar="DIR",
        standard="found next to the annotations",
        help="Folder that the file names in --gt or --data are relative to.",
    ),
)
model = model_options.model_option(
    default=None,
    standard="dfine-s, with --data",
    description="Model to evaluate: a name from 'detcli models list', a Hub repository, a folder or a file.",
)
filtering = group_of(
    filter_options.threshold_option(
        standard="0; with --iou-type panoptic, that of the model",
        description="Minimum score; anything but 0 lowers AP.",
    ),
    filter_options.nms_option(standard="off"),
    filter_options.nms_agnostic,
    filter_options.max_det,
    option(
        "--iou-type",
        section=DETECTION,
        type=WordType(
            ["bbox", "segm", "panoptic"],
            meant={"box": "bbox", "boxes": "bbox", "mask": "segm", "masks": "segm", "segment": "segm"},
        ),
        metavar="NAME",
        default="bbox",
        standard="bbox",
        help="What is evaluated: boxes (bbox), instance masks (segm) or panoptic quality (panoptic).",
    ),
    model_options.imgsz,
)
report = group_of(
    output_options.output_option(metavar="FILE", description="Write a report with all metrics as JSON."),
    output_options.format_option(["table", "json"], standard="table"),
    output_options.as_json_option(section=OUTPUT),
    option(
        "--save-plots",
        section=OUTPUT,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Save pr_curves.png, confusion.png, calibration.png and errors.png.",
    ),
    option(
        "--set-threshold",
        section=OUTPUT,
        metavar="MODEL",
        help="Write the score threshold with the highest F1 into this model folder; detect then uses it.",
    ),
    option(
        "--bootstrap",
        section=OUTPUT,
        type=PositiveIntType(0, 100_000),
        metavar="N",
        default=1000,
        standard="1000",
        help="Number of bootstrap samples for confidence intervals of AP, at least 40; 0: none.",
    ),
    option(
        "--min-map",
        section=OUTPUT,
        type=ScoreType(),
        metavar="AP",
        help="Minimum AP (IoU 0.50 to 0.95); exit code 10 if it is not reached.",
    ),
)


def score_option(section: str) -> Decorator:
    """`--score`, in a section of the help page."""
    return option(
        "--score",
        section=section,
        type=ScoreType(),
        metavar="SCORE",
        standard="the threshold of the results or of the model, else 0.4",
        help="Minimum score of boxes in the confusion matrix, of errors, and in a report with --gt.",
    )


mistakes = group_of(
    score_option(IMAGES),
    option(
        "--save-worst",
        section=IMAGES,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Save the images with the most errors, ground truth and predictions side by side; of two results, those that changed.",
    ),
    option(
        "--worst",
        section=IMAGES,
        type=PositiveIntType(1, 10_000),
        metavar="N",
        default=20,
        standard="20",
        help="Number of worst images to save.",
    ),
)
