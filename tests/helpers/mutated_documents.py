"""Every kind of document that detcli reads from others: an intact one, and the code that reads it.

Each reader takes random numbers and a folder, writes a mutated document and reads it as a command would.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
import safetensors.torch
import torch

from detcli.structures.masks import Rle
from tests.helpers import annotated_datasets as datasets
from tests.helpers import detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.mutated_data_files import DATA_DOCUMENTS
from tests.helpers.mutations import json_bytes, mutated_bytes, mutated_json, mutated_lines, mutated_value

Reader = Callable[[Random, Path], object]

_PREPROCESSORS: tuple[dict[str, Any], ...] = (
    {
        "image_processor_type": "RTDetrImageProcessor", "do_resize": True, "size": {"height": 640, "width": 640}, "resample": 2,
        "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": False, "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225], "do_pad": False, "pad_size": None,
    },
    {
        "image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 800, "longest_edge": 1333}, "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_pad": True, "pad_size": {"height": 1333, "width": 1333},
    },
)  # fmt: skip
_MASK: dict[str, Any] = Rle.of(np.tri(48, 64, dtype=np.bool_)).as_json()
_BOX = {"label": "dog", "label_id": 0, "category_id": 7, "score": 0.9, "bbox": [1.0, 2.0, 10.0, 20.0]}
RECORDS: tuple[dict[str, Any], ...] = (
    {"index": 0, "file": "a.png", "width": 64, "height": 48, "detections": [_BOX, {**_BOX, "score": 0.5, "track_id": 3}], "error": None},
    {"index": 1, "file": "b.png", "width": 64, "height": 48, "detections": [], "error": None},
    {"index": 2, "file": "c.png", "width": None, "height": None, "detections": None, "error": {"code": "truncated", "message": "truncated"}},
)  # fmt: skip
_RESULTS = [
    {"image_id": 20, "category_id": 7, "bbox": [1, 2, 10, 20], "score": 0.9},
    {"image_id": 10, "category_id": 2, "bbox": [5, 6, 7.5, 8], "score": 0.4, "segmentation": _MASK},
    {
        "image_id": 10,
        "category_id": 2,
        "bbox": [],
        "score": 0.4,
        "segmentation": {"size": [48, 64], "counts": [100, 200, 2772]},
    },
    {"image_id": 10, "category_id": 2, "score": 0.4, "segmentation": [[1, 2, 3, 4, 5, 6]]},
]
_CSV = b"""file,width,height,label,category_id,score,x_min,y_min,x_max,y_max,track_id
a.png,64,48,dog,7,0.9,1,2,10,20,1
b.png,64,48,cat,2,0.5,0,0,64,48,
"""
_DATA_YAML = b"""# a dataset
path: .
train: images
val: [images]
nc: 2
names:
  0: dog
  1: 'cat'
