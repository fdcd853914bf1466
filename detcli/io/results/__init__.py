"""Results read back, whichever format `detect` or another program wrote them in: image by image, each value checked.

Knows neither networks nor ground truth: whether an image or a category is the right one is for others to say.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.results.coco import read_coco, read_coco_results
from detcli.io.results.csv_table import read_csv
from detcli.io.results.format import RESULT_FORMATS, format_of_results
from detcli.io.results.jsonl import read_jsonl
from detcli.io.results.stored import StoredBox, StoredImage
from detcli.io.results.yolo import ImageSizes, read_yolo

__all__ = ["RESULT_FORMATS", "PictureSizes", "StoredBox", "StoredImage", "format_of_results", "read_results"]

_READERS: Mapping[str, Callable[[Path], Iterator[StoredImage]]] = {
    "jsonl": read_jsonl,
    "coco": read_coco,
    "coco-results": read_coco_results,
    "csv": read_csv,
}


def read_results(
    path: Path, *, format_name: str | None = None, sizes: ImageSizes | None = None
) -> Iterator[StoredImage]:
    """The images of a results file, or of a folder of YOLO texts, with what was found in each.

    JSON Lines and CSV are read as they are asked for, in flat memory; COCO as a whole.

    format_name  one of RESULT_FORMATS; None: told from the suffix and the first bytes
    sizes        height and width by file name, "/" between its parts: YOLO boxes are fractions of them

    Raises UsageError for what is not there or of no known format, and InputError, naming file and place, for a value
    that is not what it should be: at the first that is asked for, since nothing is read before.
    """
    name = format_name or format_of_results(path)
    if name != "yolo":
        return _READERS[name](path)
    if sizes is None:
        raise UsageError(f"'{path}': YOLO boxes are fractions of an image, and no image's size is known here")
    return read_yolo(path, sizes)
