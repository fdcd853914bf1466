"""The images that annotations name, where they lie in one of the usual places next to them."""

from pathlib import Path, PureWindowsPath

from detcli.errors import ImageError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.io.coco.coco_reader import posix_name
from detcli.io.images.decode import decode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.structures.frame import Pixels

_SAMPLE = 20  # names that a folder is tried with


class ImageLookup:
    """Images of annotations, read to be looked at.

    folder  that file names start from; None: the annotations' own, `images/` in it or next to it, or for
            `annotations/instances_val2017.json` also `val2017/`

    A name that leads out of the folder is never followed.
    """

    def __init__(self, annotations: Path, truth: CocoGroundTruth, folder: Path | None) -> None:
        self._names = {image["id"]: posix_name(image["file_name"]) for image in truth.images}
        folders = [folder] if folder is not None else _usual_folders(annotations)
        sample = list(self._names.values())[:_SAMPLE]
        counts = [sum(_is_file(_below(place, name)) for name in sample) for place in folders]
        self._folder = folders[counts.index(max(counts))] if any(counts) else None

    @property
    def found(self) -> bool:
        """Whether any of the first few images exists."""
        return self._folder is not None

    def read(self, image_id: int) -> Pixels | None:
        """The upright image, uint8 [H, W, 3] RGB; None where it is not there or cannot be read."""
        path = None if self._folder is None else _below(self._folder, self._names[image_id])
        if path is None:
            return None
        try:
            return decode(read_bytes(path, max_bytes=MAX_IMAGE_BYTES), max_pixels=DEFAULT_MAX_PIXELS).pixels
        except ImageError:
            return None


def _usual_folders(annotations: Path) -> list[Path]:
    own = annotations.absolute().parent
    part = annotations.stem.rpartition("_")[2]
    return [own, own / "images", own.parent, own.parent / "images", own.parent / part, own.parent / "images" / part]


def _below(folder: Path, name: str) -> Path | None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or PureWindowsPath(name).drive:
        return None
    return folder.joinpath(*parts)


def _is_file(path: Path | None) -> bool:
    try:
        return path is not None and path.is_file()
    except (OSError, ValueError):
        return False
