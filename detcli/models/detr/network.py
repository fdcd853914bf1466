"""The DETR network: images of any size in, one box per query out, and a mask per query with a mask head."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from detcli.models.backbones.backbone_config import BackboneConfig, make_backbone
from detcli.models.backbones.resnet import ResNet, ResNetConfig
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.mask_head import MaskHead
from detcli.models.detr.transformer import DetrDecoder, DetrDecoderOutput, DetrEncoder, DetrEncoderOutput, real_cells
from detcli.models.layers.graph_capture import is_captured, size_of_maps
from detcli.models.layers.heads import Mlp
from detcli.models.layers.input_checks import check_mask, check_pixels, check_targets
from detcli.models.layers.position import LearnedPositions, sine_positions
from detcli.models.losses.score_memory import check_score_memory
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets

_ROUNDING = 1e-3  # of a probability, also where the network runs in half precision


@dataclass(frozen=True, slots=True)
class DetrDetails:
    """Intermediate results, under transformers' names; the first dimension is always B.

    last_hidden_state          [B, Q, D] of the decoder, after its norm
    decoder_hidden_states      [B, Q, D] before the first decoder layer and after each, the last one after the norm
    decoder_attentions         [B, M, Q, Q] of each decoder layer
    cross_attentions           [B, M, Q, S] of each decoder layer
    encoder_last_hidden_state  [B, S, D]
    encoder_hidden_states      [B, S, D] before the first encoder layer and after each
    encoder_attentions         [B, M, S, S] of each encoder layer
    """

    last_hidden_state: Tensor
    decoder_hidden_states: tuple[Tensor, ...]
    decoder_attentions: tuple[Tensor, ...]
    cross_attentions: tuple[Tensor, ...]
    encoder_last_hidden_state: Tensor
    encoder_hidden_states: tuple[Tensor, ...]
    encoder_attentions: tuple[Tensor, ...]


class Detr(nn.Module):
    """DETR (Carion et al. 2020) in training form; `Family.optimize` changes it to its inference form.

    A network with a mask head computes the masks of all queries, unless `configure_masks` says otherwise.
    """

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        width = config.d_model
        self.backbone = make_backbone(_backbone(config))
        self.input_projection = nn.Conv2d(self.backbone.out_channels[-1], width, 1)
        self.positions = LearnedPositions(width) if config.position_embedding_type == "learned" else None
        self.query_positions = nn.Embedding(config.num_queries, width)
        self.encoder = DetrEncoder(config)
        self.decoder = DetrDecoder(config)
        self.class_head = nn.Linear(width, len(config.labels) + 1)
        self.box_head = Mlp(width, width, 4, 3)
        self.mask_head: MaskHead | None = None
        if config.has_masks:
            self.mask_head = MaskHead(config, self.backbone.out_channels[2::-1])
        self._masks_enabled = config.has_masks
        self._mask_score_threshold = 0.0

    def forward(
        self,
        pixels: Tensor,
        mask: Tensor | None = None,
        details: bool = False,
        targets: Sequence[Targets] | None = None,
    ) -> Outputs:
        """Predict boxes and classes, and masks.

        pixels   float [B, 3, H, W] RGB, normalized with ImageNet's mean and std; zeros in the padding
        mask     bool [B, H, W], True where a pixel is image (the upper left one always is); None: all are
        details  also return intermediate results, as DetrDetails; needs more time and memory
        targets  one per image: the details are those that the criterion needs, as SetTrainingDetails; also in evaluation
                 mode, for the loss of validation

        Raises ValueError for pixels or a mask of another shape, and for targets that are not one per image.
        """
        check_pixels(pixels)
        check_mask(mask, pixels)
        check_targets(targets, pixels)
        maps = self.backbone(pixels)
        projected = self.input_projection(maps[-1])  # [B, D, H', W']
        size_hw = size_of_maps(projected)
        cells = None if _has_no_padding(mask) or mask is None else real_cells(mask, size_hw)
        token_mask = None if cells is None else cells.flatten(1)[:, None, None]
        positions = self._positions(projected, cells)

        if targets is not None:
            check_score_memory(
                images=len(targets),
                queries=self.query_positions.num_embeddings,
                scores_per_image=self.query_positions.num_embeddings * len(self.decoder.layers),
                classes=self.class_head.out_features,
                boxes=max(len(target.class_ids) for target in targets),
                device=pixels.device,
            )
        encoded = self.encoder(projected.flatten(2).transpose(-2, -1), positions, token_mask, details=details)
        memory = encoded.tokens
        decoded = self.decoder(
            self.query_positions.weight[None],
            memory,
            memory + positions,
            token_mask,
            every_layer=targets is not None,
            details=details,
        )
        queries = decoded.normed[-1]
        logits = self.class_head(queries)
        masks = None
        if self.mask_head is not None and self._masks_enabled:
            memory_map = memory.transpose(-2, -1).view(projected.shape)
            masks = self.mask_head(
                queries, projected, memory_map, maps[2::-1], cells, selected=self._queries_with_masks(logits)
            )
        if targets is not None:
            return self._train(decoded, masks, mask)
        record = _details(encoded, decoded) if details else None
        return Outputs(logits, self.box_head(queries).sigmoid(), record, masks)

    def configure_masks(self, *, enabled: bool, score_threshold: float = 0.0) -> None:
        """Choose which masks a forward pass computes; see SegmentationNetwork.

        The logits of a mask that is not computed are far below zero. Masks within a rounding error of the threshold are
        computed.
        """
        if enabled and self.mask_head is None:
            raise ValueError("masks cannot be enabled: the network has no mask head")
        self._masks_enabled = enabled
        self._mask_score_threshold = score_threshold

    def drop_training_parts(self) -> None:
        """Remove the backbone's stages that no returned map depends on."""
        if isinstance(self.backbone, ResNet):
            self.backbone.drop_unused()

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return self.query_positions.num_embeddings

    @property
    def num_decoder_layers(self) -> int:
        """Number of decoder layers that run in inference."""
        return len(self.decoder.layers)

    @property
    def has_ranked_queries(self) -> bool:
        """Whether the queries are the best tokens of the encoder."""
        return False

    def keep_queries(self, count: int) -> None:
        """Raise ValueError for fewer queries: they are learned, and not ranked."""
        if count != self.num_queries:
            raise ValueError("learned queries are not ranked")

    def keep_decoder_layers(self, count: int) -> None:
        """Predict after the first `count` layers, in place."""
        self.decoder.layers = self.decoder.layers[:count]

    def _queries_with_masks(self, logits: Tensor) -> Tensor | None:
        """Queries [B, Q] whose best class score is above the threshold or NaN; None: all."""
        if self.training or self._mask_score_threshold <= 0 or is_captured():
            return None
        below: Tensor = logits.softmax(-1)[..., :-1].amax(-1) <= self._mask_score_threshold - _ROUNDING
        return ~below

    def _train(self, decoded: DetrDecoderOutput, masks: Tensor | None, mask: Tensor | None) -> Outputs:
        queries = torch.stack(decoded.normed)  # [A, B, Q, D]
        record = SetTrainingDetails(self.class_head(queries), self.box_head(queries).sigmoid(), masks, mask=mask)
        return Outputs(record.logits[-1], record.boxes_cxcywh[-1], record, masks)

    def _positions(self, projected: Tensor, cells: Tensor | None) -> Tensor:
        """Positions of the map's tokens: [B or 1, S, D]."""
        size_hw = size_of_maps(projected)
        if self.positions is not None:
            learned: Tensor = self.positions(size_hw)
            return learned
        width = projected.shape[1]
        return sine_positions(size_hw, cells, channels=width, device=projected.device, dtype=projected.dtype)


def _backbone(config: DetrConfig) -> BackboneConfig:
    """The backbone's configuration; without a mask head only its last map is needed."""
    if config.has_masks or not isinstance(config.backbone, ResNetConfig):
        return config.backbone
    return replace(config.backbone, out_indices=config.backbone.out_indices[-1:])


def _has_no_padding(mask: Tensor | None) -> bool:
    """Whether there is certainly no padding; not checked on a GPU, where reading the mask would wait for the device."""
    if mask is None:
        return True
    return mask.device.type == "cpu" and not is_captured() and bool(mask.all())


def _details(encoded: DetrEncoderOutput, decoded: DetrDecoderOutput) -> DetrDetails:
    return DetrDetails(
        last_hidden_state=decoded.normed[-1],
        decoder_hidden_states=(*decoded.states[:-1], decoded.normed[-1]),
        decoder_attentions=decoded.attentions,
        cross_attentions=decoded.cross_attentions,
        encoder_last_hidden_state=encoded.tokens,
        encoder_hidden_states=encoded.states,
        encoder_attentions=encoded.attentions,
    )
