"""The backbone's part of DETR's and Deformable DETR's config.json, in three forms: read and write."""

import re
from collections.abc import Sequence
from typing import Any, cast

from detcli.models.backbones.resnet import VARIANTS, LayerType, ResNet, ResNetConfig, resnet_variant
from detcli.models.backbones.timm_backbone import TimmBackbone, TimmConfig
from detcli.models.config_fields import ConfigFields
from detcli.models.layers.activations import ACTIVATIONS

BackboneConfig = ResNetConfig | TimmConfig
Backbone = ResNet | TimmBackbone

_STAGES = (1, 8)  # minimum and maximum
_MAX_BLOCKS = 512  # of all stages together: the modules are built before weights are read
_STAGES_OF_VARIANTS = 4
_DC5_STRIDE = 16  # of the last map, where the last of four stages is dilated


def read_backbone(fields: ConfigFields, default_out: Sequence[int]) -> BackboneConfig:
    """Read the backbone from the fields of config.json, of any version of transformers.

    4.x has a name in timm (`use_timm_backbone`, `backbone`, `backbone_kwargs`, `dilation`), or transformers' own ResNet in
    `backbone_config`; 5.x always has `backbone_config`, which may have a name in timm. Standard ResNets of timm are built
    without timm; any other backbone needs it.

    default_out  indices of the returned maps if there is only a name in timm

    Raises UnsupportedModelError naming the first invalid field.
    """
    fields.integer("num_channels", 3, 3, 3)
    given = fields.object("backbone_config")
    by_name = _flag_or_null(fields, "use_timm_backbone", True)
    dilation = _flag_or_null(fields, "dilation", False)
    if given is not None:
        if given.choice("model_type", "resnet", ("resnet", "timm_backbone")) == "timm_backbone":
            return _read_timm_config(given)
        config = read_resnet(given)
    elif by_name:
        return _read_timm_name(fields, tuple(default_out), dilation=dilation)
    else:
        if "backbone" in fields:  # a repository, say; only this name is the ResNet that does not need timm
            fields.choice("backbone", "resnet50", ("resnet50",))
        config = ResNetConfig()
    if dilation:
        raise fields.invalid(
            "dilation", "false if use_timm_backbone is false: transformers' own ResNet is never dilated"
        )
    return config


def write_backbone(config: BackboneConfig, default_out: Sequence[int]) -> dict[str, Any]:
    """Write the fields of config.json, as every version of transformers reads them.

    With the usual maps, a name in timm is written alone, as in the first files of the Hub. Other maps are written in the form
    of version 5: 4.x, which has another form, rejects that and does not misread it.
    """
    if isinstance(config, ResNetConfig) and config.timm_name is None:
        return {
            "use_timm_backbone": False,
            "backbone": None,
            "use_pretrained_backbone": False,  # true by default up to 5.0, which then asks for a name
            "dilation": False,
            "backbone_config": write_resnet(config),
        }
    if isinstance(config, ResNetConfig):
        name = str(config.timm_name)
        output_stride = _DC5_STRIDE if config.dilation else None
    else:
        name, output_stride = config.name, config.output_stride
    written: dict[str, Any] = {
        "use_timm_backbone": True,
        "backbone": name,
        "use_pretrained_backbone": False,
        "dilation": output_stride is not None,
        "backbone_config": None,
    }
    if config.out_indices == tuple(default_out) and output_stride in (None, _DC5_STRIDE):
        return written
    spelled = {
        "model_type": "timm_backbone",
        "backbone": name,
        "num_channels": 3,
        "features_only": True,
        "use_pretrained_backbone": False,
        "out_indices": list(config.out_indices),
        "output_stride": output_stride,
    }
    return {**written, "backbone": None, "backbone_config": spelled}


def make_backbone(config: BackboneConfig) -> Backbone:
    """Build the network of a configuration; its `out_channels` are those of its maps.

    Raises UnsupportedModelError if it needs timm and timm is not installed, or does not have the network.
    """
    return ResNet(config) if isinstance(config, ResNetConfig) else TimmBackbone(config)


def _read_timm_name(fields: ConfigFields, default_out: tuple[int, ...], *, dilation: bool) -> BackboneConfig:
    """Read a name in timm, in the form of 4.x."""
    name = _timm_name(fields) if "backbone" in fields else "resnet50"
    kwargs = fields.object("backbone_kwargs") or ConfigFields({}, "backbone_kwargs.")
    for key in dict(kwargs.items()):
        if key not in ("out_indices", "in_chans", "num_channels", "output_stride"):
            raise kwargs.invalid(str(key)[:40], "absent: detcli supports out_indices, in_chans and output_stride")
    for key in ("in_chans", "num_channels"):
        kwargs.integer(key, 3, 3, 3)
    out_indices = kwargs.integers("out_indices", default_out, -16, 15, length=(1, 16))
    output_stride = _output_stride(kwargs)
    return _timm(name, out_indices, output_stride or (_DC5_STRIDE if dilation else None))


