"""Options of the section "Visualization": annotated images and crops, and how they are drawn."""

from detcli.cli.framework.option_types import FILE, NEW_FOLDER, PositiveIntType
from detcli.cli.framework.options.help_sections import IMAGES, group_of, option

save_images = option(
    "--save-images",
    section=IMAGES,
    type=NEW_FOLDER,
    metavar="DIR",
    help="Save annotated images.",
)
save_crops = option("--save-crops", section=IMAGES, type=NEW_FOLDER, metavar="DIR", help="Save a crop of each box.")
drawing_style = group_of(
    option(
        "--line-width",
        section=IMAGES,
        type=PositiveIntType(1, 1000),
        metavar="N",
        standard="fitted to the image",
        help="Line width in pixels.",
    ),
    option("--hide-labels", section=IMAGES, is_flag=True, help="Do not draw class names and scores."),
    option("--hide-scores", section=IMAGES, is_flag=True, help="Do not draw scores."),
    option("--font", section=IMAGES, type=FILE, metavar="FILE", help="Font file for class names."),
)
drawing = group_of(save_images, save_crops, drawing_style)
show_uncertainty = option(
    "--show-uncertainty",
    section=IMAGES,
    is_flag=True,
    help="Draw the uncertainty of each edge as a band (D-FINE models).",
)
