"""Images with ground truth from COCO panoptic annotations: segments in the JSON, and a PNG an image whose colors are them.

Each segment is a ground truth, of a thing or of stuff; its box is the one that the annotations give. Refused and borne as
`coco.py` has it, and besides, where masks are asked for:
- more than half of the PNGs missing, or of another size than their image (DataError)
- more than half of those looked at without the very ids that the annotations give (DataError)
- single PNGs that are missing, and their images: skipped; single ids that do not fit: said in the report
- PNGs that turn out to be unreadable: their images are then
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.annotated_images import AnnotatedImages
from detcli.datasets.annotation_tables import AnnotationTables
from detcli.datasets.box_checks import MOST_WRONG
from detcli.datasets.coco.coco_annotations import AnnotationColumns, to_columns
from detcli.datasets.coco.coco_boxes import make_tables
from detcli.datasets.coco.coco_images import check_categories, check_images, complete_sizes
from detcli.datasets.dataset import Part
from detcli.datasets.dataset_classes import match_classes
from detcli.datasets.find_images import ImagePaths, locate
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout, image_folders
from detcli.errors import ImageError, UsageError
from detcli.io.coco.coco_reader import read_coco_document
from detcli.io.images.decode import decode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.structures.class_labels import ClassLabels
from detcli.structures.masks import Rle

_LOOKED_AT_ON_ENTRY = 100  # PNGs; a second or two
_PNG_FOLDERS = ("panoptic", "segments", "segmentations", "masks", "annotations")

_Ids = npt.NDArray[np.uint32]


class CocoPanopticDataset(AnnotatedImages):
    """COCO panoptic annotations: a .json file, or a folder that holds one for the part.

    where    as the user typed it
    part     which part of a folder that holds several
    images   folder that file names are relative to; None: found next to the annotations
    classes  names by class index that the categories are matched to; None: the categories in the order of their ids
    masks    ground truth have masks, for which the PNGs are found in a folder next to the annotations; else nobody looks at them

    Raises UsageError where there are no such annotations, and DataError for those that cannot be used.
    """

    def __init__(
        self,
        where: str,
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: bool = False,
    ) -> None:
        path = find_layout(where, part).annotations
        findings = IssueReport(where)
        document = read_coco_document(path, invalid=UsageError)
        names = _png_names(document["annotations"], findings)
        columns, things = _columns(path, document, findings)
        candidates = image_folders(path, part) if images is None else [str(images)]
        located = check_images(columns, candidates, findings)
        pngs = _locate_pngs(names, columns, path, located, findings) if masks else {}
        own, used = check_categories(columns, findings)
        labels, class_of = match_classes(own, used, classes, findings)
        sizes_hw = complete_sizes(columns, located, findings)

        def segments(ids: list[Any], indices: list[int]) -> SegmentMasks:
            return SegmentMasks(
                np.array(ids, np.uint32), [pngs.get(int(columns.image_ids[one]), "") for one in indices]
            )

        tables = make_tables(columns, located, sizes_hw, own, findings, make_masks=segments if masks else None)
        if isinstance(tables.masks, SegmentMasks):
            _check_ids(tables, tables.masks, findings)
        tables.class_ids[:] = class_of[tables.class_ids]
        stuff = {
            int(index)
            for category_id, index in zip(own.category_ids, class_of, strict=True)
            if index >= 0 and not things[category_id]
        }
        super().__init__(tables, ClassLabels(labels.names, labels.category_ids, frozenset(stuff)), findings)


@dataclass(frozen=True, slots=True)
class SegmentMasks:
    """Masks of which PNGs hold the pixels.

    ids   uint32 [N], of each ground truth
    pngs  path of each image's; nothing where it has no segments
    """

    ids: _Ids
    pngs: Sequence[str]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Cut them out of the PNG, one after the other. Raises PictureError."""
        if not len(rows):
            return ()
        ids = self.read(image)
        if ids.shape != size_hw:
            what = f"its PNG '{self.pngs[image]}' has {ids.shape[1]} x {ids.shape[0]} pixels, not {size_hw[1]} x {size_hw[0]}"
            raise ImageError("unsupported", what)
        return tuple(Rle.of(ids == self.ids[row]) for row in rows)

    def read(self, image: int) -> _Ids:
        """The id at each pixel, [H, W]: R + 256 G + 256² B, 0 for none. Raises PictureError."""
        path = self.pngs[image]
        try:
            pixels = decode(read_bytes(path, max_bytes=MAX_IMAGE_BYTES), max_pixels=DEFAULT_MAX_PIXELS).pixels
        except ImageError as error:
            raise ImageError(error.code, f"its PNG '{path}' cannot be read: {error}") from error
        red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        ids: _Ids = red + (green << 8) + (blue << 16)
        return ids


