"""Known folder layouts of datasets: finds the annotations of a part."""

import mmap
import os
import re
from collections.abc import Sequence
from pathlib import Path

from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES, TEST
from detcli.datasets.formats.dataset_layout import PART_NAMES as PART_NAMES
from detcli.datasets.formats.dataset_layout import DatasetLayout as DatasetLayout
from detcli.datasets.formats.find_layouts import cvat_layout, find_deep_layout, find_layouts
from detcli.datasets.formats.label_studio.recognize_tasks import has_label_studio_tasks
from detcli.datasets.formats.recognize import FolderListing, file_format
from detcli.datasets.formats.shards.shard_files import Shards, shards_of_file, shards_of_folder
from detcli.errors import ImageError, NoDataError, UsageError
from detcli.io.read import opened, os_error_as_image_error

_JSON, _YAML, _XML, _LIST = (".json",), (".yaml", ".yml"), (".xml",), (".txt",)
_ANNOTATIONS = (*_JSON, *_YAML, *_XML, ".tar", ".parquet")
_ARCHIVES = (".zip", ".7z", ".rar")
_ROBOFLOW = "_annotations.coco.json"
_CLASS_LIST, _NOTES = "classes.txt", "notes.json"  # of Label Studio's YOLO export
_TITLES = {"yolo": "YOLO", "label-studio": "Label Studio", "voc": "Pascal VOC", "cvat": "CVAT", "labelme": "LabelMe"}
_EXPECTED = (
    "data.yaml or classes.txt of YOLO, one .json of COCO, annotations/instances_{train,val}2017.json or panoptic_{train,val}2017.json, "
    f"{{train,valid}}/{_ROBOFLOW}, .xml files of Pascal VOC or CVAT, .json files of LabelMe, one .json of Label Studio, "
    ".tar files of WebDataset, or .parquet files"
)


def find_layout(where: str, part: str) -> DatasetLayout:
    """The layout for a part. Raises NoDataError if there is none, and UsageError if the dataset is ambiguous."""
    layout = layout_of(where, part)
    if layout is None:
        others = (layout_of(where, other) for other in PART_NAMES if other != part)
        only = next((f"it has only '{other.annotations}': " for other in others if other is not None), "")
        raise NoDataError(f"'{where}' has no part '{part}'; {only}give the path of its annotations, or another dataset")
    return layout


def layout_of(where: str, part: str) -> DatasetLayout | None:
    """The layout for a part; None if the dataset does not have this part. Raises NoDataError if there is no dataset."""
    path = Path(where)
    if os.path.isdir(path):  # noqa: PTH112 - any name, also one that is too long
        return _in_folder(path, part)
    if not os.path.lexists(path):
        raise NoDataError(f"'{where}' does not exist; a dataset is a folder with {_EXPECTED}, such a file, or 'shapes'")
    suffix, found = path.suffix.lower(), file_format(path) if path.suffix.lower() in (*_JSON, *_XML) else None
    if suffix in _YAML or path.name.lower() == _CLASS_LIST:
        return DatasetLayout("yolo", path, any_part=False)
    if suffix in _XML and found == "cvat":
        return cvat_layout(path, part)
    if found in ("voc", "labelme"):
        raise NoDataError(
            f"'{where}' has the annotations of one image, in the format of {_TITLES[found]}: give its folder"
        )
    if suffix in _JSON:
        return DatasetLayout(_kind_of(path), path, any_part=True)
    if suffix in _LIST and path.absolute().parent.parent.name == "ImageSets":
        return DatasetLayout("voc", path, any_part=True)
    if suffix in _ARCHIVES:
        raise NoDataError(f"'{where}' is an archive: unpack it, and give its folder")
    shards = shards_of_file(path)
    if shards is not None:
        return DatasetLayout(shards.kind, path, any_part=True)
    raise NoDataError(
        f"'{where}' is not a dataset: annotations are a .json file of COCO or Label Studio, a .yaml file of YOLO, an .xml file of CVAT, a "
        ".tar file of WebDataset, a .parquet file, or a list of images in 'ImageSets' of Pascal VOC"
    )


def _in_folder(folder: Path, part: str) -> DatasetLayout | None:
    by_part = {name: _coco_files(folder, name) for name in PART_NAMES}
    single = [] if any(by_part.values()) else _single_json(folder)
    own = by_part[part] if part in by_part else _test_files(folder) if any(by_part.values()) else []
    layouts = [DatasetLayout("yolo", path, any_part=False) for path in _yaml_files(folder)]
    if not layouts and not any(by_part.values()) and _has_label_studio_yolo(folder):
        layouts = [DatasetLayout("yolo", folder / _CLASS_LIST, any_part=False)]
        single = [path for path in single if path.name != _NOTES]
    layouts += [DatasetLayout(_kind_of(path), path, any_part=False) for path in own]
    layouts += [DatasetLayout(_kind_of(path), path, any_part=True) for path in single]
    others = find_layouts(folder)
    layouts += others[part]
    if len(layouts) > 1:
        raise UsageError(_ambiguous(folder, layouts))
    if not layouts and not any(by_part.values()) and not any(others.values()):
        shards = shards_of_folder(folder, part)
        if shards:
            return _only_shards(folder, shards)
        deep = find_deep_layout(folder)
        if deep is not None:
            return deep
        raise NoDataError(f"'{folder}' is not a dataset: it has no {_EXPECTED}{_unreadable(folder)}")
    return layouts[0] if layouts else None


