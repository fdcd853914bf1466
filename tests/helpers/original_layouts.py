"""Weights with the Hub's names, converted to those of the original repositories: the inverse of detcli's conversion.

Written from the published tables of names, not from detcli's.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Rules = Sequence[tuple[str, str]]

_DFINE: Rules = (
    (r"^model\.backbone\.model\.embedder\.(\w+)\.convolution\.", r"backbone.stem.\1.conv."),
    (r"^model\.backbone\.model\.embedder\.(\w+)\.normalization\.", r"backbone.stem.\1.bn."),
    (r"^model\.backbone\.model\.embedder\.(\w+)\.lab\.", r"backbone.stem.\1.lab."),
    (r"^model\.backbone\.model\.encoder\.stages\.(.*)\.convolution\.", r"backbone.stages.\1.conv."),
    (r"^model\.backbone\.model\.encoder\.stages\.(.*)\.normalization\.", r"backbone.stages.\1.bn."),
    (r"^model\.backbone\.model\.encoder\.stages\.(.*)\.lab\.", r"backbone.stages.\1.lab."),
    (r"^model\.encoder_input_proj\.(\d+)\.0\.", r"encoder.input_proj.\1.conv."),
    (r"^model\.encoder_input_proj\.(\d+)\.1\.", r"encoder.input_proj.\1.norm."),
    (r"^model\.decoder_input_proj\.(\d+)\.0\.", r"decoder.input_proj.\1.conv."),
    (r"^model\.decoder_input_proj\.(\d+)\.1\.", r"decoder.input_proj.\1.norm."),
    (r"^model\.encoder\.encoder\.(.*)\.self_attn_layer_norm\.", r"encoder.encoder.\1.norm1."),
    (r"^model\.encoder\.encoder\.(.*)\.final_layer_norm\.", r"encoder.encoder.\1.norm2."),
    (r"^model\.encoder\.encoder\.(.*)\.fc([12])\.", r"encoder.encoder.\1.linear\2."),
    (r"^model\.encoder\.encoder\.", "encoder.encoder."),
    (r"^model\.encoder\.lateral_convs\.", "encoder.lateral_convs."),
    (r"^model\.encoder\.downsample_convs\.(\d+)\.conv([12])\.", r"encoder.downsample_convs.\1.0.cv\2."),
    (r"^model\.encoder\.(fpn|pan)_blocks\.(\d+)\.csp_rep1\.", r"encoder.\1_blocks.\2.cv2.0."),
    (r"^model\.encoder\.(fpn|pan)_blocks\.(\d+)\.csp_rep2\.", r"encoder.\1_blocks.\2.cv3.0."),
    (r"^model\.encoder\.(fpn|pan)_blocks\.(\d+)\.conv([23])\.", r"encoder.\1_blocks.\2.cv\3.1."),
    (r"^model\.encoder\.(fpn|pan)_blocks\.(\d+)\.conv([14])\.", r"encoder.\1_blocks.\2.cv\3."),
    (r"^model\.enc_output\.0\.", "decoder.enc_output.proj."),
    (r"^model\.enc_output\.1\.", "decoder.enc_output.norm."),
    (r"^model\.(enc_score_head|enc_bbox_head|denoising_class_embed)\.", r"decoder.\1."),
    (r"^model\.weight_embedding\.", "decoder.tgt_embed."),
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn\.", r"decoder.decoder.layers.\1.cross_attn."),
    (r"^model\.decoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"decoder.decoder.layers.\1.norm1."),
    (r"^model\.decoder\.layers\.(\d+)\.final_layer_norm\.", r"decoder.decoder.layers.\1.norm3."),
    (r"^model\.decoder\.layers\.(\d+)\.fc([12])\.", r"decoder.decoder.layers.\1.linear\2."),
    (r"^model\.decoder\.(layers|lqe_layers)\.", r"decoder.decoder.\1."),
    (r"^model\.decoder\.class_embed\.", "decoder.dec_score_head."),
    (r"^model\.decoder\.bbox_embed\.", "decoder.dec_bbox_head."),
    (r"^model\.decoder\.(pre_bbox_head|query_pos_head)\.", r"decoder.\1."),
    (r"^model\.decoder\.(up|reg_scale)$", r"decoder.\1"),
)


def dfine(hub: Mapping[str, Tensor], *, grid_hw: tuple[int, int], strides: Sequence[int]) -> dict[str, Tensor]:
    """A D-FINE as Peterande/D-FINE saves it, with anchors for one image size and copies of two scalars."""
    kept = {name: tensor for name, tensor in hub.items() if not name.startswith(("class_embed.", "bbox_embed."))}
    state = _renamed(_joined(kept), _DFINE)
    for name in ("up", "reg_scale"):
        state[f"decoder.decoder.{name}"] = state[f"decoder.{name}"]
    state["decoder.anchors"], state["decoder.valid_mask"] = dfine_anchors(grid_hw, strides)
    return state


def dfine_anchors(size_hw: tuple[int, int], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Logits of anchors [1, cells, 4], infinity where one is too close to a border, and which are not [1, cells, 1]."""
    boxes = []
    for level, stride in enumerate(strides):
        height, width = size_hw[0] // stride, size_hw[1] // stride
        side = 0.05 * 2**level
        boxes += [[(x + 0.5) / width, (y + 0.5) / height, side, side] for y in range(height) for x in range(width)]
    anchors = torch.tensor([boxes])
    valid = ((anchors > 0.01) & (anchors < 0.99)).all(-1, keepdim=True)
    return torch.where(valid, torch.log(anchors / (1 - anchors)), torch.inf), valid


