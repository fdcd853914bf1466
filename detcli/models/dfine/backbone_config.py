"""The backbone's part of D-FINE's config.json."""

from typing import Any

from detcli.models.backbones.hgnetv2 import HGNetV2Config, StageConfig
from detcli.models.config_fields import ConfigFields
from detcli.models.detr_common.fixed_size import check_strides
from detcli.models.layers.activations import ACTIVATIONS

_STAGES = (1, 8)  # minimum and maximum
_MAX_LAYERS = 1024  # of all blocks together: the modules are built before weights are read


def read_backbone(config: ConfigFields) -> HGNetV2Config:
    """Read the backbone from the fields of config.json; missing fields have transformers' defaults.

    Raises UnsupportedModelError if it is not an HGNetV2, or if its lists are inconsistent.
    """
    frozen = config.flag("freeze_backbone_batch_norms", True)
    if config.flag("use_timm_backbone", False):
        raise config.invalid("use_timm_backbone", "false: the only supported backbone is D-FINE's own, HGNetV2")
    fields = config.object("backbone_config")
    absent = fields is None
    fields = fields or ConfigFields({}, "backbone_config.")
    fields.choice("model_type", "hgnet_v2", ("hgnet_v2",))
    fields.integer("num_channels", 3, 3, 3)
    stem = fields.integers("stem_channels", (3, 32, 48), 1, 8192, length=(3, 3))
    strides = fields.pairs("stem_strides", (2, 1, 1, 2, 1), 1, 8, length=(5, 5))
    if stem[0] != 3 or stem[1] % 2:
        raise fields.invalid("stem_channels", "3, an even number and any number")
    if strides[1:3] != ((1, 1), (1, 1)):
        raise fields.invalid("stem_strides", "five strides, of which the second and the third are 1")
    stages = _read_stages(fields, stem[2])
    read = HGNetV2Config(
        stem=(stem[0], stem[1], stem[2]),
        stages=stages,
        out_indices=_read_outputs(fields, len(stages), (2, 3, 4) if absent else None),
        stem_strides=strides,
        hidden_act=fields.choice("hidden_act", "relu", ACTIVATIONS),
        affine=fields.flag("use_learnable_affine_block", False),
        frozen=frozen,
    )
    check_strides(fields, read.out_strides)
    return read


def write_backbone(config: HGNetV2Config) -> dict[str, Any]:
    """Write the object `backbone_config`."""
    stages = config.stages
    names = ["stem", *(f"stage{i}" for i in range(1, len(stages) + 1))]
    return {
        "model_type": "hgnet_v2",
        "num_channels": 3,
        "hidden_act": config.hidden_act,
        "stem_channels": list(config.stem),
        "stem_strides": [down if down == across else [down, across] for down, across in config.stem_strides],
        "stage_in_channels": [stage.inputs for stage in stages],
        "stage_mid_channels": [stage.middle for stage in stages],
        "stage_out_channels": [stage.outputs for stage in stages],
        "stage_num_blocks": [stage.blocks for stage in stages],
        "stage_downsample": [stage.downsample for stage in stages],
        "stage_downsample_strides": [
            stage.stride[0] if stage.stride[0] == stage.stride[1] else list(stage.stride) for stage in stages
        ],
        "stage_light_block": [stage.light for stage in stages],
        "stage_kernel_size": [stage.kernel for stage in stages],
        "stage_numb_of_layers": [stage.layers for stage in stages],
        "use_learnable_affine_block": config.affine,
        # transformers reads the width of each map from these two, and the number of stages from `depths`.
        "embedding_size": config.stem[2],
        "hidden_sizes": [stage.outputs for stage in stages],
        "depths": [stage.blocks for stage in stages],
        "out_indices": list(config.out_indices),
        "out_features": [names[i] for i in config.out_indices],
    }


def _read_stages(fields: ConfigFields, inputs: int) -> tuple[StageConfig, ...]:
    """Read the lists with one item per stage; all must have the same length, and each stage must fit the one before."""
    ins = fields.integers("stage_in_channels", (48, 128, 512, 1024), 1, 16384, length=_STAGES)
    count = len(ins)
    same = (count, count)
    middles = fields.integers("stage_mid_channels", (48, 96, 192, 384), 1, 16384, length=same)
    outs = fields.integers("stage_out_channels", (128, 512, 1024, 2048), 2, 16384, length=same)
    blocks = fields.integers("stage_num_blocks", (1, 1, 3, 1), 1, 64, length=same)
    downsample = fields.flags("stage_downsample", (False, True, True, True), length=same)
    strides = fields.pairs("stage_downsample_strides", (2, 2, 2, 2), 1, 8, length=(count, _STAGES[1]))
    light = fields.flags("stage_light_block", (False, False, True, True), length=same)
    kernels = fields.integers("stage_kernel_size", (3, 3, 5, 5), 1, 31, length=same)
    layers = fields.integers("stage_numb_of_layers", (6, 6, 6, 6), 1, 64, length=same)
    if ins != (inputs, *outs[:-1]):
        raise fields.invalid("stage_in_channels", f"{inputs} from the stem, then stage_out_channels but the last")
    if any(kernel % 2 == 0 for kernel in kernels):
        raise fields.invalid("stage_kernel_size", "odd numbers")
    if any(out % 2 for out in outs):
        raise fields.invalid("stage_out_channels", "even numbers")
    if sum(b * n for b, n in zip(blocks, layers, strict=True)) > _MAX_LAYERS:
        raise fields.invalid("stage_numb_of_layers", f"at most {_MAX_LAYERS} layers in all blocks together")
    columns = zip(ins, middles, outs, blocks, layers, kernels, downsample, light, strides[:count], strict=True)
    return tuple(StageConfig(*column) for column in columns)


def _read_outputs(fields: ConfigFields, stages: int, default: tuple[int, ...] | None) -> tuple[int, ...]:
    """Indices of the returned maps: out_indices, else out_features, else the last stage; ascending, each once."""
    # Negative indices count from the end of the names, of which transformers makes as many as `depths` is long.
    named = 1 + len(fields.integers("depths", (3, 4, 6, 3), 0, 1024, length=_STAGES))
    if "out_indices" in fields:
        given = fields.integers("out_indices", (), -named, named - 1, length=(1, named))
        indices = tuple(i % named for i in given)
        name = "out_indices"
    elif "out_features" in fields:
        words = ["stem", *(f"stage{i}" for i in range(1, named))]
        features = fields.words("out_features", length=(1, named))
        if not set(features) <= set(words):
            raise fields.invalid("out_features", "some of " + ", ".join(words))
        indices = tuple(words.index(feature) for feature in features)
        name = "out_features"
    else:
        return default or (stages,)
    if list(indices) != sorted(set(indices)) or indices[-1] > stages:
        raise fields.invalid(name, f"ascending, each once, and not above {stages}, the number of stages")
    return indices