def _read_timm_config(given: ConfigFields) -> BackboneConfig:
    """Read a name in timm, in the form of 5.x."""
    given.integer("num_channels", 3, 3, 3)
    if not given.flag("features_only", True):
        raise given.invalid("features_only", "true")
    out_indices = given.integers("out_indices", (-1,), -16, 15, length=(1, 16))
    return _timm(_timm_name(given), out_indices, _output_stride(given))


def _timm(name: str, out_indices: tuple[int, ...], output_stride: int | None) -> BackboneConfig:
    """Our own ResNet if it is a standard one, with timm's names for its weights; otherwise timm's network."""
    plain = name.partition(".")[0].removeprefix("tv_")  # `resnet50.a1_in1k` is a resnet50 with certain weights
    count = _STAGES_OF_VARIANTS + 1
    outs = tuple(i % count if -count <= i < 0 else i for i in out_indices)
    output_stride = None if output_stride == 2 * _DC5_STRIDE else output_stride
    # timm's map 0 is the stem before its max-pool; ours, like that of transformers, is after it.
    usual = list(outs) == sorted(set(outs)) and outs[0] >= 1 and outs[-1] < count
    if plain in VARIANTS and usual and output_stride in (None, _DC5_STRIDE):
        return resnet_variant(plain, outs, dilation=output_stride is not None, timm_name=name)
    return TimmConfig(name=name, out_indices=out_indices, output_stride=output_stride)


def _timm_name(fields: ConfigFields) -> str:
    """The name, which must not be an address: timm would load code and weights from it."""
    name = dict(fields.items()).get("backbone")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        raise fields.invalid("backbone", "the name of a network in timm")
    return name


def _output_stride(fields: ConfigFields) -> int | None:
    return fields.integer("output_stride", 32, 1, 64) if "output_stride" in fields else None


def read_resnet(fields: ConfigFields, default_out: tuple[int, ...] | None = None) -> ResNetConfig:
    """Read transformers' own ResNet.

    default_out  indices of the maps where the fields have none; None: the last stage alone
    """
    fields.integer("num_channels", 3, 3, 3)
    sizes = fields.integers("hidden_sizes", (256, 512, 1024, 2048), 4, 16384, length=_STAGES)
    depths = fields.integers("depths", (3, 4, 6, 3), 1, 256, length=_STAGES)
    if len(depths) != len(sizes):
        raise fields.invalid("depths", f"a list of {len(sizes)}, one for each of hidden_sizes")
    if sum(depths) > _MAX_BLOCKS:
        raise fields.invalid("depths", f"at most {_MAX_BLOCKS} blocks together")
    return ResNetConfig(
        depths=depths,
        hidden_sizes=sizes,
        layer_type=cast("LayerType", fields.choice("layer_type", "bottleneck", ("basic", "bottleneck"))),
        embedding_size=fields.integer("embedding_size", 64, 1, 16384),
        hidden_act=fields.choice("hidden_act", "relu", ACTIVATIONS),
        downsample_in_first_stage=fields.flag("downsample_in_first_stage", False),
        downsample_in_bottleneck=fields.flag("downsample_in_bottleneck", False),
        out_indices=_read_outputs(fields, len(depths), default_out),
    )


def _read_outputs(fields: ConfigFields, stages: int, default: tuple[int, ...] | None) -> tuple[int, ...]:
    """Indices of the returned maps: out_indices, else out_features, else the default; ascending, each once."""
    names = _stage_names(stages)
    if "out_indices" in fields:
        field = "out_indices"
        given = fields.integers(field, (), -len(names), stages, length=(1, len(names)))
        outs = tuple(i % len(names) for i in given)
    elif "out_features" in fields:
        field = "out_features"
        words = fields.words(field, length=(1, len(names)))
        if not set(words) <= set(names):
            raise fields.invalid(field, "some of " + ", ".join(names))
        outs = tuple(names.index(word) for word in words)
    else:
        return default or (stages,)
    if list(outs) != sorted(set(outs)):
        raise fields.invalid(field, "ascending, each once")
    return outs


def write_resnet(config: ResNetConfig) -> dict[str, Any]:
    """Write the object `backbone_config` of transformers' own ResNet."""
    names = _stage_names(len(config.depths))
    return {
        "model_type": "resnet",
        "num_channels": 3,
        "embedding_size": config.embedding_size,
        "hidden_sizes": list(config.hidden_sizes),
        "depths": list(config.depths),
        "layer_type": config.layer_type,
        "hidden_act": config.hidden_act,
        "downsample_in_first_stage": config.downsample_in_first_stage,
        "downsample_in_bottleneck": config.downsample_in_bottleneck,
        "stage_names": names,
        "out_features": [names[i] for i in config.out_indices],
        "out_indices": list(config.out_indices),
    }


def _stage_names(stages: int) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, stages + 1))]


def _flag_or_null(fields: ConfigFields, name: str, default: bool) -> bool:
    """True or false; null, which 4.x writes if another form is used, is false."""
    if dict(fields.items()).get(name, default) is None:
        return False
    return fields.flag(name, default)
