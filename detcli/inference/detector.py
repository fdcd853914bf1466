"""Preprocessing, network and postprocessing as one callable."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from detcli.argument_checks import Nms, Thresholds, check_positive
from detcli.errors import ImageError
from detcli.inference.batches.frame_detector import FrameDetector
from detcli.inference.detection_result import DetectionResult
from detcli.inference.images.image_inputs import ImageInput, check_image, read_image
from detcli.inference.load_settings import check_agnostic
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.postprocessing.setting_changes import setting_changes
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Resize

if TYPE_CHECKING:
    from detcli.checkpoints.hub.locate_model import ModelFiles
    from detcli.inference.images.tiling.tile_settings import TileSettings


class Detector(FrameDetector):
    """Images in, detections out. Made by `load_detector`; call it with an image or a list of images.

    Images of exactly the same input size share a batch, so the results for an image do not depend on the other images;
    with `pad`, images of different sizes share a batch too. A batch that does not fit into the memory of the device is
    halved. Several threads may share one detector. It cannot be pickled, and it cannot be used in a forked process: load
    it in the process that uses it.

    Attributes:
    model         files, labels and notes of the model
    runtime       runs the network; has the device and the precision
    preprocessor  frames -> batch
    selection     threshold, maximum number of detections, classes; `with_settings` changes them
    segmentation  how segments are made of the network's masks; None: boxes only
    batches       how batches are formed, with the batch size of the start
    batch_size    most images in a batch; smaller after a batch did not fit into memory
    tiles         into which tiles large images are cut; None: they are not
    loaded_in     the process that loaded the network
    """

    tiles: "TileSettings | None" = None

    @property
    def files(self) -> "ModelFiles":
        """Where the model's files are, and where they are from."""
        return self.model.files

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the user should see: what is missing or unusual in the checkpoint."""
        return self.model.notes

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the model's files do not tell, with the value that is taken, such as "num_queries=300"."""
        return self.model.assumed

    @property
    def device_name(self) -> str:
        """Name of the device, such as "cpu" or "cuda:0"."""
        return self.runtime.device_name

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences of the runtime about what it did otherwise than asked, for the end of a run."""
        return self.runtime.remarks

    @property
    def uncertainty(self) -> bool:
        """Whether detections have `box_std`, the standard deviation of each edge."""
        return self.model.uncertainty

    @property
    def threshold(self) -> float:
        """Scores of detections are strictly above it, except of classes in `class_thresholds`."""
        return self.selection.threshold if self.segmentation is None else self.segmentation.score_threshold

    @property
    def class_thresholds(self) -> dict[str, float]:
        """The thresholds of classes that have their own, by class name."""
        return {self.labels.names[class_id]: value for class_id, value in self.selection.class_thresholds}

    @property
    def nms(self) -> float | None:
        """Boxes that overlap a better one by more than this intersection over union are removed; None: no box is."""
        return self.selection.nms if self.segmentation is None else self.segmentation.nms

    @property
    def nms_agnostic(self) -> bool:
        """Whether the better box may be of another class."""
        return self.selection.nms_agnostic if self.segmentation is None else self.segmentation.nms_agnostic

    def __repr__(self) -> str:
        return f"Detector('{self.files.name}', device='{self.device_name}', threshold={self.threshold:g})"

    def __reduce__(self) -> str:
        raise TypeError(
            "a Detector cannot be pickled or copied: call load_detector() in each process; threads may share one"
        )

    @overload
    def __call__(self, images: ImageInput) -> DetectionResult: ...

    @overload
    def __call__(self, images: list[ImageInput] | tuple[ImageInput, ...]) -> list[DetectionResult]: ...

    def __call__(
        self, images: ImageInput | list[ImageInput] | tuple[ImageInput, ...]
    ) -> DetectionResult | list[DetectionResult]:
        """Detect in an image, or in each image of a list.

        images  an image, or a list or tuple of images, of different kinds too. An image is one of
                - path of a file (str or Path), or an http or https URL
                - PIL image of any mode; its EXIF orientation is applied
                - numpy array uint8 [H, W, 3] RGB; also [H, W] and [H, W, 1] gray, and [H, W, 4] RGBA, whose alpha is dropped
                - torch tensor [3, H, W] RGB, uint8, or float from 0 to 1; also [H, W] and [1, H, W] gray
                - Frame, as sources give it

        Returns a result for an image, and a list of results in the same order for a list.

        Raises TypeError for another type, ValueError for an array of another shape or range, ImageError for an image that
        cannot be read (the message names its position in a list), and DeviceError if one image does not fit into memory.
        """
        if not isinstance(images, list | tuple):
            check_image(images)
            return self._detect_images([images])[0]
        for position, image in enumerate(images):
            check_image(image, f"`images`[{position}]")
        return self._detect_images(images, "`images`[{}] ")

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect in frames; failed frames come back unchanged, in their position. This is what the pipeline calls.

        Raises DeviceError if even one image does not fit into memory, or the device was lost.
        """
        return self.detect_whole_frames(frames)

    def with_settings(
        self,
        *,
        threshold: Thresholds | None = None,
        max_detections: int | None = None,
        classes: Sequence[str | int] | None = None,
        batch_size: int | None = None,
        nms: Nms | None = None,
        nms_agnostic: bool | None = None,
    ) -> "Detector":
        """Return a detector with other settings that shares the network; None keeps a setting.

        threshold  as of `load_detector`; it replaces those of single classes, too
        nms        as of `load_detector`; "off" removes no duplicates

        Raises UsageError or TypeError for an invalid value.
        """
        changes: dict[str, Any] = setting_changes(
            self.labels,
            threshold=threshold,
            max_detections=max_detections,
            classes=classes,
            nms=nms,
            nms_agnostic=nms_agnostic,
        )
        size = self.batch_size if batch_size is None else check_positive("batch_size", batch_size)
        size = self.runtime.fixed_batch or size  # batches are filled up
        segmentation = None if self.segmentation is None else replace(self.segmentation, **changes)
        if segmentation is not None and self._masks is not None:
            self._masks.include(segmentation)
        changed = self._copy(replace(self.selection, **changes), segmentation, size)
        check_agnostic(changed.nms, changed.nms_agnostic)
        return changed

    def with_weak_boxes(self, threshold: float) -> "Detector":
        """Return a detector that keeps boxes with lower scores, too, for a tracker.

        They neither remove duplicates above their threshold nor take the place of a box above it.
        """
        return self._copy(replace(self.selection, weak_threshold=threshold), self.segmentation, self.batch_size)

    def _copy(self, selection: Selection, segmentation: SegmentationSettings | None, size: int) -> "Detector":
        changed = Detector(
            self.model,
            self.runtime,
            preprocessor=self.preprocessor,
            selection=selection,
            batches=replace(self.batches, size=size),
            segmentation=segmentation,
            masks=self._masks,
        )
        changed.loaded_in = self.loaded_in  # the network was loaded there
        return changed

    @property
    def _reading_resize(self) -> Resize:
        """What readers of images call."""
        return self.resize

    def _detect_images(self, images: Sequence[ImageInput], prefix: str = "") -> list[DetectionResult]:
        """Read and detect in a few batches at a time: a long list of paths needs no more memory than a short one."""
        results: list[DetectionResult] = []
        while len(results) < len(images):
            start = len(results)
            batch = images[start : start + self.look_ahead]
            frames = [
                read_image(image, index, resize=self._reading_resize, prefix=prefix.format(index))
                for index, image in enumerate(batch, start)
            ]
            for image, frame, detections in zip(batch, frames, self.detect_frames(frames), strict=True):
                if isinstance(detections, FailedFrame):
                    where = prefix.format(len(results))
                    raise ImageError(detections.code, f"{where}'{frame.origin.file}': {detections.message}")
                # A result is kept for long: without any pixels.
                bare = replace(frame.without_pixels(), prepared=None, bands=None)
                results.append(DetectionResult.of(detections, bare, image))
        return results
