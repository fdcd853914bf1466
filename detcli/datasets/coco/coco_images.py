"""Checks the images and the categories of COCO annotations."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE, Mask
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.images.find_images import ImagePaths, find_images, other_case_hint
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError
from detcli.io.images.headers import header_of, read_header
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.structures.class_labels import ClassLabels


def check_images(columns: AnnotationColumns, candidates: Sequence[str], issues: IssueReport) -> ImagePaths:
    """Find the image files.

    candidates  folders that file names may be relative to

    Raises DataError if two images share an id, if most are missing, or if a name leads out of the folder.
    """
    if not columns.file_names:
        issues.reject("it has no images")
    repeated = np.flatnonzero(repeats(columns.image_ids))
    issues.raise_if_any(
        len(repeated),
        "image{s} {have} the id of another one",
        (f"'{columns.file_names[index]}' ({columns.image_ids[index]})" for index in repeated),
    )
    image_paths = find_images(columns.file_names, candidates, issues, by_name=True)
    check_files(image_paths, issues)
    return image_paths


def check_files(image_paths: ImagePaths, issues: IssueReport) -> None:
    """Report images that are missing or share a file. Raises DataError if most are missing."""
    missing = [path for path, exists in zip(image_paths.paths, image_paths.exists, strict=True) if not exists]
    named = (f"'{path}'{other_case_hint(path)}" for path in missing)
    if len(missing) > MAX_INVALID_SHARE * len(image_paths.paths):
        issues.raise_if_any(len(missing), f"of {len(image_paths.paths):,} images {{are}} missing", named)
    issues.add(len(missing), "image{s} {are} missing and {were} skipped", named)
    shared = np.flatnonzero(repeats(np.unique(np.array(image_paths.names), return_inverse=True)[1]))
    issues.add(
        len(shared),
        "image{s} {have} the same file as another one, with separate boxes",
        (f"'{image_paths.names[index]}'" for index in shared),
    )


def complete_sizes(
    columns: AnnotationColumns,
    image_paths: ImagePaths,
    issues: IssueReport,
    *,
    stored: Mapping[int, Callable[[], bytes]] = MappingProxyType({}),
) -> npt.NDArray[np.int32]:
    """Image sizes, int32 [P, 2], from the annotations, otherwise from the image header; 0 if unknown.

    stored  by index, reads the bytes of an image that is no file of its own
    """
    sizes_hw = columns.sizes_hw.copy()
    unsized = np.flatnonzero((sizes_hw == 0).any(axis=1) & np.array(image_paths.exists))
    for index in unsized.tolist():
        try:
            header = (
                header_of(stored[index]())
                if index in stored
                else read_header(image_paths.paths[index], max_bytes=MAX_IMAGE_BYTES)
            )
            sizes_hw[index] = header.upright_hw
        except (ImageError, OSError, MemoryError):
            continue  # reading the image reports the reason
    names = (f"'{image_paths.names[index]}'" for index in unsized)
    issues.add(
        len(unsized), "image{s} {have} no size in the annotations; {its} file header was used", names, harmless=True
    )
    return sizes_hw


def check_categories(columns: AnnotationColumns, issues: IssueReport) -> tuple[ClassLabels, Mask]:
    """The categories in the order of their ids, and bool [C]: which of them have boxes.

    Raises DataError if ids or names are repeated, or if an annotation has an unknown category. A category without boxes is
    skipped if another one has the same name: some tools write the project as a category.
    """
    if not columns.category_ids:
        issues.reject("it has no categories")
    pairs = sorted(_without_root(columns, issues))
    ids, names = np.array([pair[0] for pair in pairs], np.int64), [pair[1] for pair in pairs]
    described = [f"{category_id} '{name}'" for category_id, name in pairs]
    repeated = repeats(ids)
    issues.raise_if_any(int(repeated.sum()), "categor{ies} {have} the id of another one", compress(described, repeated))
    unknown = np.flatnonzero(~np.isin(columns.annotation_categories, ids)).tolist()
    issues.raise_if_any(
        len(unknown),
        f"annotation{{s}} {{are}} of an unknown category (the categories are {', '.join(described[:10])})",
        (f"{columns.name_of(row)} of category {columns.annotation_categories[row]}" for row in unknown),
    )
    used = np.isin(ids, columns.annotation_categories)
    kept = np.array([has_box or _is_first_choice(index, names, used) for index, has_box in enumerate(used)])
    issues.add(
        int((~kept).sum()),
        "categor{ies} without boxes {have} the name of another one and {were} skipped",
        compress(described, ~kept),
    )
    names = list(compress(names, kept))
    issues.raise_if_any(
        len(names) - len(set(names)),
        "categor{ies} {have} the name of another one",
        (f"'{name}'" for index, name in enumerate(names) if name in names[:index]),
    )
    return ClassLabels(tuple(names), tuple(ids[kept].tolist())), used[kept]


def _without_root(columns: AnnotationColumns, issues: IssueReport) -> list[tuple[int, str]]:
    """Id and name of each category but the root that Roboflow writes: without boxes, the supercategory of the others."""
    entries = list(zip(columns.category_ids, columns.category_names, columns.supercategories, strict=True))
    used, supercategories = set(columns.annotation_categories.tolist()), Counter(columns.supercategories)
    roots = {
        (category_id, name)
        for category_id, name, above in entries
        if category_id not in used and above in ("", "none", name) and supercategories[name] > (above == name)
    }
    described = [f"{category_id} '{name}'" for category_id, name in sorted(roots)]
    issues.add(
        len(roots),
        "categor{ies} without boxes {were} dropped: only the supercategory of others",
        described,
        harmless=True,
    )
    return [(category_id, name) for category_id, name, _ in entries if (category_id, name) not in roots]


def _is_first_choice(index: int, names: Sequence[str], used: Mask) -> bool:
    """Whether a category is the first of its name, and no category of this name has boxes."""
    alike = [other for other, name in enumerate(names) if name == names[index]]
    return alike[0] == index and not used[alike].any()


def repeats(values: npt.NDArray[np.int64]) -> Mask:
    """Bool [N]: values that are equal to an earlier one."""
    first = np.unique(values, return_index=True)[1]
    mask = np.ones(len(values), np.bool_)
    mask[first] = False
    return mask
