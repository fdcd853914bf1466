"""DETR (Carion et al. 2020): boxes as a set, each query's answer found by attention to the whole image."""

from typing import Any, cast

from torch import nn

from detcli.models.detr.config import DetrConfig, published, read_config, write_config
from detcli.models.detr.criterion import criterion
from detcli.models.detr.network import Detr, optimize
from detcli.models.detr.original_checkpoint import read_original
from detcli.models.detr.parameter_groups import parameter_groups
from detcli.models.detr.relabel import relabel
from detcli.models.detr.weights import read_weights, write_weights
from detcli.models.family import Family


def _optimize(network: nn.Module) -> nn.Module:
    return optimize(cast("Detr", network))


def _label_names(config: DetrConfig) -> tuple[str, ...]:
    return config.labels


def _segments(config: DetrConfig) -> bool:
    return config.has_masks


# As every published DETR has it, in the words of transformers since 4.26.
_PREPROCESSOR: dict[str, Any] = {
    "image_processor_type": "DetrImageProcessor",
    "format": "coco_detection",
    "do_resize": True,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_pad": True,
}

FAMILY = Family(
    name="detr",
    model_types=("detr",),
    size_divisor=1,
    preprocessor=_PREPROCESSOR,
    scores="softmax",
    read_config=read_config,
    write_config=write_config,
    build=Detr,
    published=published,
    segments=_segments,
    label_names=_label_names,
    read_weights=read_weights,
    write_weights=write_weights,
    read_original=read_original,
    optimize=_optimize,
    criterion=criterion,
    groups=parameter_groups,
    relabel=relabel,
)
