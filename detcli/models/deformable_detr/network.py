"""The Deformable DETR network: images of any size in, boxes out; a mask marks their padding."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.backbones.backbone_config import make_backbone
from detcli.models.backbones.resnet import ResNet
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.decoder import DeformableDecoder, DeformableDecoderOutput
from detcli.models.deformable_detr.decoder_queries import DecoderQueries, EncoderProposals, LearnedQueries
from detcli.models.deformable_detr.encoder import (
    DeformableEncoder,
    DeformableEncoderOutput,
    DeformableLevelProjections,
    Shapes,
)
from detcli.models.layers.graph_capture import size_of_maps
from detcli.models.layers.input_checks import check_mask, check_pixels, check_targets
from detcli.models.layers.position import LearnedPositions, sine_positions
from detcli.models.losses.score_memory import check_score_memory
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets


@dataclass(frozen=True, slots=True)
class DeformableDetrDetails:
    """Intermediate results, under transformers' names; A decoder layers.

    logits                         [B, A, Q, K]
    pred_boxes                     [B, A, Q, 4]
    init_reference_points          [B, Q, 2 or 4] the decoder's first reference points
    last_hidden_state              [B, Q, D] of the last decoder layer
    intermediate_hidden_states     [B, A, Q, D]
    intermediate_reference_points  [B, Q, 2 or 4] after each decoder layer: boxes with box refinement
    decoder_hidden_states          [B, Q, D] before the first decoder layer and after each
    decoder_attentions             [B, M, Q, Q] of each decoder layer
    cross_attentions               [B, Q, M, L, P] of each decoder layer
    encoder_last_hidden_state      [B, S, D]
    encoder_hidden_states          [B, S, D] before the first encoder layer and after each
    encoder_attentions             [B, S, M, L, P] of each encoder layer
    enc_outputs_class              [B, S, K] of every token's proposal; None with learned queries
    enc_outputs_coord_logits       [B, S, 4] likewise
    """

    logits: Tensor
    pred_boxes: Tensor
    init_reference_points: Tensor
    last_hidden_state: Tensor
    intermediate_hidden_states: Tensor
    intermediate_reference_points: tuple[Tensor, ...]
    decoder_hidden_states: tuple[Tensor, ...]
    decoder_attentions: tuple[Tensor, ...]
    cross_attentions: tuple[Tensor, ...]
    encoder_last_hidden_state: Tensor
    encoder_hidden_states: tuple[Tensor, ...]
    encoder_attentions: tuple[Tensor, ...]
    enc_outputs_class: Tensor | None
    enc_outputs_coord_logits: Tensor | None


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The tokens of all levels of a batch, and their positions.

    tokens      [B, S, D] of maps of these shapes, finest first
    positions   [B or 1, S, D]
    references  [B or 1, S, L, 2] reference point of each token, as fractions of each map with its padding
    padding     bool [B, S], True where a token is padding; None: no padding
    ratios      [B, L, 2] fraction of each map's width and height that is image; None: all
    """

    tokens: Tensor
    positions: Tensor
    references: Tensor
    shapes_hw: Shapes
    padding: Tensor | None = field(default=None)
    ratios: Tensor | None = field(default=None)