def _only_shards(folder: Path, kinds: Sequence[Shards]) -> DatasetLayout | None:
    """The layout of a folder with tar or Parquet files and nothing else; raises UsageError if it has both."""
    if len(kinds) > 1:
        names = " and ".join(f"'{shards.files[0]}'" for shards in kinds if shards.files)
        raise UsageError(f"'{folder}' is ambiguous: it has {names}; keep one kind of files in the folder")
    [shards] = kinds
    return DatasetLayout(shards.kind, folder, any_part=shards.any_part) if shards.files else None


def _ambiguous(folder: Path, layouts: list[DatasetLayout]) -> str:
    """The message for a folder with several datasets, with the formats if there are several."""
    kinds = {layout.kind.partition("-")[0] for layout in layouts}
    titles = [f" ({_TITLES.get(layout.kind, 'COCO')})" if len(kinds) > 1 else "" for layout in layouts[:5]]
    names = ", ".join(f"'{layout.annotations}'{title}" for layout, title in zip(layouts, titles, strict=False))
    is_whole = any(layout.annotations == folder for layout in layouts)
    advice = "keep one format in the folder" if is_whole else "give one of them"
    return f"'{folder}' is ambiguous: it has {names}; {advice}"


def _has_label_studio_yolo(folder: Path) -> bool:
    return _is_file(folder / _CLASS_LIST) and os.path.isdir(folder / "labels")  # noqa: PTH112 - any name


def _kind_of(annotations: Path) -> str:
    """A list of tasks is an export of Label Studio, annotations with segments are panoptic. A file that cannot be read is reported later, when it is parsed."""
    try:
        with opened(annotations) as descriptor, mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
            if has_label_studio_tasks(content):
                return "label-studio"
            return "coco" if content.find(b'"segments_info"') < 0 else "coco-panoptic"
    except (ImageError, OSError, ValueError):  # an empty file cannot be mapped
        return "coco"


def _yaml_files(folder: Path) -> list[Path]:
    standard = [folder / name for name in ("data.yaml", "data.yml", "dataset.yaml") if _is_file(folder / name)]
    return standard[:1] or _files(folder, _YAML)


def _coco_files(folder: Path, part: str) -> list[Path]:
    """Annotations of one part; COCO 2017 is preferred to other years, boxes to segments."""
    for name in ALL_PART_NAMES[part]:
        if _is_file(folder / name / _ROBOFLOW):
            return [folder / name / _ROBOFLOW]
    annotations: list[Path] = []
    for below in (folder / "annotations", folder):
        files = _json_files(below)
        named = [path for path in files if re.fullmatch(rf"instances_{part}\d*", path.stem)]
        named = named or [path for path in files if re.fullmatch(rf"panoptic_{part}\d*", path.stem)]
        newest = [path for path in named if path.stem.endswith("2017")]
        annotations = (
            annotations or newest or named or [path for path in files if path.stem.lower() in ALL_PART_NAMES[part]]
        )
    below_part = (_json_files(folder / name) for name in ALL_PART_NAMES[part])  # train/annotations.json
    return annotations or next((files for files in below_part if len(files) == 1), [])


def _test_files(folder: Path) -> list[Path]:
    """Annotations of the part for testing; other JSON files, such as results, are none."""
    files = _coco_files(folder, TEST)
    return [path for path in files if file_format(path) == "coco" or _kind_of(path) == "label-studio"]


def _single_json(folder: Path) -> list[Path]:
    """The annotations of a folder without parts."""
    if _is_file(folder / _ROBOFLOW):
        return [folder / _ROBOFLOW]
    return _json_files(folder) or _json_files(folder / "annotations")


def _json_files(folder: Path) -> list[Path]:
    """The .json files of a folder without those of LabelMe, of which each image has one."""
    files = _files(folder, _JSON)
    formats = FolderListing(folder).json if files else {}
    return [path for path in files if formats.get(path.name) != "labelme"]


def _unreadable(folder: Path) -> str:
    """The first entry that could be annotations and cannot be read, as the end of a message; empty if there is none."""
    try:
        entries = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ANNOTATIONS)
    except OSError as error:
        return f"; the folder cannot be listed: {os_error_as_image_error(error, folder)}"
    for path in entries:
        try:
            with opened(path):
                pass
        except ImageError as error:
            if not os.path.isdir(path):  # noqa: PTH112 - any name
                return f"; '{path.name}' cannot be read: {error}"
    return ""


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in entries if path.suffix.lower() in suffixes and _is_file(path) and path.name[0] != "."]


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - False for a link that cannot be followed, which must hide no neighbors
