"""Small Deformable DETR configurations, networks with random weights, and padded batches."""

from typing import Any

import torch
from torch import Tensor

from detcli.models.deformable_detr.config import DeformableDetrConfig, read_config
from detcli.models.deformable_detr.network import DeformableDetr

# The five published variants, by the fields that they change.
VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "single-scale": {"num_feature_levels": 1},
    "single-scale-dc5": {"num_feature_levels": 1, "dilation": True},
    "with-box-refine": {"with_box_refine": True},
    "with-box-refine-two-stage": {"with_box_refine": True, "two_stage": True},
}


def tiny_json(variant: str = "", **changes: Any) -> dict[str, Any]:
    """A config.json of a small native ResNet, 32 wide, with two layers each; `backbone` changes its backbone_config.

    Dilated, the backbone has a timm name instead: it is a resnet18.
    """
    own = {**VARIANTS[variant], **changes}
    outs = [4] if own.get("num_feature_levels") == 1 else [2, 3, 4]
    backbone = {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 2, 2],
        "layer_type": "basic",
        "out_indices": outs,
        "out_features": [f"stage{i}" for i in outs],
        **own.pop("backbone", {}),
    }
    config: dict[str, Any] = {
        "model_type": "deformable_detr",
        "use_timm_backbone": False,
        "backbone": None,
        "backbone_config": backbone,
        "d_model": 32,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "encoder_n_points": 4,
        "decoder_n_points": 4,
        "num_feature_levels": 4,
        "num_queries": 12,
        "two_stage_num_proposals": 11,
        "id2label": {str(i): f"class {i}" for i in range(5)},
    }
    if own.get("dilation"):
        config |= {"use_timm_backbone": True, "backbone": "resnet18", "backbone_config": None}
    return {**config, **own}


def tiny(variant: str = "", **changes: Any) -> DeformableDetrConfig:
    """The record of `tiny_json`."""
    return read_config(tiny_json(variant, **changes))


def random_network(config: DeformableDetrConfig, seed: int = 0) -> DeformableDetr:
    """A network in evaluation mode with all weights random, so that no zero head or unit norm hides a mistake.

    Weights keep the size of what flows through them; statistics and biases move by a tenth or two, and points are
    sampled several cells away.
    """
    network = DeformableDetr(config)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        normal = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        uniform = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            drawn = 0.5 + uniform
        elif name.endswith("offsets.bias"):
            drawn = tensor.double() + 0.3 * normal
        elif tensor.ndim == 1 and name.endswith("weight"):
            drawn = 0.7 + 0.6 * uniform
        elif tensor.ndim == 1:
            drawn = 0.2 * normal
        elif name.endswith(("embeddings.weight", "level_embeddings")):
            drawn = normal
        else:
            drawn = normal * (1.5 / tensor[0].numel()) ** 0.5
        tensor.copy_(drawn)
    return network.eval()


def padded(pixels: Tensor, sizes_hw: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Images padded with zeros outside these sizes, and the mask [B, H, W]."""
    mask = torch.zeros(len(pixels), *pixels.shape[2:], dtype=torch.bool)
    for own, (height, width) in zip(mask, sizes_hw, strict=True):
        own[:height, :width] = True
    return pixels * mask[:, None], mask
