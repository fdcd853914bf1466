"""A tiny saved DETR with a mask head: four classes, two of them stuff, random weights that give segments."""

from pathlib import Path

LABELS = ("person", "dog", "sky", "grass")
PREPROCESSOR = {
    "image_processor_type": "DetrImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 64, "longest_edge": 96},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_pad": True,
}
# Standard deviations of some weights, such that queries differ in class and in mask.
_LIVELY = {
    "query_positions.weight": 4.0,
    "class_head.weight": 0.4,
    "mask_head.attention.query.weight": 1.0,
    "mask_head.attention.key.weight": 1.0,
    "mask_head.enter.conv.weight": 0.3,
    "mask_head.output.weight": 1.5,
}


# Attention that is spread over the cells, and a mask head that takes more of it: no two queries have nearly the same mask.
_DISTINCT = _LIVELY | {"mask_head.attention.query.weight": 0.2, "mask_head.attention.key.weight": 0.2}
_ATTENTION_FACTOR = 10.0


def write_panoptic_model(folder: Path, seed: int = 10, *, distinct_masks: bool = False) -> Path:
    """Write the model; returns its folder.

    distinct_masks  segments do not depend on rounding; else the mask logits of many queries are almost equal, and
                    another kernel may give a pixel to another query
    """
    import torch

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.models.backbones.resnet import ResNetConfig
    from detcli.models.detr import FAMILY
    from detcli.models.detr.config import DetrConfig

    backbone = ResNetConfig(
        depths=(1, 1, 1, 1),
        hidden_sizes=(16, 16, 24, 32),
        layer_type="basic",
        embedding_size=8,
        out_indices=(1, 2, 3, 4),
    )
    config = DetrConfig(
        labels=LABELS,
        backbone=backbone,
        has_masks=True,
        d_model=32,
        num_queries=12,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = FAMILY.build(config)
        state = network.state_dict()
        for name, spread in (_DISTINCT if distinct_masks else _LIVELY).items():
            state[name].normal_(0, spread)
        if distinct_masks:
            state["mask_head.enter.conv.weight"][:, config.d_model :] *= _ATTENTION_FACTOR
    tensors = FAMILY.write_weights(network.state_dict(), config)
    write_checkpoint(folder, FAMILY.write_config(config) | {"stuff": [2, 3]}, PREPROCESSOR, tensors)
    return folder