_RTDETR: Rules = (
    *(
        (rf"^model\.backbone\.model\.embedder\.embedder\.{i}\.{kind}\.", f"backbone.conv1.conv1_{i + 1}.{ours}.")
        for i in range(3)
        for kind, ours in (("convolution", "conv"), ("normalization", "norm"))
    ),
    *(
        (
            rf"^model\.backbone\.model\.encoder\.stages\.(\d)\.layers\.(\d+)\.{part}\.{kind}\.",
            rf"backbone.res_layers.\1.blocks.\2.{name}.{ours}.",
        )
        for part, name in (
            (r"layer\.0", "branch2a"),
            (r"layer\.1", "branch2b"),
            (r"layer\.2", "branch2c"),
            (r"shortcut\.1", "short.conv"),
            ("shortcut", "short"),
        )
        for kind, ours in (("convolution", "conv"), ("normalization", "norm"))
    ),
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn_layer_norm\.", r"decoder.decoder.layers.\1.norm2."),
    (
        r"^model\.decoder\.layers\.(\d+)\.encoder_attn\.n_points_scale$",
        r"decoder.decoder.layers.\1.cross_attn.num_points_scale",
    ),
    (r"^model\.encoder\.(lateral_convs|downsample_convs|fpn_blocks|pan_blocks)\.", r"encoder.\1."),
)


def rtdetr(
    hub: Mapping[str, Tensor], *, second: bool, grid_hw: tuple[int, int] | None = None, strides: Sequence[int] = ()
) -> dict[str, Tensor]:
    """An RT-DETR as lyuwenyu/RT-DETR saves it, in rtdetr_pytorch or, where `second`, in rtdetrv2_pytorch."""
    kept = {name: tensor for name, tensor in hub.items() if not name.startswith(("class_embed.", "bbox_embed."))}
    state = _renamed(_joined(kept), (*_RTDETR, *_DFINE))
    if grid_hw is not None:
        state["decoder.anchors"], state["decoder.valid_mask"] = dfine_anchors(grid_hw, strides)
    if second:
        return state
    first = ((r"^(encoder\.input_proj\.\d+|decoder\.enc_output)\.(conv|proj)\.", r"\1.0."),
             (r"^(encoder\.input_proj\.\d+|decoder\.enc_output)\.norm\.", r"\1.1."))  # fmt: skip
    for pattern, new in first:
        state = {re.sub(pattern, new, name): tensor for name, tensor in state.items()}
    return state