kpt_shape: [2, 3]
"""
_DATA_YAML_LIST = b"train: images\nval: images\nnames: [dog, cat]\n"
_SETTINGS = b"""color = "never"
[detect]
threshold = 0.5
classes = ["dog", "cat"]
batch = 4
imgsz = "640"
no-recursive = true
[video]
fps = 2.0
[models.info]
"""
_ROWS = b"0 0.5 0.5 0.2 0.2\n1 0.25 0.75 0.125 0.5\n0 0.1 0.1 0.2 0.1 0.2 0.2\n"


def _annotations(rng: Random) -> dict[str, Any]:
    masks: list[Any] = [[[1, 2, 11, 2, 11, 22]], _MASK, {"size": [48, 64], "counts": [100, 200, 2772]}]
    annotations = [{**entry, "segmentation": rng.choice(masks)} for entry in datasets.ANNOTATIONS]
    return {
        "info": {"failed": []},
        "images": datasets.IMAGES,
        "annotations": annotations,
        "categories": datasets.CATEGORIES,
    }


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _images(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).exists():
            datasets.write_image(folder / name)


def read_config(rng: Random, folder: Path) -> None:
    """config.json: the configuration of the network, its labels, and the sizes of its weights."""
    from detcli.checkpoints.checkpoint_files import read_config as read
    from detcli.inference.config_labels import read_labels
    from detcli.models.family import family_of

    value = rng.choice(
        (
            dfine_samples.tiny_json(),
            detr_samples.tiny_json(),
            {**detr_samples.tiny_json(), "category_ids": [3, 1, 2, 5, 9], "stuff": [1]},
            rtdetr_samples.tiny_json(1),
            rtdetr_samples.tiny_json(2, decoder_n_points=[2, 4, 1]),
        )
    )
    _written(folder, "config.json", mutated_json(rng, value))
    config = read(folder)
    family = family_of(config)
    network = family.read_config(config)
    read_labels(config, network.labels)
    family.write_config(network)


def read_preprocessor(rng: Random, folder: Path) -> None:
    """preprocessor_config.json and processor_config.json."""
    from detcli.checkpoints.checkpoint_files import read_preprocessor as read
    from detcli.checkpoints.model_files import ModelFiles
    from detcli.inference.preprocessing.preprocessing import Preprocessing
    from detcli.models.family import family_of

    value = rng.choice(_PREPROCESSORS)
    name = rng.choice(("preprocessor_config.json", "processor_config.json"))
    for other in ("preprocessor_config.json", "processor_config.json"):
        (folder / other).unlink(missing_ok=True)
    _written(folder, name, mutated_json(rng, {"image_processor": value} if name.startswith("proc") else value))
    config = read(ModelFiles("model", folder))
    family = family_of(dfine_samples.tiny_json() if value is _PREPROCESSORS[0] else detr_samples.tiny_json())
    Preprocessing.of(config.fields, family)


def read_safetensors(rng: Random, folder: Path) -> None:
    """A safetensors file: changes in the header, whose length fits again, or in any byte."""
    from detcli.checkpoints.safetensors_files import read_tensors

    data = safetensors.torch.save({"a": torch.ones(3, 2), "b": torch.arange(4), "c.d": torch.ones(1)}, {"format": "pt"})
    if rng.random() < 0.6:
        (length,) = struct.unpack("<Q", data[:8])
        header = mutated_json(rng, json.loads(data[8 : 8 + length]))
        data = struct.pack("<Q", len(header)) + header + data[8 + length :]
    else:
        data = mutated_bytes(rng, data)
    read_tensors(_written(folder, "model.safetensors", data))


def read_index(rng: Random, folder: Path) -> None:
    """The index of shards."""
    from detcli.checkpoints.safetensors_files import read_tensors

    if not (folder / "one.safetensors").exists():
        safetensors.torch.save_file({"a": torch.ones(2)}, folder / "one.safetensors")
        safetensors.torch.save_file({"b": torch.ones(2)}, folder / "two.safetensors")
    value = {"metadata": {"total_size": 16}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    read_tensors(_written(folder, "model.safetensors.index.json", mutated_json(rng, value)))


def read_training_state(rng: Random, folder: Path) -> None:
    """The state of a training run."""
    from dataclasses import asdict

    from detcli.training.state.run_identity import require_same
    from detcli.training.state.training_state import TrainingProgress, read_snapshot

    identity: dict[str, Any] = {
        "recipe": {"lr": 1e-4},
        "data": {"images": 3},
        "val": None,
        "network": {"classes": ["a"]},
    }
    progress = {
        **asdict(TrainingProgress()),
        "failed_files": {"a.png": "truncated"},
        "recent_losses": {"loss": 1.0},
        "metrics": {"AP": 0.5},
    }
    document = {"counters": {"steps": 3}, "progress": progress, "identity": identity}
    data = safetensors.torch.save(
        {"a": torch.ones(2)}, {"detcli": mutated_json(rng, document).decode("utf-8", "replace")}
    )
    if rng.random() < 0.2:
        data = mutated_bytes(rng, data)
    path = _written(folder, "state.safetensors", data)
    snapshot = read_snapshot(path)
    require_same(snapshot.identity, identity, path)
    snapshot.progress.add_step({"loss": 1.0})
    snapshot.progress.means()


def read_pth(rng: Random, folder: Path) -> None:
    """A PyTorch file, read in this process as its child process reads it: whole archive, or its pickle alone."""
    from detcli.checkpoints.pth.pth_content import PthRefusedError
    from detcli.checkpoints.pth.pth_reader import read_content
    from detcli.errors import DamagedModelError

    buffer = io.BytesIO()
    content = {
        "model": {"a.weight": torch.ones(3, 2), "b": torch.arange(4)},
        "args": {"lr": 0.1, "names": ["a"]},
        "epoch": 3,
    }
    torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.7)
    data = buffer.getvalue()
    data = _mutated_archive(rng, data) if data.startswith(b"PK") and rng.random() < 0.7 else mutated_bytes(rng, data)
    path = _written(folder, "model.pth", data)
    try:
        read_content(str(path), str(folder / "out.safetensors"))
    except PthRefusedError as refused:
        raise DamagedModelError(str(refused)) from refused
    except MemoryError as error:
        raise DamagedModelError("needs more memory than a model of its size") from error


def _mutated_archive(rng: Random, data: bytes) -> bytes:
    """A zip archive with one part changed and valid checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as changed:
        names = archive.namelist()
        target = rng.choice([*names, *[name for name in names if name.endswith("data.pkl")] * 4])
        for name in names:
            part = archive.read(name)
            changed.writestr(name, mutated_bytes(rng, part) if name == target else part)
    return out.getvalue()


