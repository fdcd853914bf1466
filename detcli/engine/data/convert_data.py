"""Writes a dataset in another format, with all its parts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from detcli.argument_checks import check_instance
from detcli.datasets.dataset import Dataset
from detcli.engine.data.coco_output import CocoPartWriter, is_verbatim
from detcli.engine.data.convert_request import ConvertedPart, ConvertReport, ConvertRequest
from detcli.engine.data.data_parts import WantedPart
from detcli.engine.data.data_request import DataObserver
from detcli.engine.data.image_placement import ImagePlacer, named_origin, output_names, place_images
from detcli.engine.data.parts.all_parts import all_parts, open_and_warn, usable_images
from detcli.engine.data.shared_classes import SharedClasses
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.errors import NoDataError
from detcli.inspection.findings import DataPart
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.sinks.ground_truth.dataset_writer import DatasetWriter, LabeledImage, WriterFactory
from detcli.sinks.ground_truth.label_studio_writer import LabelStudioWriter
from detcli.sinks.ground_truth.voc_writer import VocWriter
from detcli.sinks.ground_truth.yolo_writer import YoloWriter
from detcli.structures.frame import Origin
from detcli.structures.ground_truth import GroundTruth
from detcli.text import counted

_WRITERS: Mapping[str, WriterFactory] = {"yolo": YoloWriter, "voc": VocWriter, "label-studio": LabelStudioWriter}
_IMAGE_FOLDER = re.compile(r"(images|JPEGImages)/((train|val|valid|validation|test)\d*/)?(?=.)")
_TITLES = {"yolo": "YOLO", "label-studio": "Label Studio"}


def convert_data(request: ConvertRequest, *, observer: DataObserver | None = None) -> ConvertReport:
    """Convert the dataset of the request; the folder appears when it is complete.

    observer  gets the events; `on_warning` says what the format cannot hold

    Raises UsageError, NoDataError or DataError if the data cannot be read, and OutputError.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    if not request.is_free():
        observer.on_skipped_output(request.output)
        return ConvertReport(skipped=True)

    def open_part(wanted: WantedPart) -> Dataset:
        return wanted.open_with_masks(observer.on_warning) if request.masks else wanted.open()

    parts = open_and_warn(all_parts(request), observer, open_part)
    with StagedFolder(request.output) as folder:
        last, report = _write(request, observer, parts, folder.folder)
        replaces = request.if_exists == "overwrite" and is_replaceable(request.output, request.reads, observer)
        for remark in folder.commit(last=last, replace=replaces):
            observer.on_warning(remark)
    return report


