"""Weights under the names of the Hub, of any version of transformers, and back: the only border between them and ours."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.backbones.backbone_names import COUNTER, hub_backbone_name, our_backbone_name
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.network import Detr
from detcli.models.empty_weights import skeleton

_BACKBONE = "model.backbone.conv_encoder.model."
_MASK_ROOMS = ("mask_head.", "bbox_attention.")

# Names that only live in memory since transformers 5.8, and those on disk. A raw state_dict() has the former.
_IN_MEMORY = (
    (r"^model\.backbone\.model\.", _BACKBONE),
    (r"^model\.backbone\.position_embedding\.", "model.position_embedding."),  # 4.x, in memory and on disk
    (r"\.o_proj\.", ".out_proj."),
    (r"\.mlp\.(fc[12])\.", r".\1."),
    (r"^bbox_attention\.([qk])_proj\.", r"bbox_attention.\1_linear."),
    (r"^mask_head\.conv([12])\.conv\.", r"mask_head.lay\1."),
    (r"^mask_head\.conv([12])\.norm\.", r"mask_head.gn\1."),
    (r"^mask_head\.output_conv\.", "mask_head.out_lay."),
)
_STAGE = re.compile(r"mask_head\.fpn_stages\.(\d)\.(fpn_adapter|refine\.conv|refine\.norm)\.(.+)", re.ASCII)

# Pieces of a path, on disk and ours. They begin where a part of the path begins.
_LAYER = (
    ("self_attn.q_proj.", "attention.query."),
    ("self_attn.k_proj.", "attention.key."),
    ("self_attn.v_proj.", "attention.value."),
    ("self_attn.out_proj.", "attention.output."),
    ("self_attn_layer_norm.", "attention_norm."),
    ("encoder_attn.q_proj.", "cross_attention.query."),
    ("encoder_attn.k_proj.", "cross_attention.key."),
    ("encoder_attn.v_proj.", "cross_attention.value."),
    ("encoder_attn.out_proj.", "cross_attention.output."),
    ("encoder_attn_layer_norm.", "cross_attention_norm."),
    ("fc1.", "feed_forward.expand."),
    ("fc2.", "feed_forward.contract."),
    ("final_layer_norm.", "feed_forward.norm."),
)
_NONE: tuple[tuple[str, str], ...] = ()

# Beginning of a path on disk and ours, and the pieces that differ in the rest of it.
_ROOMS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("model.input_projection.", "input_projection.", _NONE),
    ("model.query_position_embeddings.", "query_positions.", _NONE),
    ("model.position_embedding.row_embeddings.", "positions.rows.", _NONE),
    ("model.position_embedding.column_embeddings.", "positions.columns.", _NONE),
    ("model.encoder.layers.", "encoder.layers.", _LAYER),
    ("model.decoder.layers.", "decoder.layers.", _LAYER),
    ("model.decoder.layernorm.", "decoder.norm.", _NONE),
    ("class_labels_classifier.", "class_head.", _NONE),
    ("bbox_predictor.", "box_head.", _NONE),
    ("bbox_attention.q_linear.", "mask_head.attention.query.", _NONE),
    ("bbox_attention.k_linear.", "mask_head.attention.key.", _NONE),
    ("mask_head.lay1.", "mask_head.enter.conv.", _NONE),
    ("mask_head.gn1.", "mask_head.enter.norm.", _NONE),
    *((f"mask_head.lay{i + 2}.", f"mask_head.steps.{i}.conv.", _NONE) for i in range(4)),
    *((f"mask_head.gn{i + 2}.", f"mask_head.steps.{i}.norm.", _NONE) for i in range(4)),
    *((f"mask_head.adapter{i + 1}.", f"mask_head.adapters.{i}.", _NONE) for i in range(3)),
    ("mask_head.out_lay.", "mask_head.output.", _NONE),
)


def read_weights(tensors: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
    """Bring tensors of the Hub into the network's own state dict: complete, checked, in float32.

    Takes what transformers 4.x and 5.x write, on disk or as a raw `state_dict()`, with a backbone in timm's names or in
    transformers' own, and with `detr.` before everything that is not the mask head's or without. Counters of batches are
    skipped.

    Raises DamagedModelError where tensors are missing, unexpected, misshapen, not of floats or there twice, naming the
    first and how many there are.
    """
    with skeleton():
        expected = Detr(config).state_dict()
    found: dict[str, str] = {}
    surplus: list[str] = []
    for source in tensors:
        name = _ours(source, config)
        if name in expected and _same(tensors, found.get(name), source):
            found[name] = source
        elif not source.endswith(COUNTER):
            surplus.append(f"'{source}'")
    missing = [f"'{_on_disk(name, config)}'" for name in expected if name not in found]
    misshapen = [
        f"'{found[name]}' of shape {list(tensors[found[name]].shape)} instead of {list(like.shape)}"
        for name, like in expected.items()
        if name in found and tensors[found[name]].shape != like.shape
    ]
    for kind, culprits in (("lack", missing), ("have no place for", surplus), ("do not fit: they have", misshapen)):
        if culprits:
            more = f" and {len(culprits) - 1} more tensors" if len(culprits) > 1 else ""
            raise DamagedModelError(f"the weights and config.json differ: the weights {kind} {culprits[0]}{more}")
    return {name: _converted(found[name], tensors[found[name]], like) for name, like in expected.items()}


def write_weights(state: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
    """Bring the state dict of a network in training form to the names of the Hub; every tensor has its own memory.

    Learned positions are written twice: transformers moved them from version 4 to 5, and looks for them in one place.
    """
    with skeleton():
        expected = Detr(config).state_dict()
    if state.keys() != expected.keys():
        odd = sorted(state.keys() ^ expected.keys())[0]
        raise ValueError(f"only the state of a whole network in training form can be written; '{odd}' is odd")
    written = {_on_disk(name, config): tensor.detach().clone().contiguous() for name, tensor in state.items()}
    now, before = "model.position_embedding.", "model.backbone.position_embedding."
    moved = {name.replace(now, before): tensor.clone() for name, tensor in written.items() if now in name}
    return written | moved


def _ours(name: str, config: DetrConfig) -> str | None:
    """Our name for one of a file's, or None."""
    name = name.removeprefix("detr.")
    for pattern, replacement in _IN_MEMORY:
        name = re.sub(pattern, replacement, name)
    if match := _STAGE.fullmatch(name):
        place, part, rest = int(match[1]), match[2], match[3]
        known = {
            "fpn_adapter": f"adapter{place + 1}",
            "refine.conv": f"lay{place + 3}",
            "refine.norm": f"gn{place + 3}",
        }
        name = f"mask_head.{known[part]}.{rest}"
    if name.startswith(_BACKBONE):
        backbone = our_backbone_name(name.removeprefix(_BACKBONE), config.backbone)
        return None if backbone is None else "backbone." + backbone
    for theirs, ours, pieces in _ROOMS:
        if name.startswith(theirs):
            return ours + _exchanged(name.removeprefix(theirs), pieces)
    return None


