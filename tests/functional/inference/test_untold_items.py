"""Each item of docs/explanation/assumptions.md: read where the file tells it, else asked or assumed, and written down."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.checkpoints.pth.pth_files import OriginalFile
from detcli.errors import UnsupportedModelError
from detcli.inference import read_model as reading
from detcli.inference.read_model import ConvertedModel, read_original
from detcli.models.backbones.resnet import resnet_variant
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.detr.config import DetrConfig
from detcli.models.family import FAMILIES, ConversionHints
from tests.helpers import original_layouts, rtdetr_samples
from tests.helpers.dfine_samples import random_network, tiny

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "assumptions.md"
FAMILIES_OF_PAGE = {
    "D-FINE, DEIM, RT-DETRv4, D-FINE-seg": "dfine",
    "RT-DETR, RT-DETRv2": "rtdetr",
    "DETR": "detr",
    "Deformable DETR": "deformable_detr",
}
SMALL: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "num_queries": 7,
}  # fmt: skip
PUBLISHED = {"dfine": 80, "rtdetr": 80, "detr": 91, "deformable_detr": 91}
ONE_SIZE = ("dfine", "rtdetr")  # of input
Read = Callable[..., ConvertedModel]
Check = Callable[[str, Read, dict[str, Tensor]], None]


def tensors_of(family: str, count: int) -> dict[str, Tensor]:
    """A small file of a family with so many classes."""
    names, record = tuple(f"own {i}" for i in range(count)), FAMILIES[family]
    if family == "dfine":
        config: Any = tiny(num_queries=300, id2label=dict(enumerate(names)))
        hub = record.write_weights(dict(random_network(config).state_dict()), config)
        return original_layouts.dfine(hub, grid_hw=(64, 96), strides=(8, 16, 32))
    if family == "rtdetr":
        config = rtdetr_samples.tiny(2, num_queries=300, id2label=dict(enumerate(names)))
        hub = record.write_weights(dict(rtdetr_samples.random_network(config).state_dict()), config)
        return original_layouts.rtdetr(hub, second=True, grid_hw=(64, 96), strides=(8, 16, 32))
    maps = (1, 2, 3, 4) if family == "detr" else (2, 3, 4)
    kind, layout = {
        "detr": (DetrConfig, original_layouts.detr),
        "deformable_detr": (DeformableDetrConfig, original_layouts.deformable_detr),
    }[family]
    config = kind(labels=names, backbone=resnet_variant("resnet18", maps), **SMALL)
    return layout(record.write_weights(record.build(config).state_dict(), config))


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(0)
    return {family: tensors_of(family, count) for family, count in PUBLISHED.items()}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """Convert tensors as if a file had them, with these arguments of the run."""

    def convert(tensors: dict[str, Tensor], *, args: dict[str, Any] | None = None, **hints: Any) -> ConvertedModel:
        path = tmp_path / "weights.pth"
        path.write_bytes(b"weights")
        monkeypatch.setattr(reading, "read_original_file", lambda path: OriginalFile(tensors, args or {}, "model"))
        return read_original(path, ConversionHints(**hints))

    return convert


def said(model: ConvertedModel, beginning: str) -> bool:
    """Whether this is assumed, printed and written down."""
    entries = [entry for entry in model.checkpoint.assumed if entry.startswith(beginning)]
    printed = [note for note in model.checkpoint.notes if "assumed, because" in note and beginning in note]
    written = [entry for entry in model.checkpoint.config.get("assumed", []) if entry.startswith(beginning)]
    assert len(entries) == len(written) == len(printed)
    return bool(entries)


def plain(family: str) -> dict[str, Any]:
    return {} if family in ONE_SIZE else {"dilation": False}


def activations(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    if family == "rtdetr":
        assert said(read(tensors), "decoder_activation_function=relu")
        told = read(tensors, args={"RTDETRTransformerv2.activation": "gelu"})
        assert told.checkpoint.config["decoder_activation_function"] == "gelu"
        assert not said(told, "decoder_activation_function")
        return
    if family != "dfine":
        assert said(read(tensors, **plain(family)), "activation_function=relu")
        told = read(tensors, args={"activation": "gelu"}, **plain(family))
        assert (told.checkpoint.config["activation_function"], said(told, "activation_function")) == ("gelu", False)
        return
    assert said(read(tensors), "lqe_activation_function=relu")
    told = read(tensors, variant="deim")
    assert (told.checkpoint.config["lqe_activation_function"], said(told, "lqe_activation")) == ("silu", False)


def scalar(name: str) -> Check:
    def check(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
        given = {**tensors, f"decoder.{name}": torch.tensor([7])}
        model = read(given)
        assert model.checkpoint.config[name] == 7
        assert float(model.checkpoint.tensors[f"model.decoder.{name}"]) == 7
        assert not said(model, name)

    return check


def last_layer(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    model = read(tensors, **plain(family))
    if family == "rtdetr":
        assert said(model, "decoder_layers=2")
        assert read(tensors, args={"eval_idx": 0}).checkpoint.config["decoder_layers"] == 1
        return
    if family != "dfine":
        assert model.checkpoint.config["decoder_layers"] == 2
        return
    assert said(model, "eval_idx=-1")
    assert read(tensors, args={"eval_idx": 0}).checkpoint.config["eval_idx"] == 0
    assert read(tensors, fields={"eval_idx": 0}).checkpoint.config["eval_idx"] == 0


def points(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    config = read(tensors, **plain(family)).checkpoint.config
    assert config["decoder_n_points"] == {"dfine": [3, 6, 3], "rtdetr": 4, "deformable_detr": 4}[family]


def dilated(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UnsupportedModelError, match="`dilation`"):
        read(tensors)
    for dilation in (True, False):
        given, told = read(tensors, dilation=dilation), read(tensors, args={"dilation": dilation})
        assert given.checkpoint.config == told.checkpoint.config
        assert given.checkpoint.config["dilation"] is dilation


def resizing(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    model = read(tensors, **plain(family))
    assert said(model, "preprocessing=as published")
    size = {"height", "width"} if family in ONE_SIZE else {"shortest_edge", "longest_edge"}
    assert model.checkpoint.preprocessor["size"].keys() == size
    if family == "dfine":
        told = read(tensors, args={"keep_ratio": True})
        assert told.checkpoint.preprocessor["pad_position"] == "center"
        assert not said(told, "preprocessing")


def normalization(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    model = read(tensors, **plain(family))
    assert said(model, "preprocessing=as published")
    written = model.checkpoint.preprocessor
    assert (written["do_rescale"], written["do_normalize"]) == (True, family not in ONE_SIZE)
    if family not in ONE_SIZE:
        assert written["image_mean"] == [0.485, 0.456, 0.406]


def class_names(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    count = PUBLISHED[family]
    assert said(read(tensors, **plain(family)), f"the {count} classes are those of COCO")
    own = tuple(f"own {i}" for i in range(count))
    model = read(tensors, labels=own, **plain(family))
    assert model.checkpoint.config["id2label"]["1"] == "own 1"
    assert not said(model, f"the {count} classes")
    few = tensors_of(family, 3)
    with pytest.raises(
        UnsupportedModelError, match=r"have 3 classes, and the file does not have their names.*`labels`"
    ):
        read(few, **plain(family))
    if family in ONE_SIZE:
        assert read(few, args={"label_to_name": ["a", "b", "c"]}).labels.names == ("a", "b", "c")


def first_category(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    model = read(tensors_of(family, 3), labels=("a", "b", "c"), **plain(family))
    assert model.checkpoint.config["category_ids"] == [0, 1, 2]
    published = read(tensors, **plain(family))
    assert published.labels.category_ids[:2] == ((1, 2) if family in ONE_SIZE else (0, 1))


def image_size(family: str, read: Read, tensors: dict[str, Tensor]) -> None:
    if family not in ONE_SIZE:
        model = read(tensors, **plain(family))
        assert model.checkpoint.preprocessor["size"] == {"shortest_edge": 800, "longest_edge": 1333}
        given = read(tensors, image_size_hw=(64, 96), **plain(family))
        assert given.checkpoint.preprocessor["size"] == {"shortest_edge": 64, "longest_edge": 96}
        return
    assert read(tensors).checkpoint.preprocessor["size"] == {"height": 64, "width": 96}
    without = {name: tensor for name, tensor in tensors.items() if name[8:] not in ("anchors", "valid_mask")}
    assert said(read(without), "image_size=640x640")
    for args in ({"eval_spatial_size": [96, 64]}, {"img_size": [96, 64]}):
        told = read(without, args=args)
        assert told.checkpoint.preprocessor["size"] == {"height": 96, "width": 64}
        assert not said(told, "image_size")


ITEMS: dict[str, Check] = {
    "activations of the decoder": activations,
    "`reg_scale`": scalar("reg_scale"),
    "`up`": scalar("up"),
    "`eval_idx`": last_layer,
    "number of points": points,
    "dilated backbone": dilated,
    "letterbox or stretch": resizing,
    "normalization": normalization,
    "class names": class_names,
    "first category id": first_category,
    "image size": image_size,
}


def rows_of_page() -> list[tuple[str, str]]:
    """Family and item of each row of the page's tables."""
    rows, family = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            family = FAMILIES_OF_PAGE.get(line.removeprefix("## "), "")
        match = re.match(r"\| ([^|]+) \|", line)
        if family and match and match[1] not in ("item", "---"):
            rows.append((family, match[1]))
    return rows


def test_every_family_has_the_items_of_the_page() -> None:
    rows = rows_of_page()
    assert len(rows) == len(set(rows)) > 20
    assert {item for _, item in rows} == set(ITEMS)
    assert {family for family, _ in rows} == set(FAMILIES_OF_PAGE.values())


@pytest.mark.parametrize(("family", "item"), rows_of_page())
def test_an_item_is_read_or_asked_or_assumed(
    family: str, item: str, read: Read, files: dict[str, dict[str, Tensor]]
) -> None:
    ITEMS[item](family, read, files[family])
