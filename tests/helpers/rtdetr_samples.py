"""Small RT-DETR configurations, and networks with random weights."""

from typing import Any

import torch

from detcli.models.rtdetr.config import RtDetrConfig, read_config
from detcli.models.rtdetr.network import RtDetr


def tiny_json(version: int = 1, **changes: Any) -> dict[str, Any]:
    """A config.json of three maps, 32 wide and two decoder layers; `backbone` changes its backbone_config."""
    backbone = {
        "model_type": "rt_detr_resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 2, 1, 1],
        "layer_type": "basic",
        "out_indices": [2, 3, 4],
        "out_features": ["stage2", "stage3", "stage4"],
        **changes.pop("backbone", {}),
    }
    config: dict[str, Any] = {
        "model_type": "rt_detr" if version == 1 else "rt_detr_v2",
        "backbone_config": backbone,
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 48,
        "encoder_attention_heads": 4,
        "encoder_in_channels": [16, 24, 32],
        "decoder_in_channels": [32, 32, 32],
        "d_model": 32,
        "decoder_ffn_dim": 48,
        "decoder_attention_heads": 4,
        "decoder_layers": 2,
        "num_queries": 12,
        "hidden_expansion": 0.5,
        "id2label": {str(i): f"class {i}" for i in range(5)},
    }
    return {**config, **changes}


def tiny(version: int = 1, **changes: Any) -> RtDetrConfig:
    """The record of `tiny_json`."""
    return read_config(tiny_json(version, **changes))


def random_network(config: RtDetrConfig, seed: int = 0) -> RtDetr:
    """A network in evaluation mode with all weights random, so that no zero head or unit norm hides a mistake."""
    network = RtDetr(config)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or name.endswith("points_scale"):
            continue
        normal = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        uniform = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            drawn = 0.5 + uniform
        elif tensor.ndim == 1 and name.endswith("weight"):
            drawn = 0.7 + 0.6 * uniform
        elif tensor.ndim == 1:
            drawn = 0.2 * normal
        else:
            drawn = normal * (1.5 / tensor[0].numel()) ** 0.5
        tensor.copy_(drawn)
    return network.eval()