class DeformableDetr(nn.Module):
    """Deformable DETR (Zhu et al. 2020) in training form; `Family.optimize` changes it to its inference form."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.width = config.d_model
        self.backbone = make_backbone(config.backbone)
        self.projections = DeformableLevelProjections(config, self.backbone.out_channels)
        self.level_embeddings = nn.Parameter(torch.empty(config.num_feature_levels, config.d_model))
        nn.init.normal_(self.level_embeddings)
        learned = config.position_embedding_type == "learned"
        self.positions = LearnedPositions(config.d_model) if learned else None
        self.encoder = DeformableEncoder(config)
        self.query_source: EncoderProposals | LearnedQueries = (
            EncoderProposals(config) if config.two_stage else LearnedQueries(config)
        )
        self.decoder = DeformableDecoder(config)

    def forward(
        self,
        pixels: Tensor,
        mask: Tensor | None = None,
        details: bool = False,
        targets: Sequence[Targets] | None = None,
    ) -> Outputs:
        """Predict boxes and classes.

        pixels   float [B, 3, H, W] RGB, normalized as in training
        mask     bool [B, H, W], True where a pixel is image; None: all are
        details  also return intermediate results, as DeformableDetrDetails; slower
        targets  one per image: the details are those that the criterion needs, as SetTrainingDetails; also in evaluation
                 mode, for the loss of validation

        Raises ValueError for pixels or a mask of another shape, and for targets that are not one per image.
        """
        check_pixels(pixels)
        check_mask(mask, pixels)
        check_targets(targets, pixels)
        image_tokens = self.image_tokens(pixels, mask)
        encoded = self.encoder(
            image_tokens.tokens,
            image_tokens.positions,
            image_tokens.references,
            image_tokens.shapes_hw,
            padding=image_tokens.padding,
            details=details,
        )
        if targets is not None:
            self._check_memory(encoded.tokens, targets)
        queries = self._decoder_queries(encoded.tokens, image_tokens, all_proposals=details or targets is not None)
        decoded = self.decoder(
            queries,
            encoded.tokens,
            image_tokens.ratios,
            image_tokens.shapes_hw,
            padding=image_tokens.padding,
            details=details,
            every_layer=targets is not None,
        )
        record: object | None = None
        if targets is not None:
            record = _training_details(queries, decoded, mask)
        elif details:
            record = _details(encoded, queries, decoded)
        return Outputs(decoded.logits[-1], decoded.boxes_cxcywh[-1], record)

    def drop_training_parts(self) -> None:
        """Remove the backbone's stages that no returned map depends on."""
        if isinstance(self.backbone, ResNet):
            self.backbone.drop_unused()

    @property
    def num_queries(self) -> int:
        """Number of queries; fewer in two-stage networks where there are fewer tokens."""
        return self.query_source.count

    @property
    def num_decoder_layers(self) -> int:
        """Number of decoder layers that run in inference."""
        return len(self.decoder.layers)

    @property
    def has_ranked_queries(self) -> bool:
        """Whether the queries are the best tokens of the encoder."""
        return isinstance(self.query_source, EncoderProposals)

    def keep_queries(self, count: int) -> None:
        """Take only the `count` best proposals, in place. Raises ValueError for learned queries, which are not ranked."""
        if isinstance(self.query_source, EncoderProposals):
            self.query_source.count = count
        elif count != self.query_source.count:
            raise ValueError("learned queries are not ranked")

    def keep_decoder_layers(self, count: int) -> None:
        """Predict after the first `count` layers, in place."""
        self.decoder.keep_layers(count)

    def image_tokens(self, pixels: Tensor, mask: Tensor | None) -> ImageTokens:
        """Convert images [B, 3, H, W] and their mask [B, H, W] to tokens."""
        levels = self.projections(self.backbone(pixels))
        shapes = tuple(size_of_maps(x) for x in levels)
        tokens = torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in levels], dim=1)
        masks = None if mask is None else [resized_mask(mask, shape) for shape in shapes]
        exact = torch.promote_types(tokens.dtype, torch.float32)
        ratios = None if masks is None else torch.stack([valid_ratios(x, exact) for x in masks], dim=1)
        padding = None if masks is None else ~torch.cat([x.flatten(1) for x in masks], dim=1)
        positions = self._positions(shapes, masks, tokens)
        return ImageTokens(
            tokens, positions, reference_points(shapes, ratios, tokens.device, exact), shapes, padding, ratios
        )

    def _positions(self, shapes_hw: Shapes, masks: Sequence[Tensor] | None, tokens: Tensor) -> Tensor:
        """Position and level embeddings of each token: [B or 1, S, D]."""
        parts = []
        for level, shape in enumerate(shapes_hw):
            if self.positions is not None:
                part = self.positions(shape).to(tokens.dtype)
            else:
                own = None if masks is None else masks[level]
                part = sine_positions(
                    shape, own, channels=self.width, shift=-0.5, device=tokens.device, dtype=tokens.dtype
                )
            parts.append(part + self.level_embeddings[level].to(tokens.dtype))
        return torch.cat(parts, dim=1)

    def _check_memory(self, tokens: Tensor, targets: Sequence[Targets]) -> None:
        """Raise DeviceError if the scores of a training step, in two-stage models also of all tokens, need too much."""
        proposals = tokens.shape[1] if isinstance(self.query_source, EncoderProposals) else 0
        queries = self.query_source.count
        check_score_memory(
            images=len(targets),
            queries=queries,
            scores_per_image=proposals + queries * len(self.decoder.layers),
            classes=cast("nn.Linear", self.decoder.class_heads[-1]).out_features,
            boxes=max(len(target.class_ids) for target in targets),
            device=tokens.device,
        )

    def _decoder_queries(self, tokens: Tensor, image_tokens: ImageTokens, *, all_proposals: bool) -> DecoderQueries:
        if isinstance(self.query_source, EncoderProposals):
            proposed: DecoderQueries = self.query_source(
                tokens,
                image_tokens.ratios,
                image_tokens.shapes_hw,
                padding=image_tokens.padding,
                all_proposals=all_proposals,
            )
            return proposed
        learned: DecoderQueries = self.query_source(tokens)
        return learned


