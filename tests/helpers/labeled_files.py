"""Annotation files of Pascal VOC, CVAT and LabelMe, written by tests in the tools' own layouts."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from tests.helpers.annotated_datasets import photo

SIZE_HW = (48, 64)
Box = tuple[float, float, float, float]


def voc_object(name: str | None, box: Sequence[object] | None, **more: object) -> str:
    """An `<object>`; `more` are further elements, such as `difficult` or `score`."""
    sides = (
        ""
        if box is None
        else "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    )
    bounds = "" if box is None else f"<bndbox>{sides}</bndbox>"
    label = "" if name is None else f"<name>{escape(name)}</name>"
    return f"<object>{label}{''.join(f'<{key}>{value}</{key}>' for key, value in more.items())}{bounds}</object>"


def voc_xml(
    *objects: str, filename: str | None = None, size_hw: tuple[int, int] | None = SIZE_HW, database: str = "Unknown"
) -> str:
    """An annotation of one image."""
    name = "" if filename is None else f"<filename>{escape(filename)}</filename>"
    size = (
        ""
        if size_hw is None
        else f"<size><width>{size_hw[1]}</width><height>{size_hw[0]}</height><depth>3</depth></size>"
    )
    source = f"<source><database>{escape(database)}</database></source>"
    return f"<annotation>{name}{source}{size}{''.join(objects)}</annotation>"


def cvat_xml(*images: str, labels: Sequence[str] = ("cat", "dog"), mode: str = "annotation", more: str = "") -> str:
    """CVAT's XML; `more` is further content of the task."""
    listed = "".join(f"<label><name>{escape(name)}</name><color>#ff0000</color></label>" for name in labels)
    task = f"<task><mode>{mode}</mode>{more}<labels>{listed}</labels></task>"
    return f"<annotations><version>1.1</version><meta>{task}</meta>{''.join(images)}</annotations>"


def cvat_image(name: str, *shapes: str, size_hw: tuple[int, int] | None = SIZE_HW, **more: object) -> str:
    """An `<image>` of CVAT."""
    size = {} if size_hw is None else {"width": size_hw[1], "height": size_hw[0]}
    return f"<image id='0' name={quoteattr(name)}{attributes(**size, **more)}>{''.join(shapes)}</image>"


def cvat_box(label: str, box: Sequence[object], **more: object) -> str:
    """A `<box>` of CVAT."""
    sides = dict(zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True))
    return f"<box label={quoteattr(label)}{attributes(**sides, **more)}></box>"


def cvat_shape(kind: str, label: str, **more: object) -> str:
    """Another shape of CVAT."""
    return f"<{kind} label={quoteattr(label)}{attributes(**more)}></{kind}>"


def attributes(**values: object) -> str:
    """Attributes of an element."""
    return "".join(f" {key}={quoteattr(str(value))}" for key, value in values.items())


def shape(kind: str | None, label: object, points: Sequence[object], **more: Any) -> dict[str, Any]:
    """A shape of LabelMe."""
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def labelme(path: Path, *shapes: Mapping[str, Any], size_hw: tuple[int, int] | None = SIZE_HW, **more: Any) -> None:
    """Write a file of LabelMe; `more` replaces its keys, such as `imagePath`."""
    height, width = size_hw or (None, None)
    document = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{path.stem}.png",
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def embedded(size_hw: tuple[int, int] = SIZE_HW, seed: int = 0, *, orientation: int = 1) -> str:
    """An image as `imageData` of LabelMe."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo(size_hw, seed)).save(file, "PNG", exif=exif)
    return base64.b64encode(file.getvalue()).decode()
