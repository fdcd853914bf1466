"""Options of a model: its name and place, its input size, and the uncertainty of its boxes."""

from detcli.checkpoints.model_files import VARIANTS
from detcli.cli.framework.option_types import FOLDER, ImageSizeType, WordType
from detcli.cli.framework.options.help_sections import DETECTION, MODEL, group_of, option
from detcli.cli.framework.options.option import Decorator

DEFAULT_MODEL = "dfine-s"
_MODEL_HELP = "A name from 'detcli models list', a Hub repository, a folder or a file."
_IMGSZ_HELP = "Input size: 640 (a square), HxW or H W; shortest and longest edge for models that keep the aspect ratio."


def model_option(*, default: str | None, standard: str | None = None, description: str = _MODEL_HELP) -> Decorator:
    """Return --model with its default; `standard` describes the default in the help page."""
    return option(
        "-m", "--model", section=MODEL, metavar="NAME", default=default, standard=standard or default, help=description
    )


model = model_option(default=DEFAULT_MODEL)
revision = option("--revision", section=MODEL, metavar="REV", help="Commit, branch or tag of the Hub repository.")
offline = option("--offline", section=MODEL, is_flag=True, help="Use only downloaded models; no network access.")
cache_dir = option(
    "--cache-dir",
    section=MODEL,
    metavar="DIR",
    type=FOLDER,
    standard="the Hugging Face cache (HF_HOME)",
    help="Folder of downloaded models.",
)
VARIANT_HELP = "Of a .pth file: dfine, or deim (also for RT-DETRv4), which has other activations."
VARIANT = WordType(
    [*VARIANTS],
    meant={"d-fine": "dfine", "rtv4": "deim", "rtdetrv4": "deim", "rt-detrv4": "deim", "deim-d-fine": "deim"},
)
variant = option(
    "--variant",
    section=MODEL,
    type=VARIANT,
    metavar="NAME",
    standard="dfine, unless the file tells",
    help=VARIANT_HELP,
)
model_location = group_of(revision, variant, offline, cache_dir)


def imgsz_option(
    *, section: str = DETECTION, standard: str | None = "the model's", description: str = _IMGSZ_HELP
) -> Decorator:
    """Return --imgsz: one number, or height and width."""
    return option(
        "--imgsz",
        section=section,
        type=ImageSizeType(),
        metavar="SIZE",
        standard=standard,
        help=description,
    )


imgsz = imgsz_option()


def uncertainty_option(section: str = DETECTION) -> Decorator:
    """`--uncertainty`, in a section of the help page."""
    return option(
        "--uncertainty",
        section=section,
        is_flag=True,
        help="Add the standard deviation of each edge of a box (D-FINE models).",
    )