def _png_names(entries: Sequence[Any], findings: IssueReport) -> dict[int, str]:
    """Name of the PNG by image id."""
    whole = (isinstance(entry, dict) and type(entry.get("image_id")) is int for entry in entries)
    wrong = [
        f"number {place}"
        for place, (entry, has_id) in enumerate(zip(entries, whole, strict=True))
        if not has_id or not isinstance(entry.get("file_name"), str) or not isinstance(entry.get("segments_info"), list)
    ]
    findings.refuse(len(wrong), "of its annotations {have} no 'image_id', 'file_name' or 'segments_info'", wrong)
    names: dict[int, str] = {}
    twice = [
        f"image {entry['image_id']}"
        for entry in entries
        if names.setdefault(entry["image_id"], entry["file_name"]) != entry["file_name"]
    ]
    findings.refuse(len(twice), "of its annotations {are} of an image that has another PNG already", twice)
    return names


def _columns(path: Path, document: dict[str, Any], findings: IssueReport) -> tuple[AnnotationColumns, dict[int, bool]]:
    """A row a segment; and whether each category is of things."""
    segments: list[Any] = []
    for entry in document["annotations"]:
        for segment in entry["segments_info"]:
            # Ids are colors, which other images have too: as numbers of annotations they would seem to be given twice.
            own = {**segment, "id": None} if isinstance(segment, dict) else {}
            segments.append({**own, "image_id": entry["image_id"]})
    ids = [
        segment.get("id") if isinstance(segment, dict) else None
        for entry in document["annotations"]
        for segment in entry["segments_info"]
    ]
    wrong = [place for place, one in enumerate(ids) if type(one) is not int or not 0 < one < 1 << 24]
    findings.refuse(
        len(wrong),
        "of its segments {have} an id that is no color, an integer from 1 to 16777215",
        (f"{ids[place]!r:.20} of image {segments[place]['image_id']}" for place in wrong),
    )
    columns = to_columns(path, {**document, "annotations": segments}, findings, masks=ids)
    things = {one["id"]: one.get("isthing", 1) not in (0, False) for one in document["categories"]}
    return columns, things


def _locate_pngs(
    names: dict[int, str], columns: AnnotationColumns, annotations: Path, located: ImagePaths, findings: IssueReport
) -> dict[int, str]:
    """The path of each image's PNG. Of an image without one, `located` no longer says that it is there."""
    has_segments = set(columns.images_of.tolist())
    wanted = [one for one in columns.image_ids.tolist() if one in has_segments and one in names]
    if not wanted:
        return {}
    found = locate([names[one] for one in wanted], png_folders(annotations), findings)
    missing = {one: path for one, path, there in zip(wanted, found.paths, found.there, strict=True) if not there}
    said = [f"'{path}'" for path in missing.values()]
    if len(missing) > MOST_WRONG * len(wanted):
        findings.refuse(len(missing), f"of {len(wanted):,} PNGs of segments {{are}} missing", said)
    findings.note(len(missing), "image{s} {have} no PNG of segments and {were} skipped", said)
    for place, image_id in enumerate(columns.image_ids.tolist()):
        located.there[place] = located.there[place] and image_id not in missing
    return dict(zip(wanted, found.paths, strict=True))


def png_folders(annotations: Path) -> list[str]:
    """Where PNGs may be: in a folder of the file's name, as COCO's and detcli's own are, or one of usual names."""
    folders = [annotations.with_suffix("")]
    for base in (annotations.parent, annotations.parent.parent):
        folders += [base / annotations.stem, *(base / name for name in _PNG_FOLDERS), base]
    kept = dict.fromkeys(str(folder) for folder in folders if folder.is_dir())
    return list(kept)


def _check_ids(tables: AnnotationTables, masks: SegmentMasks, findings: IssueReport) -> None:
    """Hold the PNGs of some images, spread evenly, against the annotations."""
    filled = np.flatnonzero(np.diff(tables.starts))
    some = filled[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _LOOKED_AT_ON_ENTRY)).astype(int))]
    odd: list[str] = []
    for image in some.tolist():
        wrong = _oddity(tables, masks, image)
        if wrong:
            odd.append(f"'{masks.pngs[image]}' ({wrong})")
    of = "" if len(some) == len(filled) else f" of the {len(some):,} looked at"
    what = f"PNG{{s}}{of} {{are}} at odds with the annotations"
    if len(odd) > MOST_WRONG * len(some):
        findings.refuse(len(odd), what, odd, advice="the annotations and the PNGs are not of the same set")
    findings.note(len(odd), what, odd)


def _oddity(tables: AnnotationTables, masks: SegmentMasks, image: int) -> str:
    """What is wrong with an image's PNG; nothing where all is well."""
    try:
        there = masks.read(image)
    except ImageError as error:
        return str(error)
    height, width = tables.sizes_hw[image].tolist()
    if height and there.shape != (height, width):
        return f"it has {there.shape[1]} x {there.shape[0]} pixels, the image {width} x {height}"
    own = masks.ids[int(tables.starts[image]) : int(tables.starts[image + 1])]
    lacking = np.setdiff1d(own, there)
    if len(lacking):
        return f"no pixel has the id {lacking[0]}" + (f" or {len(lacking) - 1} more" if len(lacking) > 1 else "")
    return ""
