"""Divides a dataset into parts, and writes COCO annotations of each."""

from collections import Counter
from collections.abc import Mapping, Sequence

from detcli.argument_checks import check_instance
from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.coco.coco_subset import Document, image_entries, subset
from detcli.datasets.dataset import Dataset
from detcli.engine.data.coco_output import annotations_name, is_panoptic, is_verbatim, write_document, write_segments
from detcli.engine.data.data_parts import WantedPart
from detcli.engine.data.data_request import DataObserver
from detcli.engine.data.image_division import ImageDivision, divide, group_keys, near_duplicate_keys
from detcli.engine.data.image_placement import ImagePlacer, named_origin, output_names, place_images
from detcli.engine.data.parts.all_parts import all_parts, open_and_warn
from detcli.engine.data.parts.joined_parts import join_parts
from detcli.engine.data.split_request import SplitPart, SplitReport, SplitRequest
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.errors import NoDataError, UsageError
from detcli.inspection.findings import DataPart
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.text import counted

_MAX_NAMED = 5  # classes in a warning


def split_data(request: SplitRequest, *, observer: DataObserver | None = None) -> SplitReport:
    """Divide the dataset of the request, and write its parts; the folder appears when it is complete.

    observer  gets the events; `on_warning` says what groups and rare classes did to the parts

    Raises UsageError, NoDataError or DataError if the data cannot be read or divided as requested, and OutputError.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    if not request.is_free():
        observer.on_skipped_output(request.output)
        return SplitReport(skipped=True)

    def open_part(wanted: WantedPart) -> Dataset:
        dataset = wanted.open()  # the masks of COCO stay in its entries
        return dataset if isinstance(dataset, CocoDataset) else wanted.open_with_masks(observer.on_warning)

    parts = open_and_warn(_wanted_parts(request), observer, open_part)
    dataset, document = join_parts(parts, observer.on_warning)
    known = image_entries(document)
    indices = [index for index in range(len(dataset)) if dataset.image_id(index) in known]
    if not indices:
        raise NoDataError(f"'{request.data}' has no image that can be read")
    if left_out := len(dataset) - len(indices):
        observer.on_warning(
            f"{counted(left_out, 'image')} cannot be read, and {'is' if left_out == 1 else 'are'} left out"
        )
    keys = []
    if request.group_by is not None:
        keys.append(
            group_keys(request, dataset, indices, document if _is_verbatim(parts) else None, observer.on_warning)
        )
    if request.near_duplicates:
        keys.append(near_duplicate_keys(request, dataset, indices, observer.on_progress))
    division = divide(request, dataset, indices, keys)
    return _write(request, observer, dataset, document, division, segments=is_panoptic(dataset))


def _wanted_parts(request: SplitRequest) -> list[WantedPart]:
    """The parts of the data that are divided together; one for testing stays as it is, unless it is asked for.

    Raises UsageError if it has several for training and validation, and none is named.
    """
    parts = all_parts(request)
    if request.part is not None:
        return parts
    names = [part.name for part in parts]
    if {"train", "val"} <= set(names):
        raise UsageError(
            f"'{request.data}' is divided already, into {', '.join(names[:-1])} and {names[-1]}: name the one to divide in "
            "`part`, or 'all' to divide all of them anew"
        )
    return parts[:1]


def _is_verbatim(parts: Sequence[DataPart]) -> bool:
    return all(is_verbatim(part.dataset) for part in parts)


def _write(
    request: SplitRequest,
    observer: DataObserver,
    dataset: Dataset,
    document: Document,
    division: ImageDivision,
    *,
    segments: bool,
) -> SplitReport:
    indices = sorted(index for members in division.members.values() for index in members)
    if request.image_files == "none":
        listed = [dataset.origin(index).relative for index in indices]
    else:
        listed = output_names([named_origin(dataset, index) for index in indices], unique_stems=False)
    names = dict(zip(indices, listed, strict=True))
    parts = []
    with StagedFolder(request.output) as folder:
        placer = ImagePlacer(folder.folder, request.image_files)
        placed = {index: f"images/{name}" for index, name in names.items()}
        missing = place_images(placer, dataset, placed, workers=request.workers, on_progress=observer.on_progress)
        if missing is not None:
            observer.on_warning(missing)
        for name, members in division.members.items():
            file_names = {dataset.image_id(index): names[index] for index in members}
            file = annotations_name(name, panoptic=segments)
            own = subset(document, file_names)
            write_document(folder.folder, file, own)
            if segments:
                write_segments(placer, file, own, dataset.report.segment_folder)
            parts.append(_part(request, dataset, division, name, file))
        replaces = request.if_exists == "overwrite" and is_replaceable(request.output, request.reads, observer)
        last = annotations_name(parts[-1].name, panoptic=segments)
        for remark in folder.commit(last=last, replace=replaces):
            observer.on_warning(remark)
    for warning in _warnings(parts):
        observer.on_warning(warning)
    return SplitReport(tuple(parts))


def _part(request: SplitRequest, dataset: Dataset, division: ImageDivision, name: str, file: str) -> SplitPart:
    members = division.members[name]
    classes = [dataset.box_classes(index).tolist() for index in members]
    images_of = Counter(label for own in classes for label in set(own))
    return SplitPart(
        name=name,
        annotations=request.output / file,
        groups=division.groups[name],
        wanted=division.sizes[name],
        images=len(members),
        boxes=sum(map(len, classes)),
        images_of=_by_name(dataset.labels.names, images_of),
    )


def _by_name(names: Sequence[str], counts: Mapping[int, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        found[name] = found.get(name, 0) + counts.get(index, 0)
    return found


def _warnings(parts: Sequence[SplitPart]) -> list[str]:
    """Sentences about parts of another size than asked for, and about classes that a part lacks."""
    sentences = [
        f"'{part.name}' has {counted(part.images, 'image')}, and {part.wanted:,} were asked for: groups stay together"
        for part in parts
        if abs(part.images - part.wanted) > max(1, 0.1 * part.wanted)
    ]
    totals = {name: sum(part.images_of[name] for part in parts) for name in parts[0].images_of}
    for part in parts:
        lacking = [name for name, total in totals.items() if total and not part.images_of[name]]
        if lacking:
            named = [f"'{name}' (in {counted(totals[name], 'image')} of all)" for name in lacking[:_MAX_NAMED]]
            more = f" and {len(lacking) - _MAX_NAMED:,} more" if len(lacking) > _MAX_NAMED else ""
            verb = "class is" if len(lacking) == 1 else "classes are"
            sentences.append(f"{len(lacking):,} {verb} missing in '{part.name}': {', '.join(named)}{more}")
    return sentences
