"""Finds the images of CVAT's XML: names without suffix, folders of subsets, and frames of a video by their number."""

import os
import re
from collections.abc import Iterator, Sequence

from detcli.datasets.formats.image_files import IMAGE_ENDINGS, ImageStems
from detcli.datasets.images.find_images import ImageFolder, ImagePaths, best_folder, find_images
from detcli.datasets.issues import IssueReport

_NUMBER = re.compile(r"(\d{1,9})\D*$")


def find_cvat_images(
    names: Sequence[str], subsets: Sequence[str], candidates: Sequence[str], issues: IssueReport
) -> ImagePaths:
    """Find images by name, as `find_images`.

    subsets  of each image; images of a project are in a folder of their subset
    """
    in_subset = [f"{subset}/{name}" if subset else name for name, subset in zip(names, subsets, strict=True)]
    stems = {folder: ImageStems(folder) for folder in candidates}
    plain, divided = (_with_suffix(tried, stems) for tried in (names, in_subset))
    is_divided = best_folder(divided, candidates)[1] > best_folder(plain, candidates)[1]
    return find_images(divided if is_divided else plain, candidates, issues, by_name=True)


def _with_suffix(names: Sequence[str], stems: dict[str, ImageStems]) -> list[str]:
    """The names with the suffix of their files where they have none, as frames of a video have."""
    completed = []
    for name in names:
        is_complete = name.lower().endswith(IMAGE_ENDINGS)
        found = [] if is_complete else next((paths for folder in stems.values() if (paths := folder.below(name))), [])
        completed.append(found[0] if len(found) == 1 else name)
    return completed


def frame_names(
    annotated: Sequence[int], limits: tuple[int, int] | None, candidates: Sequence[str], issues: IssueReport
) -> Iterator[tuple[int, str]]:
    """Number and image name of each frame, in the order of the frames.

    annotated   numbers of the frames that have shapes
    limits      numbers of the first and the last frame; None: unknown
    candidates  folders that the images may be in

    An image is of the frame whose number ends its name. Raises DataError if there are no such images.
    """
    by_folder = [_numbered(folder) for folder in candidates]
    wanted = set(annotated)
    from_one = {number + 1 for number in wanted}
    images = max(by_folder, key=lambda found: max(len(wanted & found.keys()), len(from_one & found.keys())), default={})
    if not images.keys() & (wanted | from_one):
        searched = ", ".join(f"'{folder}'" for folder in candidates)
        issues.reject(
            f"it has tracks of a video, and there are no images of its frames in {searched}: export them with the "
            "annotations, or extract them from the video as frame_000000.png, frame_000001.png and so on"
        )
    last = limits[1] if limits is not None else max(wanted)
    if 0 in wanted and 0 not in images and 1 in images and last + 1 in images:
        issues.add_sentences([f"the images of frames are counted from 1: '{images[1]}' is frame 0"], harmless=True)
        images = {number - 1: name for number, name in images.items()}
    first = limits[0] if limits is not None else min(wanted)
    for frame in sorted(wanted.union(number for number in images if first <= number <= last)):
        yield frame, images.get(frame, f"frame_{frame:06}.png")


def _numbered(folder: str) -> dict[int, str]:
    """Image names by the number at their end; numbers that two images have are left out."""
    found: dict[int, str | None] = {}
    for name in sorted(ImageFolder(folder).names()):
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name
        match = _NUMBER.search(stem) if suffix.lower() in IMAGE_ENDINGS else None
        if match is not None:
            number = int(match[1])
            found[number] = None if number in found else name
    return {number: name for number, name in found.items() if name is not None}