def _on_disk(name: str, config: DetrConfig) -> str:
    """The Hub's name for one of ours."""
    if name.startswith("backbone."):
        path = _BACKBONE + hub_backbone_name(name.removeprefix("backbone."), config.backbone)
    else:
        path = next(
            theirs + _exchanged(name.removeprefix(ours), [(mine, its) for its, mine in pieces])
            for theirs, ours, pieces in _ROOMS
            if name.startswith(ours)
        )
    return "detr." + path if config.has_masks and not path.startswith(_MASK_ROOMS) else path


def _exchanged(rest: str, pieces: Iterable[tuple[str, str]]) -> str:
    """Exchange the piece that follows the index of a layer."""
    index, dot, others = rest.partition(".")
    for old, new in pieces:
        if others.startswith(old):
            return index + dot + new + others.removeprefix(old)
    return rest


def _same(tensors: Mapping[str, Tensor], before: str | None, now: str) -> bool:
    """Whether a tensor is the first of its name, or the same as the one before: learned positions are written twice."""
    return before is None or torch.equal(tensors[before], tensors[now])


def _converted(source: str, tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor in the type the network has."""
    if like.is_floating_point() and not tensor.is_floating_point():
        raise DamagedModelError(
            f"the weights hold '{source}' as {str(tensor.dtype).removeprefix('torch.')}, not as floats"
        )
    return tensor.to(torch.float32) if like.is_floating_point() else tensor
