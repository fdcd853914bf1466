"""The ResNet configuration of original weights, which have torchvision's names, from the shapes of the tensors."""

from dataclasses import replace

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.resnet import VARIANTS, ResNetConfig, resnet_variant
from detcli.models.conversion.original_names import TensorShapes
from detcli.models.family import ConversionHints

BODY = "backbone.0.body."  # prefix of the backbone's names
_STAGES = 4


def read_resnet(shape: TensorShapes, hints: ConversionHints, out_indices: tuple[int, ...]) -> ResNetConfig:
    """The backbone's configuration.

    Raises DamagedModelError if it is not a ResNet, and UnsupportedModelError if it is unknown whether its last stage is
    dilated, or if it is dilated and not one of VARIANTS.
    """
    bottleneck = shape.has(f"{BODY}layer1.0.conv3.")
    last = "conv3" if bottleneck else "conv2"
    stages = range(1, _STAGES + 1)
    read = ResNetConfig(
        depths=tuple(shape.count(f"{BODY}layer{stage}.") for stage in stages),
        hidden_sizes=tuple(shape(f"{BODY}layer{stage}.0.{last}.weight", 4)[0] for stage in stages),
        layer_type="bottleneck" if bottleneck else "basic",
        embedding_size=shape(f"{BODY}conv1.weight", 4)[0],
        out_indices=out_indices,
    )
    if 0 in read.depths:
        raise DamagedModelError(f"the weights lack '{BODY}layer{read.depths.index(0) + 1}'")
    if not _is_dilated(hints):
        return read
    for name in VARIANTS:
        variant = resnet_variant(name, out_indices, dilation=True)
        if replace(variant, dilation=False, timm_name=None) == read:
            return variant
    raise UnsupportedModelError("the backbone is dilated, and is not one of " + ", ".join(VARIANTS))


def name_of_resnet(config: ResNetConfig) -> str:
    """Its usual name: R50, R101-DC5."""
    for name in VARIANTS:
        if replace(config, dilation=False, timm_name=None) == resnet_variant(name, config.out_indices):
            return f"R{name.removeprefix('resnet')}" + ("-DC5" if config.dilation else "")
    return "custom ResNet"


def _is_dilated(hints: ConversionHints) -> bool:
    dilation = hints.dilation if hints.dilation is not None else hints.args.get("dilation")
    if isinstance(dilation, bool):
        return dilation
    raise UnsupportedModelError(
        "the file does not say whether the last stage of the backbone is dilated (DC5); convert it with `dilation`"
    )
