"""A dataset of COCO panoptic annotations: segments in the JSON file, and one PNG per image whose colors are segment ids.

Each segment, thing or stuff, is one object of the ground truth with the box of the annotations. Errors and issues are those
of `coco_dataset.py`. If masks are requested, there are also these:
- more than half of the PNGs missing, or of another size than their image (DataError)
- more than half of the checked PNGs without the ids of the annotations (DataError)
- single PNGs that are missing (their images are skipped), or without an id of the annotations (reported)
- PNGs that cannot be read later: their images count as unreadable
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE
from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.coco.coco_annotations import AnnotationColumns, to_columns
from detcli.datasets.coco.coco_boxes import make_tables
from detcli.datasets.coco.coco_images import check_categories, check_images, complete_sizes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.find_images import ImagePaths, find_images
from detcli.datasets.instance_masks import MaskMaker, MaskUse
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError, ImageError, NoDataError
from detcli.io.coco.coco_entries import whole_number
from detcli.io.coco.coco_reader import read_coco_document
from detcli.io.images.decode import decode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.structures.class_labels import ClassLabels
from detcli.structures.masks import Rle

_MAX_CHECKED = 100  # PNGs; a second or two
_PNG_FOLDERS = ("panoptic", "segments", "segmentations", "masks", "annotations")

_Ids = npt.NDArray[np.uint32]


class CocoPanopticDataset(AnnotatedImages):
    """COCO panoptic annotations: a .json file, or a folder that has one for the part.

    classes  None: the categories in the order of their ids
    masks    from the PNGs in a folder next to the annotations; otherwise PNGs are not read
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        path = request.path
        document = read_coco_document(path, invalid=NoDataError)
        names = _png_names(document["annotations"], issues)
        columns, is_thing = _columns(path, document, issues)
        image_paths = check_images(columns, request.image_folders, issues)
        segment_folder, pngs = _find_pngs(names, columns, path, image_paths, issues, request.masks)
        own, used = check_categories(columns, issues)
        labels, class_of = match_classes(own, used, request.classes, issues)
        sizes_hw = complete_sizes(columns, image_paths, issues)

        def segments(ids: list[Any], indices: list[int]) -> SegmentMasks:
            return SegmentMasks(
                np.array(ids, np.uint32), [pngs.get(int(columns.image_ids[index]), "") for index in indices]
            )

        tables = make_tables(
            columns,
            image_paths,
            sizes_hw,
            own,
            issues,
            drop_duplicates=request.drop_duplicates,
            make_masks=MaskMaker.of(request.masks if pngs or request.masks is True else False, segments),
        )
        if isinstance(tables.masks, SegmentMasks):
            _check_ids(tables, tables.masks, issues)
        tables.class_ids[:] = class_of[tables.class_ids]
        stuff = {
            int(index)
            for category_id, index in zip(own.category_ids, class_of, strict=True)
            if index >= 0 and not is_thing[category_id]
        }
        return DatasetContents(
            tables,
            ClassLabels(labels.names, labels.category_ids, frozenset(stuff)),
            path,
            (image_paths.folder,),
            segment_folder,
        )


@dataclass(frozen=True, slots=True)
class SegmentMasks:
    """Masks of segments in PNGs.

    ids   uint32 [N]: id of each segment
    pngs  path of the PNG of each image; empty for an image without segments
    """

    ids: _Ids
    pngs: Sequence[str]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """The masks of one image. Raises ImageError if the PNG cannot be read or has another size."""
        if not len(rows):
            return ()
        ids = self.read(image)
        if ids.shape != size_hw:
            reason = f"its PNG '{self.pngs[image]}' has {ids.shape[1]} x {ids.shape[0]} pixels, not {size_hw[1]} x {size_hw[0]}"
            raise ImageError("unsupported", reason)
        return tuple(Rle.of(ids == self.ids[row]) for row in rows)

    def read(self, image: int) -> _Ids:
        """Segment id of each pixel, uint32 [H, W]: R + 256 G + 256² B; 0 for none. Raises ImageError."""
        path = self.pngs[image]
        try:
            pixels = decode(read_bytes(path, max_bytes=MAX_IMAGE_BYTES), max_pixels=DEFAULT_MAX_PIXELS).pixels
        except ImageError as error:
            raise ImageError(error.code, f"its PNG '{path}' cannot be read: {error}") from error
        red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        ids: _Ids = red + (green << 8) + (blue << 16)
        return ids


def _png_names(entries: Sequence[Any], issues: IssueReport) -> dict[int, str]:
    """PNG name by image id."""
    have_id = (isinstance(entry, dict) and whole_number(entry.get("image_id")) is not None for entry in entries)
    invalid = [
        f"number {index}"
        for index, (entry, has_id) in enumerate(zip(entries, have_id, strict=True))
        if not has_id or not isinstance(entry.get("file_name"), str) or not isinstance(entry.get("segments_info"), list)
    ]
    issues.raise_if_any(
        len(invalid), "of its annotations {have} no 'image_id', 'file_name' or 'segments_info'", invalid
    )
    for entry in entries:
        entry["image_id"] = whole_number(entry["image_id"])
    names: dict[int, str] = {}
    repeated = [
        f"image {entry['image_id']}"
        for entry in entries
        if names.setdefault(entry["image_id"], entry["file_name"]) != entry["file_name"]
    ]
    issues.raise_if_any(len(repeated), "of its annotations {are} of an image that already has another PNG", repeated)
    return names