def read_coco_training(rng: Random, folder: Path) -> None:
    """COCO annotations as training data."""
    from detcli.datasets.coco.coco_dataset import CocoDataset

    _images(folder, "a.png", "b.png", "c.png")
    path = _written(folder, "annotations.json", mutated_json(rng, _annotations(rng)))
    dataset = CocoDataset(str(path), masks=rng.random() < 0.5, classes=rng.choice((None, ("cat", "dog"))))
    for index in range(len(dataset)):
        dataset.ground_truth(index)
    dataset.annotations()


def read_coco_ground_truth(rng: Random, folder: Path) -> None:
    """COCO annotations as ground truth, and an evaluation against them."""
    from detcli.evaluation.coco_metrics import evaluate_coco

    ground_truth = _ground_truth(folder, mutated_json(rng, _annotations(rng)), masks=(masks := rng.random() < 0.3))
    images, categories = ground_truth.images, sorted(ground_truth.categories)
    if images and categories:
        results = [{"image_id": images[0]["id"], "category_id": categories[0], "bbox": [1, 2, 10, 20], "score": 0.5}]
        evaluate_coco(ground_truth.annotations, [] if masks else results, iou_type="segm" if masks else "bbox")


def _ground_truth(folder: Path, data: bytes, *, masks: bool = False) -> Any:
    from detcli.evaluation.coco_ground_truth import read_ground_truth

    return read_ground_truth(_written(folder, "gt.json", data), masks=masks)


def _evaluated(folder: Path, results: Path, format_name: str, iou_type: Any = "bbox") -> None:
    """Evaluate stored results as `eval` does, with confusion matrix and mistakes."""
    from detcli.evaluation.results.evaluate_results import box_report, evaluate_results, find_ground_truth

    _images(folder, "a.png", "b.png", "c.png")
    annotations = [{**entry, "segmentation": [[1, 2, 11, 2, 11, 22]]} for entry in datasets.ANNOTATIONS]
    whole = {"images": datasets.IMAGES, "annotations": annotations, "categories": datasets.CATEGORIES}
    annotations_file = _written(folder, "gt.json", json_bytes(whole))
    ground_truth, images = find_ground_truth(annotations_file, iou_type=iou_type, images=None)
    evaluated = evaluate_results(results, ground_truth, images, format_name=format_name, iou_type=iou_type)
    box_report(evaluated, score=0.3, worst=3, samples=2)


def _results(iou_type: str) -> list[dict[str, Any]]:
    """Boxes and masks in all their forms; only those with run-length encoded masks where masks are evaluated."""
    return [entry for entry in _RESULTS if iou_type == "bbox" or isinstance(entry.get("segmentation"), dict)]


def read_coco_results(rng: Random, folder: Path) -> None:
    """The list of COCO results."""
    iou_type = rng.choice(("bbox", "segm"))
    path = _written(folder, "results.json", mutated_json(rng, _results(iou_type)))
    _evaluated(folder, path, "coco-results", iou_type)


def read_coco_detections(rng: Random, folder: Path) -> None:
    """The COCO document that `detect` writes, with failed images."""
    iou_type = rng.choice(("bbox", "segm"))
    failed = [{"file_name": "d.png", "error": {"code": "truncated", "message": "truncated"}}]
    annotations = [{"id": number, **entry} for number, entry in enumerate(_results(iou_type))]
    document = {
        "info": {"failed": failed},
        "images": datasets.IMAGES,
        "annotations": annotations,
        "categories": datasets.CATEGORIES,
    }
    path = _written(folder, "found.json", mutated_json(rng, document))
    _evaluated(folder, path, "coco", iou_type)


def read_jsonl(rng: Random, folder: Path) -> None:
    """JSON Lines of detections."""
    path = _written(folder, "found.jsonl", mutated_lines(rng, ({"detcli": "1.0", "model": "shapes"}, *RECORDS)))
    _evaluated(folder, path, "jsonl")


def read_csv(rng: Random, folder: Path) -> None:
    """CSV of detections."""
    _evaluated(folder, _written(folder, "found.csv", mutated_bytes(rng, _CSV)), "csv")


