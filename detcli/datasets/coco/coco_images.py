"""The images and categories of COCO annotations, checked."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt

from detcli.datasets.box_checks import MOST_WRONG, Mask
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.find_images import ImagePaths, locate
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError
from detcli.io.images.headers import read_header
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.structures.class_labels import ClassLabels


def check_images(columns: AnnotationColumns, candidates: Sequence[str], findings: IssueReport) -> ImagePaths:
    """Where the images are.

    candidates  folders that file names may be relative to

    Raises DataError where two share an id, where most are missing, or where a name leads out of the folder.
    """
    if not columns.file_names:
        findings.refuse_all("it has no images")
    repeated = np.flatnonzero(repeats(columns.image_ids))
    findings.refuse(
        len(repeated),
        "image{s} {have} the id of another one",
        (f"'{columns.file_names[index]}' ({columns.image_ids[index]})" for index in repeated),
    )
    located = locate(columns.file_names, candidates, findings)
    missing = [f"'{path}'" for path, there in zip(located.paths, located.there, strict=True) if not there]
    if len(missing) > MOST_WRONG * len(located.paths):
        findings.refuse(len(missing), f"of {len(located.paths):,} images {{are}} missing", missing)
    findings.note(len(missing), "image{s} {are} missing and {were} skipped", missing)
    again = np.flatnonzero(repeats(np.unique(np.array(located.names), return_inverse=True)[1]))
    findings.note(
        len(again),
        "image{s} {have} the file of another one, and boxes of {its} own",
        (f"'{located.names[index]}'" for index in again),
    )
    return located


def complete_sizes(columns: AnnotationColumns, located: ImagePaths, findings: IssueReport) -> npt.NDArray[np.int32]:
    """Sizes int32 [P, 2] by the annotations, else by the image's own header; 0 where neither can be read."""
    sizes_hw = columns.sizes_hw.copy()
    unsized = np.flatnonzero((sizes_hw == 0).any(axis=1) & np.array(located.there))
    for index in unsized:
        try:
            sizes_hw[index] = read_header(located.paths[index], max_bytes=MAX_IMAGE_BYTES).upright_hw
        except (ImageError, OSError, MemoryError):
            continue  # whoever reads the image hears why
    names = (f"'{located.names[index]}'" for index in unsized)
    findings.note(len(unsized), "image{s} {have} no size in the annotations; {its} own was taken", names)
    return sizes_hw


def check_categories(columns: AnnotationColumns, findings: IssueReport) -> tuple[ClassLabels, Mask]:
    """The categories in the order of their ids, and which of them have a box.

    Raises DataError where ids or names are given twice, and where annotations have other categories. A category without
    boxes gives way to another one of its name: some tools write the project itself as a category.
    """
    if not columns.category_ids:
        findings.refuse_all("it has no categories")
    pairs = sorted(zip(columns.category_ids, columns.category_names, strict=True))
    ids, names = np.array([pair[0] for pair in pairs], np.int64), [pair[1] for pair in pairs]
    said = [f"{category_id} '{name}'" for category_id, name in pairs]
    repeated = repeats(ids)
    findings.refuse(int(repeated.sum()), "categor{ies} {have} the id of another one", compress(said, repeated))
    unknown = np.flatnonzero(~np.isin(columns.categories_of, ids)).tolist()
    findings.refuse(
        len(unknown),
        f"annotation{{s}} {{are}} of a category that it does not have (its categories are {', '.join(said[:10])})",
        (f"{columns.name_of(row)} of category {columns.categories_of[row]}" for row in unknown),
    )
    used = np.isin(ids, columns.categories_of)
    kept = np.array([has_box or _is_first_choice(place, names, used) for place, has_box in enumerate(used)])
    findings.note(
        int((~kept).sum()),
        "categor{ies} without boxes {have} the name of another one and {were} skipped",
        compress(said, ~kept),
    )
    names = list(compress(names, kept))
    findings.refuse(
        len(names) - len(set(names)),
        "categor{ies} {have} the name of another one",
        (f"'{name}'" for place, name in enumerate(names) if name in names[:place]),
    )
    return ClassLabels(tuple(names), tuple(ids[kept].tolist())), used[kept]


def _is_first_choice(place: int, names: Sequence[str], used: Mask) -> bool:
    """Whether a category without boxes is the first of its name, and none of its name has boxes."""
    alike = [other for other, name in enumerate(names) if name == names[place]]
    return alike[0] == place and not used[alike].any()


def repeats(values: npt.NDArray[np.int64]) -> Mask:
    """Which values an earlier one is equal to."""
    first = np.unique(values, return_index=True)[1]
    mask = np.ones(len(values), np.bool_)
    mask[first] = False
    return mask
