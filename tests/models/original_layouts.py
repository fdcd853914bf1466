"""Weights of the Hub's names as the original repositories would have saved them: the other way than detcli goes.

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
    """A D-FINE as Peterande/D-FINE saves it, with grids frozen for pictures of a size and copies of two scalars."""
    kept = {name: tensor for name, tensor in hub.items() if not name.startswith(("class_embed.", "bbox_embed."))}
    state = _renamed(_joined(kept), _DFINE)
    for name in ("up", "reg_scale"):
        state[f"decoder.decoder.{name}"] = state[f"decoder.{name}"]
    cells = sum((grid_hw[0] // stride) * (grid_hw[1] // stride) for stride in strides)
    state["decoder.anchors"] = torch.full((1, cells, 4), float("inf"))
    state["decoder.valid_mask"] = torch.ones((1, cells, 1), dtype=torch.bool)
    return state


def _renamed(tensors: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    state = {}
    for name, tensor in tensors.items():
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