def read_yolo_results(rng: Random, folder: Path) -> None:
    """A folder of YOLO texts with scores."""
    names, rows = b"dog\ncat\n", b"0 0.5 0.5 0.2 0.2 0.9\n1 0.25 0.75 0.125 0.5 0.5 7\n"
    which = rng.random() < 0.2
    _written(folder, "labels/classes.txt", mutated_bytes(rng, names) if which else names)
    _written(folder, "labels/a.txt", rows if which else mutated_bytes(rng, rows))
    _evaluated(folder, folder / "labels", "yolo")


def read_yolo_labels(rng: Random, folder: Path) -> None:
    """Label files of a YOLO dataset."""
    from detcli.datasets.yolo.yolo_dataset import YoloDataset

    _images(folder, "images/a.png", "images/b.png")
    _written(folder, "data.yaml", _DATA_YAML_LIST)
    _written(folder, "labels/a.txt", mutated_bytes(rng, _ROWS))
    _written(folder, "labels/b.txt", b"1 0.25 0.75 0.125 0.5\n")
    dataset = YoloDataset(str(folder / "data.yaml"), classes=rng.choice((None, ("cat", "dog"))))
    for index in range(len(dataset)):
        dataset.ground_truth(index)


def read_data_yaml(rng: Random, folder: Path) -> None:
    """The YAML file of a YOLO dataset."""
    from detcli.datasets.yolo.yolo_dataset import YoloDataset

    _images(folder, "images/a.png", "images/b.png")
    _written(folder, "labels/a.txt", b"1 0.25 0.75 0.125 0.5\n")
    if rng.random() < 0.3:
        value = {
            "path": ".",
            "train": "images",
            "val": ["images"],
            "nc": 2,
            "names": ["dog", "cat"],
            "kpt_shape": [0, 2],
        }
        data = json_bytes(mutated_value(rng, value))  # YAML contains JSON
    else:
        data = mutated_bytes(rng, rng.choice((_DATA_YAML, _DATA_YAML_LIST)))
    YoloDataset(str(_written(folder, "data.yaml", data)), part=rng.choice(("train", "val")))


def read_image_list(rng: Random, folder: Path) -> None:
    """The text file of a YOLO dataset that lists images, and a list of paths to detect in."""
    from detcli.datasets.yolo.yolo_dataset import YoloDataset
    from detcli.sources.images.path_lists import opened_list, paths_in

    _images(folder, "images/a.png", "images/b.png")
    _written(folder, "labels/a.txt", b"1 0.25 0.75 0.125 0.5\n")
    path = _written(folder, "train.txt", mutated_bytes(rng, b"images/a.png\n./images/b.png\n"))
    with opened_list(str(path)) as stream:
        list(paths_in(stream, null_separated=rng.random() < 0.3, name=str(path)))
    _written(folder, "data.yaml", b"train: train.txt\nnames: [dog, cat]\n")
    YoloDataset(str(folder / "data.yaml"))


def read_playlist(rng: Random, folder: Path) -> None:
    """A playlist in a folder of videos."""
    from detcli.sources.video import find_videos

    for name in ("1.ts", "2.ts"):
        _written(folder, f"videos/{name}", b"x")
    text = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n1.ts\n#EXTINF:2.0,\nfile:2.ts\n#EXT-X-ENDLIST\n"
    path = _written(folder, "videos/list.m3u8", mutated_bytes(rng, text))
    list(find_videos._parts(str(path)))


def read_settings(rng: Random, folder: Path) -> None:
    """A settings file, for every command that it has a table of."""
    from detcli.cli.framework.settings import read_settings as read
    from detcli.cli.main import cli

    path = _written(folder, "detcli.toml", mutated_bytes(rng, _SETTINGS))
    with click.Context(cli, info_name="detcli") as root:
        for name in ("detect", "video"):
            command = cli.get_command(root, name)
            assert command is not None
            with click.Context(command, parent=root, info_name=name) as context:
                read(context, str(path))


def read_recipe(rng: Random, folder: Path) -> None:
    """A recipe, and single settings of one."""
    from detcli.models.family import FAMILIES
    from detcli.training.recipes.published_recipes import recipe_of
    from detcli.training.recipes.recipe_changes import requested_recipe

    base = recipe_of(FAMILIES["dfine"], dfine_samples.tiny())
    path = _written(folder, "recipe.toml", mutated_bytes(rng, base.to_toml().encode()))
    requested_recipe(base, {}, file=path).to_toml()