def _columns(path: Path, document: dict[str, Any], issues: IssueReport) -> tuple[AnnotationColumns, dict[int, bool]]:
    """Columns with one row per segment, and whether each category is a thing, by category id."""
    segments: list[Any] = []
    for entry in document["annotations"]:
        for segment in entry["segments_info"]:
            # Segment ids are repeated in other images: as annotation ids they would look like duplicates.
            own = {**segment, "id": None} if isinstance(segment, dict) else {}
            segments.append({**own, "image_id": entry["image_id"]})
    ids = [
        whole_number(segment.get("id")) if isinstance(segment, dict) else None
        for entry in document["annotations"]
        for segment in entry["segments_info"]
    ]
    invalid = [row for row, number in enumerate(ids) if number is None or not 0 < number < 1 << 24]
    issues.raise_if_any(
        len(invalid),
        "of its segments {have} an id that is not an integer from 1 to 16777215",
        (f"{ids[row]!r:.20} of image {segments[row]['image_id']}" for row in invalid),
    )
    columns = to_columns(path, {**document, "annotations": segments}, issues, masks=ids)
    is_thing = {category["id"]: category.get("isthing", 1) not in (0, False) for category in document["categories"]}
    return columns, is_thing


def _find_pngs(
    names: dict[int, str],
    columns: AnnotationColumns,
    annotations: Path,
    image_paths: ImagePaths,
    issues: IssueReport,
    masks: MaskUse,
) -> tuple[str, dict[int, str]]:
    """The folder that has the PNGs, and PNG path by image id.

    Unless masks are optional, an image without a PNG is marked as missing in `image_paths`.
    """
    has_segments = set(columns.annotation_images.tolist())
    needed = [image_id for image_id in columns.image_ids.tolist() if image_id in has_segments and image_id in names]
    if not needed or not masks:
        return "", {}
    files = [names[image_id] for image_id in needed]
    if masks == "optional":
        return _existing_pngs(needed, files, annotations)
    pngs = find_images(files, png_folders(annotations), issues)
    missing = {key: path for key, path, exists in zip(needed, pngs.paths, pngs.exists, strict=True) if not exists}
    quoted = [f"'{path}'" for path in missing.values()]
    if len(missing) > MAX_INVALID_SHARE * len(needed):
        issues.raise_if_any(len(missing), f"of {len(needed):,} PNGs of segments {{are}} missing", quoted)
    issues.add(len(missing), "image{s} {have} no PNG of segments and {were} skipped", quoted)
    for index, image_id in enumerate(columns.image_ids.tolist()):
        image_paths.exists[index] = image_paths.exists[index] and image_id not in missing
    return pngs.folder, dict(zip(needed, pngs.paths, strict=True))


def _existing_pngs(image_ids: Sequence[int], files: Sequence[str], annotations: Path) -> tuple[str, dict[int, str]]:
    """The folder that has the PNGs, and the paths of those that exist by image id; empty if there are none."""
    try:
        pngs = find_images(files, png_folders(annotations), IssueReport(""))
    except DataError:
        return "", {}
    return pngs.folder, {
        key: path for key, path, found in zip(image_ids, pngs.paths, pngs.exists, strict=True) if found
    }


def png_folders(annotations: Path) -> list[str]:
    """Existing folders that may hold the PNGs: one with the name of the file, as in COCO and detcli, or a common name."""
    folders = [annotations.with_suffix("")]
    for base in (annotations.parent, annotations.parent.parent):
        folders += [base / annotations.stem, *(base / name for name in _PNG_FOLDERS), base]
    return list(dict.fromkeys(str(folder) for folder in folders if os.path.isdir(folder)))  # noqa: PTH112 - any name


def _check_ids(tables: AnnotationTables, masks: SegmentMasks, issues: IssueReport) -> None:
    """Compare the PNGs of an evenly spaced sample of images with the annotations."""
    filled = np.flatnonzero(np.diff(tables.starts))
    sample = filled[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _MAX_CHECKED)).astype(int))]
    mismatches: list[str] = []
    for image in sample.tolist():
        reason = _mismatch(tables, masks, image)
        if reason:
            mismatches.append(f"'{masks.pngs[image]}' ({reason})")
    of = "" if len(sample) == len(filled) else f" of {len(sample):,} checked"
    what = f"PNG{{s}}{of} {{do}} not match the annotations"
    if len(mismatches) > MAX_INVALID_SHARE * len(sample):
        issues.raise_if_any(
            len(mismatches), what, mismatches, advice="annotations and PNGs are from different datasets"
        )
    issues.add(len(mismatches), what, mismatches)


def _mismatch(tables: AnnotationTables, masks: SegmentMasks, image: int) -> str:
    """Why the PNG of an image does not match its annotations; empty if it does."""
    try:
        png_ids = masks.read(image)
    except ImageError as error:
        return str(error)
    height, width = tables.sizes_hw[image].tolist()
    if height and png_ids.shape != (height, width):
        return f"it has {png_ids.shape[1]} x {png_ids.shape[0]} pixels, the image {width} x {height}"
    own = masks.ids[int(tables.starts[image]) : int(tables.starts[image + 1])]
    missing = np.setdiff1d(own, png_ids)
    if len(missing):
        return f"no pixel has the id {missing[0]}" + (f" or {len(missing) - 1} more" if len(missing) > 1 else "")
    return ""
