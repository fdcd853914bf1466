"""Names of a backbone's weights: timm's, transformers' own, and ours."""

import re

from detcli.models.backbones.backbone_config import BackboneConfig
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.backbones.timm_backbone import TimmConfig

_CONVOLUTION = (("convolution.", "conv."), ("normalization.", "norm."))
_NATIVE_BLOCK = re.compile(
    r"encoder\.stages\.(\d{1,2})\.layers\.(\d{1,3})\.(shortcut|layer\.\d)\.(?:(?<=shortcut\.)1\.)?(.+)", re.ASCII
)
_TIMM_BLOCK = re.compile(r"layer(\d{1,2})\.(\d{1,3})\.(conv|bn)(\d)\.(.+)", re.ASCII)
_TIMM_SHORTCUT = re.compile(r"layer(\d{1,2})\.(\d{1,3})\.downsample\.([01])\.(.+)", re.ASCII)
_OUR_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(shortcut|layers\.\d)\.(conv|norm)\.(.+)", re.ASCII)


def our_backbone_name(name: str, config: BackboneConfig) -> str | None:
    """Our name for one of the Hub's, both without the prefix of the backbone; None for an unknown name.

    A ResNet's weights may have timm's or transformers' names, whatever config.json says. Batch
    counters get a name that no network has: frozen norms have none.
    """
    name = name.removeprefix("_backbone.")  # transformers 4.x, with one of timm's in `backbone_config`
    if isinstance(config, TimmConfig):
        return "model." + name
    if name.startswith("embedder.embedder."):
        return "stem." + _with_part_replaced(name.removeprefix("embedder.embedder."))
    if name.startswith(("conv1.", "bn1.")):
        first, _, rest = name.partition(".")
        return f"stem.{'conv' if first == 'conv1' else 'norm'}.{rest}"
    if match := _NATIVE_BLOCK.fullmatch(name):
        stage, block, part, rest = match.groups()
        return f"stages.{stage}.{block}.{part.replace('layer.', 'layers.')}.{_with_part_replaced(rest)}"
    if match := _TIMM_BLOCK.fullmatch(name):
        stage, block, kind, index, rest = match.groups()
        return f"stages.{int(stage) - 1}.{block}.layers.{int(index) - 1}.{'norm' if kind == 'bn' else 'conv'}.{rest}"
    if match := _TIMM_SHORTCUT.fullmatch(name):
        stage, block, index, rest = match.groups()
        return f"stages.{int(stage) - 1}.{block}.shortcut.{'norm' if index == '1' else 'conv'}.{rest}"
    return None


def hub_backbone_name(name: str, config: BackboneConfig) -> str:
    """The Hub's name for one of ours, timm's or transformers', as the configuration says.

    Raises ValueError for an unknown name.
    """
    if isinstance(config, TimmConfig):
        return name.removeprefix("model.")
    if isinstance(config, ResNetConfig) and config.timm_name is None:
        return _native_name(name, config)
    return _timm_name(name)


def _native_name(name: str, config: ResNetConfig) -> str:
    if name.startswith("stem."):
        return "embedder.embedder." + _with_part_replaced(name.removeprefix("stem."), back=True)
    stage, block, part, kind, rest = _parts(name)
    index = part.replace("layers.", "layer.")
    if part == "shortcut" and config.pools_shortcut(int(stage)):
        index = "shortcut.1"  # after the pooling
    return f"encoder.stages.{stage}.layers.{block}.{index}." + _with_part_replaced(f"{kind}.{rest}", back=True)


def _timm_name(name: str) -> str:
    if name.startswith("stem."):
        kind, _, rest = name.removeprefix("stem.").partition(".")
        return f"{'conv1' if kind == 'conv' else 'bn1'}.{rest}"
    stage, block, part, kind, rest = _parts(name)
    before = f"layer{int(stage) + 1}.{block}."
    if part == "shortcut":
        return f"{before}downsample.{'0' if kind == 'conv' else '1'}.{rest}"
    return f"{before}{'conv' if kind == 'conv' else 'bn'}{int(part.removeprefix('layers.')) + 1}.{rest}"


def _parts(name: str) -> tuple[str, str, str, str, str]:
    match = _OUR_BLOCK.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not a tensor of a ResNet")
    stage, block, part, kind, rest = match.groups()
    return stage, block, part, kind, rest


def _with_part_replaced(rest: str, *, back: bool = False) -> str:
    number, _, inner = rest.partition(".")
    if number.isdigit():  # a convolution of the stem of variant D
        return f"{number}." + _with_part_replaced(inner, back=back)
    for theirs, ours in _CONVOLUTION:
        old, new = (ours, theirs) if back else (theirs, ours)
        if rest.startswith(old):
            return new + rest.removeprefix(old)
    return rest