def read_class_names(rng: Random, folder: Path) -> None:
    """Class names from a text file, JSON or COCO annotations."""
    from detcli.io.documents.class_names import read_class_names as read

    values: tuple[Any, ...] = (
        ["dog", "cat"],
        {"0": "dog", "1": "cat"},
        {"categories": datasets.CATEGORIES},
        {"id2label": {"0": "dog"}},
    )
    if rng.random() < 0.3:
        read(_written(folder, "names.txt", mutated_bytes(rng, b"dog\ncat\n")))
    else:
        read(_written(folder, "names.json", mutated_json(rng, rng.choice(values))))


def read_journal(rng: Random, folder: Path) -> None:
    """The journal of an interrupted run, continued: its results are written again in every format."""
    from detcli.io.journal import Journal
    from detcli.structures.class_labels import ClassLabels
    from detcli.structures.detections import Detections
    from detcli.structures.json_records import from_record, json_line, to_record

    labels = ClassLabels(("dog", "cat"), (7, 2))
    header = {"detcli": "1.0", "model": "shapes", "arguments": {"threshold": 0.4}}
    lines = [{"relative": record["file"], "stem": record["file"][:1], **record} for record in RECORDS]
    for line in lines:
        line["boxes_xyxy"] = [[1.0, 2.0, 11.0, 22.0]] * len(line["detections"] or ())
    first = json_line({"journal": 1} | header)
    data = (
        first + mutated_lines(rng, lines)
        if rng.random() < 0.9
        else mutated_lines(rng, [{"journal": 1} | header, *lines])
    )
    path = _written(folder, "out.jsonl.journal", data)
    journal = Journal.open(path, header, labels=labels, resume=True, overwrite=True)
    try:
        for record, relative, stem in journal.replay():
            result = from_record(record, relative=relative, stem=stem)
            json_line(to_record(*result, labels))
            if isinstance(result[1], Detections):
                result[1].boxes_xyxy.astype(np.float32)
    finally:
        journal.close(complete=True)


def read_coco_panoptic(rng: Random, folder: Path) -> None:
    """COCO panoptic annotations, as training data and for an evaluation."""
    from PIL import Image

    from detcli.datasets.coco.coco_panoptic import CocoPanopticDataset
    from detcli.evaluation.panoptic.panoptic_files import match_categories, match_images, read_panoptic

    _images(folder, "a.png", "b.png")
    for name in ("a", "b"):
        if not (folder / "panoptic" / f"{name}.png").exists():
            (folder / "panoptic").mkdir(exist_ok=True)
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:24, :, 0], pixels[24:, :, 0] = 1, 2
            Image.fromarray(pixels).save(folder / "panoptic" / f"{name}.png")
    segments = [
        {"id": 1, "category_id": 7, "bbox": [0, 0, 64, 24], "area": 1536, "iscrowd": 0},
        {"id": 2, "category_id": 2, "iscrowd": 1},
    ]
    value = {
        "images": datasets.IMAGES[:2],
        "annotations": [
            {"image_id": number, "file_name": f"{name}.png", "segments_info": segments}
            for number, name in ((10, "a"), (20, "b"))
        ],
        "categories": [{**entry, "isthing": 1} for entry in datasets.CATEGORIES],
    }
    good = _written(folder, "good.json", json_bytes(value))
    path = _written(folder, "panoptic.json", mutated_json(rng, value))
    if rng.random() < 0.5:
        dataset = CocoPanopticDataset(str(path))
        for index in range(len(dataset)):
            dataset.ground_truth(index)
        return
    kind: Any = rng.choice(("results", "annotations"))
    predicted, truth = read_panoptic(path, kind), read_panoptic(good, "annotations")
    match_categories(predicted, truth)
    for image_id in match_images(predicted, truth):
        predicted.segments(image_id)


DOCUMENTS: Mapping[str, Reader] = {
    "config.json": read_config,
    "preprocessor_config.json": read_preprocessor,
    "safetensors": read_safetensors,
    "safetensors index": read_index,
    "training state": read_training_state,
    "pth": read_pth,
    "COCO training data": read_coco_training,
    "COCO ground truth": read_coco_ground_truth,
    "COCO panoptic": read_coco_panoptic,
    "COCO results": read_coco_results,
    "COCO detections": read_coco_detections,
    "JSON Lines": read_jsonl,
    "CSV": read_csv,
    "YOLO results": read_yolo_results,
    "YOLO labels": read_yolo_labels,
    "data.yaml": read_data_yaml,
    "list of images": read_image_list,
    "playlist": read_playlist,
    "settings": read_settings,
    "recipe": read_recipe,
    "class names": read_class_names,
    "journal": read_journal,
    **DATA_DOCUMENTS,
}