_LAYER: Rules = (
    (r"^model\.(encoder|decoder)\.layers\.(\d+)\.fc([12])\.", r"transformer.\1.layers.\2.linear\3."),
    (r"^model\.encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"transformer.encoder.layers.\1.norm1."),
    (r"^model\.encoder\.layers\.(\d+)\.final_layer_norm\.", r"transformer.encoder.layers.\1.norm2."),
    (r"^model\.decoder\.layers\.(\d+)\.final_layer_norm\.", r"transformer.decoder.layers.\1.norm3."),
    (r"^model\.position_embedding\.row_embeddings\.", "backbone.1.row_embed."),
    (r"^model\.position_embedding\.column_embeddings\.", "backbone.1.col_embed."),
    (r"^model\.query_position_embeddings\.", "query_embed."),
)
_DETR: Rules = (
    *_LAYER,
    (r"^model\.decoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"transformer.decoder.layers.\1.norm1."),
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn_layer_norm\.", r"transformer.decoder.layers.\1.norm2."),
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn\.", r"transformer.decoder.layers.\1.multihead_attn."),
    (r"^model\.(encoder|decoder)\.layers\.", r"transformer.\1.layers."),
    (r"^model\.(encoder|decoder)\.layernorm\.", r"transformer.\1.norm."),
    (r"^model\.input_projection\.", "input_proj."),
    (r"^class_labels_classifier\.", "class_embed."),
    (r"^bbox_predictor\.", "bbox_embed."),
    (r"^(bbox_attention|mask_head)\.", r"\1."),
)
_DEFORMABLE: Rules = (
    *_LAYER,
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn_layer_norm\.", r"transformer.decoder.layers.\1.norm1."),
    (r"^model\.decoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"transformer.decoder.layers.\1.norm2."),
    (r"^model\.decoder\.layers\.(\d+)\.encoder_attn\.", r"transformer.decoder.layers.\1.cross_attn."),
    (r"^model\.decoder\.(class_embed|bbox_embed)\.", r"transformer.decoder.\1."),
    (r"^model\.(encoder|decoder)\.layers\.", r"transformer.\1.layers."),
    (r"^model\.(level_embed|reference_points|enc_output|enc_output_norm|pos_trans|pos_trans_norm)", r"transformer.\1"),
    (r"^model\.input_proj\.", "input_proj."),
    (r"^(class_embed|bbox_embed)\.", r"\1."),
)


def detr(hub: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A DETR as facebookresearch/detr saves it; with a mask head, other names begin with `detr.`."""
    masks = any(name.startswith("mask_head.") for name in hub)
    inner = {name.removeprefix("detr."): tensor for name, tensor in hub.items()}
    state = _renamed(_joined(_body(inner)), _DETR)
    heads = ("mask_head.", "bbox_attention.")
    return {name if not masks or name.startswith(heads) else f"detr.{name}": state[name] for name in state}


def deformable_detr(hub: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A Deformable DETR as fundamentalvision/Deformable-DETR saves it: a head for every layer, shared or not."""
    return _renamed(_joined(_body(hub), where="decoder."), _DEFORMABLE)


def _body(hub: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with torchvision's names for the ResNet, and learned positions once."""
    before, body = "model.backbone.conv_encoder.model.", "backbone.0.body."
    state = {}
    for name, tensor in hub.items():
        if name.startswith("model.backbone.position_embedding."):
            continue
        state[body + _torchvision(name.removeprefix(before)) if name.startswith(before) else name] = tensor
    return state


def _torchvision(name: str) -> str:
    """torchvision's name for a ResNet's tensor from transformers' own or timm's."""
    kinds = {"convolution": "conv", "normalization": "bn"}
    if match := re.fullmatch(r"embedder\.embedder\.(\w+)\.(.+)", name):
        return f"{kinds[match[1]]}1.{match[2]}"
    if match := re.fullmatch(r"encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.(\w+)\.(.+)", name):
        return f"layer{int(match[1]) + 1}.{match[2]}.{kinds[match[4]]}{int(match[3]) + 1}.{match[5]}"
    if match := re.fullmatch(r"encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.(\w+)\.(.+)", name):
        place = {"convolution": 0, "normalization": 1}[match[3]]
        return f"layer{int(match[1]) + 1}.{match[2]}.downsample.{place}.{match[4]}"
    return name


def _renamed(tensors: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    state = {}
    for name, tensor in tensors.items():
        if name.startswith("backbone.0.body."):
            state[name] = tensor.clone()
            continue
        matching = [re.sub(pattern, new, name) for pattern, new in rules if re.search(pattern, name)]
        assert matching, f"the table has no place for {name}"
        state[matching[0]] = tensor.clone()
    return state


def _joined(tensors: Mapping[str, Tensor], where: str = "") -> dict[str, Tensor]:
    """Queries, keys and values of each attention whose name holds `where` in one tensor, in that order."""
    joined = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.*)\.([qkv])_proj\.(weight|bias)", name)
        if match is None or where not in name:
            joined[name] = tensor
        elif match[2] == "q":
            parts = [tensors[f"{match[1]}.{kind}_proj.{match[3]}"] for kind in "qkv"]
            joined[f"{match[1]}.in_proj_{match[3]}"] = torch.cat(parts)
    return joined
