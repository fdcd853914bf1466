"""COCO annotations in an output folder, as `open_dataset` finds them: `annotations/instances_train.json` next to `images/`."""

from detcli.datasets.coco.coco_subset import Document, document_lines
from detcli.engine.data.image_placement import ImagePlacer
from detcli.sinks.folders.output_folder import OutputFolder


def annotations_name(part: str, *, panoptic: bool = False) -> str:
    """The name of the annotations of a part below the folder; an empty part is the whole dataset."""
    start = "panoptic" if panoptic else "instances"
    return f"annotations/{start}_{part}.json" if part else f"annotations/{start}.json"


def write_document(folder: OutputFolder, name: str, document: Document) -> None:
    """Write annotations. Raises OutputError."""
    folder.write(name, b"".join(document_lines(document)))


def write_segments(placer: ImagePlacer, name: str, document: Document, source: str) -> None:
    """Put the PNGs of panoptic annotations into the folder of the same name, next to them.

    name    of the annotations
    source  the folder that the PNGs are in
    """
    folder = name.removesuffix(".json")
    for entry in document["annotations"]:
        placer.place_file(f"{source}/{entry['file_name']}", f"{folder}/{entry['file_name']}")
