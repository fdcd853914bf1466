"""A tiny D-FINE checkpoint on disk, whose seeded weights find things anywhere: whole to read, quick to run."""

from pathlib import Path
from typing import Any

TINY_CONFIG: dict[str, Any] = {
    "model_type": "d_fine",
    "backbone_config": {
        "model_type": "hgnet_v2",
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 32, 32],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 32, 32],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "use_learnable_affine_block": True,
        "out_features": ["stage3", "stage4"],
        "out_indices": [3, 4],
    },
    "encoder_in_channels": [32, 32],
    "decoder_in_channels": [32, 32],
    "feat_strides": [16, 32],
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encode_proj_layers": [1],
    "d_model": 32,
    "decoder_ffn_dim": 32,
    "num_feature_levels": 2,
    "decoder_n_points": [2, 2],
    "decoder_layers": 2,
    "num_queries": 20,
    "hidden_expansion": 0.34,
    "depth_mult": 0.34,
    "id2label": {"0": "cat", "1": "dog", "2": "cow"},
}
TINY_PREPROCESSOR: dict[str, Any] = {
    "size": {"height": 64, "width": 96},
    "do_resize": True,
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
}


def write_tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint and hand its folder back."""
    import torch

    from detcli.checkpoints.files import write_checkpoint
    from detcli.models.dfine import FAMILY

    config = FAMILY.read_config(TINY_CONFIG)
    torch.manual_seed(seed)
    network = FAMILY.build(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5)
        for name, parameter in network.named_parameters():
            if "class_heads" in name and parameter.ndim == 1:
                parameter.uniform_(-2, 0)
    tensors = FAMILY.write_weights(network.state_dict(), config)
    write_checkpoint(folder, FAMILY.write_config(config), TINY_PREPROCESSOR, tensors)
    return folder
