"""Small D-FINE configurations, networks with random weights, and a comparison of two outputs of one network."""

from typing import Any

import torch
from torch import Tensor

from detcli.models.dfine.config import DFineConfig, read_config
from detcli.models.dfine.network import DFine
from detcli.structures.network_io import Outputs


def tiny_json(**changes: Any) -> dict[str, Any]:
    """A config.json of three maps, 32 wide and two decoder layers; `backbone` changes its backbone_config."""
    backbone = {
        "model_type": "hgnet_v2",
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 24, 32],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 24, 32, 40],
        "stage_num_blocks": [1, 1, 2, 1],
        "stage_numb_of_layers": [2, 1, 2, 1],
        "out_indices": [2, 3, 4],
        "out_features": ["stage2", "stage3", "stage4"],
        "embedding_size": 8,
        "hidden_sizes": [16, 24, 32, 40],
        "depths": [1, 1, 2, 1],
        **changes.pop("backbone", {}),
    }
    config: dict[str, Any] = {
        "model_type": "d_fine",
        "backbone_config": backbone,
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 48,
        "encoder_attention_heads": 4,
        "encoder_in_channels": [24, 32, 40],
        "decoder_in_channels": [32, 32, 32],
        "d_model": 32,
        "decoder_ffn_dim": 48,
        "decoder_attention_heads": 4,
        "decoder_layers": 2,
        "decoder_n_points": [3, 6, 3],
        "num_queries": 12,
        "depth_mult": 0.67,
        "hidden_expansion": 0.5,
        "lqe_hidden_dim": 16,
        "id2label": {str(i): f"class {i}" for i in range(5)},
    }
    return {**config, **changes}


def tiny(**changes: Any) -> DFineConfig:
    """The record of `tiny_json`."""
    return read_config(tiny_json(**changes))


def random_network(config: DFineConfig, seed: int = 0) -> DFine:
    """A network in evaluation mode with all weights random, so that no zero head or unit norm hides a mistake.

    Weights keep the size of what flows through them; statistics, biases and bins move by a tenth or two.
    """
    network = DFine(config)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or name.endswith("points_scale"):
            continue
        normal = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        uniform = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith(("reg_scale", "bins.up")):
            drawn = tensor.double() * (0.9 + 0.2 * uniform)
        elif name.endswith("running_var"):
            drawn = 0.5 + uniform
        elif name.endswith("affine.scale"):
            drawn = (0.6 + 0.8 * uniform) * normal.sign()  # learnable affines may turn a map upside down
        elif tensor.ndim == 1 and name.endswith("weight"):
            drawn = 0.7 + 0.6 * uniform
        elif tensor.ndim == 1:
            drawn = 0.2 * normal
        else:
            drawn = normal * (1.5 / tensor[0].numel()) ** 0.5
        tensor.copy_(drawn)
    return network.eval()


def images(count: int, height: int, width: int, seed: int = 1) -> Tensor:
    """Random float64 images [count, 3, height, width]: a coarse pattern under fine noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 3, height // 16, width // 16), generator=generator, dtype=torch.float64)
    fine = torch.rand((count, 3, height, width), generator=generator, dtype=torch.float64)
    return 0.7 * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") + 0.3 * fine


def distance(one: Outputs, logits: Tensor, boxes: Tensor) -> tuple[float, float]:
    """Largest difference of logits and boxes, after pairing queries: ranks of tokens with equal scores may swap.

    Pairing is by nearest boxes and logits together, and must be one to one.
    """
    a = torch.cat((one.logits, one.boxes_cxcywh), dim=-1).double()
    b = torch.cat((logits, boxes), dim=-1).double()
    nearest = torch.cdist(a, b).argmin(-1)  # [B, Q]
    for row in nearest:
        assert row.unique().numel() == row.numel(), "two queries have the same nearest partner"
    difference = (a - b.gather(1, nearest[..., None].expand_as(b))).abs()
    return float(difference[..., :-4].max()), float(difference[..., -4:].max())