def _write(
    request: ConvertRequest, observer: DataObserver, parts: Sequence[DataPart], folder: OutputFolder
) -> tuple[str, ConvertReport]:
    """Write annotations and images; returns the file that comes last, and the report."""
    classes, names = SharedClasses(parts), [part.name for part in parts]
    writer: DatasetWriter
    if request.format == "coco":
        writer = CocoPartWriter(folder, request, parts, classes, masks=request.masks)
    else:
        writer = _WRITERS[request.format](folder, classes.labels, names)
    images = {part.name: usable_images(part) for part in parts}
    if not any(images.values()):
        raise NoDataError(f"'{request.data}' has no image that can be read")
    file_names = _file_names(request, parts, images, writer)
    placer, made = ImagePlacer(folder, request.image_files), []
    crowds = changed = 0
    for part in parts:
        dataset, indices = part.dataset, images[part.name]
        if left_out := len(dataset) - len(indices):
            are = (
                "image cannot be read or has another size than its annotations say, and is"
                if left_out == 1
                else ("images cannot be read or have another size than their annotations say, and are")
            )
            observer.on_warning(f"{part.name}: {left_out:,} {are} left out")
        boxes = objects = unmasked = 0
        for index in indices:
            truth = classes.ground_truth(part, index)
            boxes += int((~truth.crowd).sum())
            objects += len(truth)
            unmasked += sum(mask.area == 0 for mask in truth.masks or ())
            crowds += int(truth.crowd.sum())
            changed += _differing(truth)
            writer.add(
                part.name,
                LabeledImage(file_names[part.name][index], dataset.image_id(index), _size(dataset, index), truth),
            )
        placed = {index: f"{writer.image_folder(part.name)}/{name}" for index, name in file_names[part.name].items()}
        missing = place_images(placer, dataset, placed, workers=request.workers, on_progress=observer.on_progress)
        if missing is not None:
            observer.on_warning(missing)
        has_masks = dataset.ground_truth(indices[0]).masks is not None if indices else False
        if unmasked and not (request.format == "coco" and is_verbatim(dataset)):
            have = "objects has no mask, and is" if unmasked == 1 else "objects have no mask, and are"
            observer.on_warning(
                f"{part.name}: {unmasked:,} of {objects:,} {have} written as {'a box' if unmasked == 1 else 'boxes'}"
            )
        made.append(ConvertedPart(part.name, len(indices), boxes, has_masks))
    writer.finish()
    if crowds and not writer.keeps_crowds:
        crowd = counted(crowds, "crowd box is", "crowd boxes are")
        observer.on_warning(f"{crowd} left out: {_TITLES[request.format]} has none")
    if writer.reduced:
        observer.on_warning(
            f"{counted(writer.reduced, 'mask has', 'masks have')} more than 200 parts and holes, of which the largest are written"
        )
    if changed and not writer.keeps_boxes:
        box = (
            "box differs by more than a pixel from its mask, and becomes that"
            if changed == 1
            else ("boxes differ by more than a pixel from their masks, and become those")
        )
        observer.on_warning(
            f"{changed:,} {box} around {'it' if changed == 1 else 'them'}: {_TITLES[request.format]} has one of both; `no_masks` keeps boxes"
        )
    return writer.last, ConvertReport(tuple(made))


def _differing(truth: GroundTruth) -> int:
    """The number of boxes that are not those around their masks, to a pixel."""
    if truth.masks is None or not len(truth):
        return 0
    around = np.array([mask.box_xyxy for mask in truth.masks])
    has_pixels = around[:, 2] > around[:, 0]
    return int((has_pixels & (np.abs(around - truth.boxes_xyxy).max(axis=1) > 1)).sum())


def _size(dataset: Dataset, index: int) -> tuple[int, int]:
    size_hw = dataset.size_hw(index)
    if size_hw is None:
        raise ValueError(f"image {index} has no size")
    return size_hw


def _file_names(
    request: ConvertRequest, parts: Sequence[DataPart], images: Mapping[str, Sequence[int]], writer: DatasetWriter
) -> dict[str, dict[int, str]]:
    """The name of each image in its folder of the output, by part and index."""
    names: dict[str, dict[int, str]] = {part.name: {} for part in parts}
    origins = {part.name: _origins(request, part, images[part.name]) for part in parts}
    keys = [(part, index) for part in parts for index in images[part.name]]
    groups = [keys] if writer.one_folder else [[key for key in keys if key[0] is part] for part in parts]
    for group in groups:
        found = output_names(
            [origins[part.name][index] for part, index in group],
            unique_stems=writer.unique_stems,
            spaces=writer.spaces,
        )
        for (part, index), name in zip(group, found, strict=True):
            names[part.name][index] = name
    return names


def _origins(request: ConvertRequest, part: DataPart, indices: Sequence[int]) -> dict[int, Origin]:
    """The names of images by index, without the folder of the images of the part; entries of COCO keep their names."""
    origins = {index: named_origin(part.dataset, index) for index in indices}
    keeps = request.format == "coco" and is_verbatim(part.dataset)
    if keeps or not all(_IMAGE_FOLDER.match(origin.relative) for origin in origins.values()):
        return origins
    return {
        index: replace(origin, relative=_IMAGE_FOLDER.sub("", origin.relative, count=1))
        for index, origin in origins.items()
    }
