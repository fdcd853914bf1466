"""How people lay out datasets in folders: which annotations are there for a part, and where its images may be."""

import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path

from detcli.errors import UsageError

_JSON, _YAML = (".json",), (".yaml", ".yml")
_ROBOFLOW = "_annotations.coco.json"
_PART_NAMES = {"train": ("train",), "val": ("val", "valid", "validation")}
_SPLITS = re.compile(r"train|val(id(ation)?)?|test", re.IGNORECASE)
_IMAGE_FOLDERS = ("images", "JPEGImages", "data", "img", "imgs")
_LOOKED_FOR = (
    "data.yaml of YOLO, one .json of COCO, annotations/instances_{train,val}2017.json or panoptic_{train,val}2017.json, "
    f"or {{train,valid}}/{_ROBOFLOW}"
)


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """What a folder or file holds.

    kind         "coco", "coco-panoptic" or "yolo"
    annotations  annotations of COCO, or the YAML file of YOLO
    whole        whether these are all there is, so that they serve as any part
    """

    kind: str
    annotations: Path
    whole: bool


def find_layout(where: str, part: str) -> DatasetLayout:
    """What is there for a part. Raises UsageError, saying what was looked for, where there is nothing or no telling."""
    layout = layout_of(where, part)
    if layout is None:
        raise UsageError(f"'{where}' has no part '{part}'; name its annotations themselves, or other data")
    return layout


def layout_of(where: str, part: str) -> DatasetLayout | None:
    """The same; None where there is a dataset, but nothing for this part."""
    path = Path(where)
    if os.path.isdir(path):  # noqa: PTH112 - any name, too long ones too
        return _in_folder(path, part)
    if not os.path.lexists(path):
        raise UsageError(f"there is no '{where}'; a dataset is a folder with {_LOOKED_FOR}, such a file, or 'shapes'")
    if path.suffix.lower() in _YAML:
        return DatasetLayout("yolo", path, whole=False)
    if path.suffix.lower() in _JSON:
        return DatasetLayout(_kind_of(path), path, whole=True)
    raise UsageError(f"'{where}' is no dataset: annotations are a .json of COCO or a .yaml of YOLO")


def _in_folder(folder: Path, part: str) -> DatasetLayout | None:
    by_part = {name: _coco_files(folder, name) for name in _PART_NAMES}
    single = [] if any(by_part.values()) else _single_json(folder)
    found = [DatasetLayout("yolo", path, whole=False) for path in _yaml_files(folder)]
    found += [DatasetLayout(_kind_of(path), path, whole=False) for path in by_part[part]]
    found += [DatasetLayout(_kind_of(path), path, whole=True) for path in single]
    if len(found) > 1:
        names = ", ".join(f"'{layout.annotations}'" for layout in found[:5])
        raise UsageError(f"there is no telling which dataset '{folder}' is: it holds {names}; name one of them")
    if not found and not any(by_part.values()):
        raise UsageError(f"'{folder}' is no dataset: no {_LOOKED_FOR} is there")
    return found[0] if found else None


def _kind_of(annotations: Path) -> str:
    """Panoptic annotations are the ones that speak of segments; what cannot be read is told by whoever reads it."""
    try:
        with annotations.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return "coco" if content.find(b'"segments_info"') < 0 else "coco-panoptic"
    except (OSError, ValueError):  # of an empty file no map is made
        return "coco"


def _yaml_files(folder: Path) -> list[Path]:
    usual = [folder / name for name in ("data.yaml", "data.yml", "dataset.yaml") if (folder / name).is_file()]
    return usual[:1] or _files(folder, _YAML)


def _coco_files(folder: Path, part: str) -> list[Path]:
    """Annotations of one part; those of COCO 2017 are preferred to others of COCO's, and boxes to segments."""
    for name in _PART_NAMES[part]:
        if (folder / name / _ROBOFLOW).is_file():
            return [folder / name / _ROBOFLOW]
    found: list[Path] = []
    for below in (folder / "annotations", folder):
        files = _files(below, _JSON)
        named = [path for path in files if re.fullmatch(rf"instances_{part}\d*", path.stem)]
        named = named or [path for path in files if re.fullmatch(rf"panoptic_{part}\d*", path.stem)]
        newest = [path for path in named if path.stem.endswith("2017")]
        found = found or newest or named or [path for path in files if path.stem.lower() in _PART_NAMES[part]]
    return found


def _single_json(folder: Path) -> list[Path]:
    """The annotations of a folder that has no parts."""
    if (folder / _ROBOFLOW).is_file():
        return [folder / _ROBOFLOW]
    return _files(folder, _JSON) or _files(folder / "annotations", _JSON)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in entries if path.suffix.lower() in suffixes and path.is_file() and path.name[0] != "."]


def image_folders(annotations: Path, part: str) -> list[str]:
    """Folders that the file names of COCO annotations may be relative to, the likeliest first."""
    own = [re.sub(r"^(instances|panoptic)_", "", annotations.stem)]
    split = _SPLITS.search(annotations.stem)
    wanted = split.group().lower() if split else part
    parts = next((names for names in _PART_NAMES.values() if wanted in names), (wanted,))
    folders: dict[str, None] = {}
    for base in (annotations.parent, annotations.parent.parent):
        folders[str(base)] = None
        for first in (*own, *parts, *_IMAGE_FOLDERS):
            folders[str(base / first)] = None
        for first in _IMAGE_FOLDERS:
            for second in (*own, *parts):
                folders[str(base / first / second)] = None
                folders[str(base / second / first)] = None
    return [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112 - any name