def resized_mask(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A mask bool [B, H, W] in the size of a map, from the upper left pixel of each cell."""
    return F.interpolate(mask[:, None].float(), size_hw, mode="nearest")[:, 0] > 0


def valid_ratios(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Fractions [B, 2] of the width and height of a map that are image, from its first row and column."""
    across, down = mask[:, 0].sum(1).to(dtype) / mask.shape[2], mask[:, :, 0].sum(1).to(dtype) / mask.shape[1]
    return torch.stack((across, down), dim=-1)


def reference_points(shapes_hw: Shapes, ratios: Tensor | None, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The center of each token's cell [B or 1, S, L, 2], as fractions of each map with its padding."""
    levels = []
    for level, (height, width) in enumerate(shapes_hw):
        y = (torch.arange(height, device=device, dtype=dtype) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=dtype) + 0.5) / width
        own = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), dim=-1).flatten(0, 1)[None]
        levels.append(own if ratios is None else own / ratios[:, level, None])  # of the image without its padding
    points = torch.cat(levels, dim=1)[:, :, None]
    return points.expand(-1, -1, len(shapes_hw), -1) if ratios is None else points * ratios[:, None]


def _training_details(
    queries: DecoderQueries, decoded: DeformableDecoderOutput, mask: Tensor | None
) -> SetTrainingDetails:
    return SetTrainingDetails(
        logits=torch.stack(decoded.logits),
        boxes_cxcywh=torch.stack(decoded.boxes_cxcywh),
        encoder_logits=queries.all_logits,
        encoder_boxes_cxcywh=None if queries.all_boxes is None else queries.all_boxes.sigmoid(),
        mask=mask,
    )


def _details(
    encoded: DeformableEncoderOutput, queries: DecoderQueries, decoded: DeformableDecoderOutput
) -> DeformableDetrDetails:
    return DeformableDetrDetails(
        logits=torch.stack(decoded.logits, dim=1),
        pred_boxes=torch.stack(decoded.boxes_cxcywh, dim=1),
        init_reference_points=queries.references,
        last_hidden_state=decoded.states[-1],
        intermediate_hidden_states=torch.stack(decoded.states, dim=1),
        intermediate_reference_points=tuple(decoded.references),
        decoder_hidden_states=(queries.queries, *decoded.states),
        decoder_attentions=tuple(decoded.attentions),
        cross_attentions=tuple(decoded.cross_attentions),
        encoder_last_hidden_state=encoded.tokens,
        encoder_hidden_states=tuple(encoded.states),
        encoder_attentions=tuple(encoded.attentions),
        enc_outputs_class=queries.all_logits,
        enc_outputs_coord_logits=queries.all_boxes,
    )
