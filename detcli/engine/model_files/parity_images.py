"""The images of the check of an exported file, and the check with each installed runtime."""

from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from detcli.engine.model_files.export_packages import runtimes_for
from detcli.engine.requests.export_request import ExportObserver, ExportRequest
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS
from detcli.errors import DeviceError, GateError, ImageError, InputError, ModelError

if TYPE_CHECKING:
    from detcli.exporting.parity import ParityResult
    from detcli.exporting.tolerance import Tolerance
    from detcli.inference.detector import Detector
    from detcli.runtimes.exported.exported_facts import ExportedFacts
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame

MAX_IMAGES = 20
_MOST_SEGMENTS = 20  # each has a mask of the size of the image


def parity_images(given: Path | None, calibration: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The first images of a folder, a file or a glob; None: those for calibration, or the bundled ones.

    Raises InputError where there are none.
    """
    if given is None and calibration:
        return calibration[:: max(1, len(calibration) // MAX_IMAGES)][:MAX_IMAGES]
    from detcli.sources.source import SourceSettings, make_source

    name = str(BUNDLED_IMAGES if given is None else given)
    images = tuple(item.origin.file for item in make_source((name,), SourceSettings(limit=MAX_IMAGES)))
    if not images:
        raise InputError(f"there are no images in '{name}'")
    return images


def most_compared(request: ExportRequest) -> int:
    """How many detections of an image are compared at most."""
    if request.masks:
        return _MOST_SEGMENTS
    return request.max_detections if request.outputs == "boxes" else DEFAULT_MAX_DETECTIONS


def compare(
    original: "Detector", path: Path, facts: "ExportedFacts", images: tuple[str, ...], observer: ExportObserver
) -> "tuple[ParityResult, ...]":
    """Compare an exported file with its checkpoint, with each installed runtime that runs the file.

    original  the detector of the checkpoint, with every score
    facts     of the file: its precision decides which differences are allowed

    Raises GateError for the first difference that is too large, and InputError where no image can be read.
    """
    from detcli.exporting.tolerance import tolerance_of

    frames = _read(images, observer)
    expected = original.detect_frames(frames)
    tolerance = tolerance_of(facts.precision, threshold=facts.threshold)
    runtimes = runtimes_for(path, facts.precision)
    return tuple(_compare_with(runtime, original, path, frames, expected, tolerance) for runtime in runtimes)


def _compare_with(
    runtime: str,
    original: "Detector",
    path: Path,
    frames: "list[Frame]",
    expected: "list[Detections | FailedFrame]",
    tolerance: "Tolerance",
) -> "ParityResult":
    from detcli.exporting.parity import check_parity
    from detcli.inference.load import load_detector

    try:
        exported = load_detector(
            path,
            runtime=runtime,
            precision="fp32",
            threshold=0.0,
            nms="off",
            max_detections=original.selection.max_detections,
            segmentation=original.segmentation,
        )
        return check_parity(frames, expected, exported, tolerance)
    except (ModelError, DeviceError) as error:  # OpenVINO calls a damaged graph a failure, too
        if isinstance(error, DeviceError) and error.out_of_memory:
            raise
        reason = str(error).replace(f"'{path}': ", "")
        raise GateError(
            f"the exported file cannot be used with the runtime {runtime}, and was removed: {reason}"
        ) from error


def _read(images: tuple[str, ...], observer: ExportObserver) -> "list[Frame]":
    from detcli.inference.images.image_inputs import read_image

    frames = []
    for index, image in enumerate(images):
        try:
            frames.append(read_image(image, index))
        except ImageError as error:
            observer.on_warning(f"{error}; not compared")
    if not frames:
        raise InputError("no image for the check of the exported file can be read")
    return frames
