"""Small DETR configurations, networks with random weights, and batches of images of different sizes."""

from typing import Any

import torch
from torch import Tensor

from detcli.models.detr.config import DetrConfig, read_config
from detcli.models.detr.network import Detr


def tiny_json(**changes: Any) -> dict[str, Any]:
    """A config.json 32 wide with two layers each; `backbone` changes its backbone_config."""
    backbone = {
        "model_type": "resnet",
        "depths": [1, 1, 1, 2],
        "hidden_sizes": [8, 16, 24, 32],
        "embedding_size": 8,
        "out_indices": [1, 2, 3, 4],
        **changes.pop("backbone", {}),
    }
    config: dict[str, Any] = {
        "model_type": "detr",
        "use_timm_backbone": False,
        "backbone": None,
        "backbone_config": backbone,
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_ffn_dim": 48,
        "encoder_attention_heads": 8,
        "decoder_layers": 2,
        "decoder_ffn_dim": 40,
        "decoder_attention_heads": 4,
        "num_queries": 12,
        "id2label": {str(i): f"class {i}" for i in range(5)},
    }
    return {**config, **changes}


def tiny(**changes: Any) -> DetrConfig:
    """The record of `tiny_json`."""
    return read_config(tiny_json(**changes))


SEGMENTING = {"architectures": ["DetrForSegmentation"]}
# Norms before attention, and one after the encoder.
TABLE: dict[str, Any] = {"model_type": "table-transformer", "architectures": ["TableTransformerForObjectDetection"]}


def random_network(config: DetrConfig, seed: int = 0) -> Detr:
    """A network in evaluation mode with all weights random, so that no zero bias or unit norm hides a mistake."""
    network = Detr(config)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        normal = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        uniform = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            drawn = 0.5 + uniform
        elif name.startswith(("query_positions", "positions.")):
            drawn = normal
        elif tensor.ndim == 1 and name.endswith("weight"):
            drawn = 0.7 + 0.6 * uniform
        elif tensor.ndim == 1:
            drawn = 0.2 * normal
        else:
            drawn = normal * (1.5 / tensor[0].numel()) ** 0.5
        tensor.copy_(drawn)
    return network.eval()


def images(count: int, height: int, width: int, seed: int = 1) -> Tensor:
    """Random normalized float64 images [count, 3, height, width]: a coarse pattern under fine noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 3, 4, 5), generator=generator, dtype=torch.float64)
    fine = torch.rand((count, 3, height, width), generator=generator, dtype=torch.float64)
    mixed = 0.7 * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") + 0.3 * fine
    return 4 * mixed - 2


def padded(*sizes: tuple[int, int], seed: int = 1) -> tuple[Tensor, Tensor]:
    """Images of these heights and widths in one batch of zeros, and where they are image: bool [B, H, W]."""
    height, width = (max(side) for side in zip(*sizes, strict=True))
    pixels = torch.zeros(len(sizes), 3, height, width, dtype=torch.float64)
    mask = torch.zeros(len(sizes), height, width, dtype=torch.bool)
    for place, (h, w) in enumerate(sizes):
        pixels[place, :, :h, :w] = images(1, h, w, seed + place)[0]
        mask[place, :h, :w] = True
    return pixels, mask
