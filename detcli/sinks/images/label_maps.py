"""Label maps: one PNG per image whose values are classes or segments, with a palette so that they show as colors."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detcli.io.atomic_write import to_bytes
from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.images.encode_image import encode_gray, encode_palette
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.visualization.colors import color
from detcli.visualization.id_map import id_map


class LabelMaps(BaseSink):
    """Writes `folder/stem.png` for every image that was read, also without detections.

    Maps of 8 bits are indexed PNGs: a pixel is the number, and the palette gives it a color. Maps of 16 bits are gray.

    of_classes     True: values are class indices (`label_id`), 255 for none, and `classes.txt` lists the names by line;
                   with 256 classes or more the maps have 16 bits, and 65535 means none.
                   False: values are `segment_id`, 0 for none; where masks overlap, that of the higher score counts; a
                   map of more than 255 segments has 16 bits
    skip_existing  do not overwrite existing maps
    """

    ordered = False
    needs_pixels = False

    def __init__(
        self, folder: OutputFolder | Path, labels: ClassLabels, *, of_classes: bool, skip_existing: bool = False
    ) -> None:
        self._folder = as_output_folder(folder)
        self._skip_existing = skip_existing
        self._of_classes = of_classes
        self._none = (255 if len(labels) <= 255 else 65535) if of_classes else 0
        if of_classes:
            names = (" ".join(name.split()) for name in labels.names)
            self._folder.write("classes.txt", b"".join(to_bytes(name) + b"\n" for name in names))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the map of one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        name = f"{frame.origin.stem}.png"
        if self._skip_existing and self._folder.has(name):
            return
        if detections.masks is None and len(detections):
            raise ValueError("label maps need masks, and the detections have none")
        masks = (detections.masks or ())[:65535]  # 16 bits can count this many; those of the highest scores
        ids = detections.class_ids.tolist() if self._of_classes else range(1, len(masks) + 1)
        values = id_map(masks, ids, frame.size_hw, background=self._none)
        fits_8_bits = self._none <= 255 and (self._of_classes or len(masks) <= 255)
        if fits_8_bits:
            data = encode_palette(values.astype(np.uint8), palette(none=self._none))
        else:
            data = encode_gray(values.astype(np.uint16))
        self._folder.write(name, data)


@lru_cache(maxsize=2)
def palette(*, none: int) -> npt.NDArray[np.uint8]:
    """The color of each value, uint8 [256, 3]: that of the class or the number in annotated images; `none` is black."""
    colors = np.array([color(value) for value in range(256)], np.uint8)
    colors[none] = 0
    colors.setflags(write=False)  # shared by all callers
    return colors
