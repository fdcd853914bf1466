"""Pascal VOC: `Annotations/….xml`, `ImageSets/Main/PART.txt` and `JPEGImages/…`."""

from collections.abc import Iterator, Sequence

from detcli.io.atomic_write import to_bytes
from detcli.io.results.xml_text import as_xml
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.ground_truth.dataset_writer import WHOLE, LabeledImage, outlines
from detcli.sinks.ground_truth.mask_outline import Points
from detcli.sinks.results.voc import voc_file, voc_sides
from detcli.structures.class_labels import ClassLabels
from detcli.structures.float_text import shortest

IMAGES = "JPEGImages"


class VocWriter:
    """Boxes are edges in pixels from 0, crowds are difficult objects, and masks polygons."""

    keeps_crowds = True
    keeps_boxes = True
    unique_stems = True
    one_folder = True
    spaces = False  # lists of images have marks after a space

    def __init__(self, folder: OutputFolder, labels: ClassLabels, parts: Sequence[str]) -> None:
        self._folder, self._names, self._parts = folder, labels.names, parts
        self.reduced = 0
        self._stems: dict[str, list[str]] = {part: [] for part in parts}
        self.last = _list_of(parts[-1]) if parts[-1] != WHOLE else ""

    def image_folder(self, part: str) -> str:
        """The folder of all images."""
        return IMAGES

    def add(self, part: str, image: LabeledImage) -> None:
        """Write the file of an image."""
        lines = voc_file(image.name, f"{IMAGES}/{image.name}", image.size_hw, self._objects(image))
        name = f"Annotations/{image.stem}.xml"
        self._folder.write(name, "\n".join(lines).encode())
        self._stems[part].append(image.stem)
        self.last = self.last or name

    def finish(self) -> None:
        """Write the list of images of each part, where there are parts."""
        for part in self._parts:
            if part != WHOLE:
                self._folder.write(_list_of(part), b"".join(to_bytes(stem) + b"\n" for stem in self._stems[part]))

    def _objects(self, image: LabeledImage) -> Iterator[str]:
        truth = image.truth
        polygons, reduced = outlines(truth)
        self.reduced += reduced
        rows = zip(truth.boxes_xyxy, truth.class_ids.tolist(), truth.crowd.tolist(), polygons, strict=True)
        for box, class_id, crowd, points in rows:
            yield "  <object>"
            yield f"    <name>{as_xml(self._names[class_id])}</name>"
            yield "    <pose>Unspecified</pose>"
            yield "    <truncated>0</truncated>"
            yield f"    <difficult>{int(crowd)}</difficult>"
            yield f"    <bndbox>{voc_sides(shortest(box))}</bndbox>"
            if points is not None:
                yield f"    <polygon>{_corners(points)}</polygon>"
            yield "  </object>"


def _list_of(part: str) -> str:
    return f"ImageSets/Main/{part}.txt"


def _corners(points: Points) -> str:
    return "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(points.tolist(), 1))
