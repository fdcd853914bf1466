"""The RT-DETR network: images in, boxes out. It accepts images of any size that is a multiple of its stride."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from detcli.models.backbones.resnet import ResNet
from detcli.models.layers.graph_capture import size_of_maps
from detcli.models.layers.hybrid_encoder import HybridEncoderOutput
from detcli.models.layers.input_checks import check_pixels, check_targets
from detcli.models.layers.norm import ConvNorm
from detcli.models.layers.query_selection import QuerySelection, SelectedQueries, Shapes
from detcli.models.losses.denoising import DenoisingLayout, DenoisingNoise, with_denoising
from detcli.models.losses.guidance import GuidedPredictions, guided_predictions
from detcli.models.losses.score_memory import check_score_memory
from detcli.models.rtdetr.config import RtDetrConfig
from detcli.models.rtdetr.decoder import RtDetrDecoder, RtDetrDecoderOutput
from detcli.models.rtdetr.encoder import rtdetr_encoder
from detcli.structures.network_io import Outputs, Targets


@dataclass(frozen=True, slots=True)
class RtDetrDetails:
    """Intermediate results, under transformers' names; A decoder layers.

    last_hidden_state              [B, Q, D] of the last decoder layer
    intermediate_hidden_states     [B, A, Q, D]
    intermediate_logits            [B, A, Q, K]
    intermediate_reference_points  [B, A, Q, 4] boxes, center and size
    decoder_hidden_states          [B, Q, D] before the first decoder layer and after each
    decoder_attentions             [B, M, Q, Q] of each decoder layer
    cross_attentions               [B, Q, M, P] of each decoder layer, over the points of all levels
    encoder_last_hidden_state      [B, D, H, W] of each level
    encoder_hidden_states          [B, D, H, W] before the first intra-scale encoder and after each
    encoder_attentions             [B, M, S, S] of each of their layers
    init_reference_points          [B, Q, 4] logits of the boxes that the decoder starts from
    enc_topk_logits                [B, Q, K] of the tokens selected as queries
    enc_topk_bboxes                [B, Q, 4] of the tokens selected as queries
    enc_topk_indices               [B, Q] of the tokens selected as queries
    enc_outputs_class              [B, S, K] of every token
    enc_outputs_coord_logits       [B, S, 4] of every token
    """

    last_hidden_state: Tensor
    intermediate_hidden_states: Tensor
    intermediate_logits: Tensor
    intermediate_reference_points: Tensor
    decoder_hidden_states: tuple[Tensor, ...]
    decoder_attentions: tuple[Tensor, ...]
    cross_attentions: tuple[Tensor, ...]
    encoder_last_hidden_state: tuple[Tensor, ...]
    encoder_hidden_states: tuple[Tensor, ...]
    encoder_attentions: tuple[Tensor, ...]
    init_reference_points: Tensor
    enc_topk_logits: Tensor
    enc_topk_bboxes: Tensor
    enc_topk_indices: Tensor
    enc_outputs_class: Tensor
    enc_outputs_coord_logits: Tensor | None


@dataclass(frozen=True, slots=True)
class LayerPredictions:
    """Predictions of the decoder for one kind of queries, of A layers.

    logits        [A, B, Q, K]
    boxes_cxcywh  [A, B, Q, 4]
    """

    logits: Tensor
    boxes_cxcywh: Tensor


@dataclass(frozen=True, slots=True)
class RtDetrTrainingDetails:
    """Details of outputs in training, for the criterion, if the network is called with targets.

    predictions     of the ordinary queries
    encoder_logits  [B, Q, K] of the encoder's tokens that the queries were selected from
    encoder_boxes   [B, Q, 4] likewise, center and size
    denoising       of the denoising queries, in the order of `layout`; None without denoising
    guided          of the queries of a guide, and of all tokens; None without a guide
    """

    predictions: LayerPredictions
    encoder_logits: Tensor
    encoder_boxes: Tensor
    denoising: LayerPredictions | None
    layout: DenoisingLayout | None
    guided: GuidedPredictions | None = None


class RtDetr(nn.Module):
    """RT-DETR (Zhao et al. 2023) or RT-DETRv2 (Lv et al. 2024) in training form; `Family.optimize` changes it."""

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet(config.backbone)
        self.encoder = rtdetr_encoder(config)
        self.level_projections = RtDetrLevelProjections(config)
        self.query_selection = QuerySelection(
            config.d_model,
            len(config.labels),
            config.num_queries,
            eps=config.layer_norm_eps,
            prior=config.initializer_bias_prior_prob,
            learned=config.learn_initial_query,
        )
        self.decoder = RtDetrDecoder(config)
        self.noise = DenoisingNoise(label_ratio=config.label_noise_ratio, box_scale=config.box_noise_scale)
        self.denoising_labels: nn.Embedding | None = None
        if config.num_denoising:
            labels = len(config.labels)
            self.denoising_labels = nn.Embedding(labels + 1, config.d_model, padding_idx=labels)
            nn.init.xavier_uniform_(self.denoising_labels.weight)

    def forward(
        self,
        pixels: Tensor,
        details: bool = False,
        targets: Sequence[Targets] | None = None,
        guide: Tensor | None = None,
    ) -> Outputs:
        """Predict boxes and classes.

        pixels   float [B, 3, H, W] RGB from 0 to 1; H and W multiples of the stride of the coarsest map: 32
        details  also return intermediate results, as RtDetrDetails; slightly slower
        targets  one per image, in training form: denoising queries are made from them, and the details are those that the
                 criterion needs, as RtDetrTrainingDetails; also in evaluation mode, for the loss of validation
        guide    int64 [B, G], with targets: the tokens that the queries of another network start from, best first; they are
                 decoded, too, and the details have `guided`

        Raises ValueError for pixels of another shape, and for targets that are not one per image.
        """
        check_pixels(pixels, divisor_hw=self.config.size_divisor)
        check_targets(targets, pixels)
        encoded = self.encoder(self.backbone(pixels), details=details)
        maps = self.level_projections(encoded.maps)
        shapes = tuple(size_of_maps(x) for x in maps)
        tokens = torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1)  # [B, S, D]
        selected = self.query_selection(tokens, shapes, details=details, guide=guide)
        if targets is not None:
            return self._train(selected, tokens, shapes, targets)
        decoded = self.decoder(selected.queries, selected.references.detach(), tokens, shapes, details=details)
        record = _details(encoded, selected, decoded) if details else None
        return Outputs(decoded.logits[-1], decoded.boxes_cxcywh[-1], record)

    def drop_training_parts(self) -> None:
        """Remove the denoising queries, and the stages of the backbone that no returned map depends on."""
        self.denoising_labels = None
        self.backbone.drop_unused()

    @property
    def num_queries(self) -> int:
        """Number of queries; fewer where there are fewer tokens."""
        return self.query_selection.count

    @property
    def num_decoder_layers(self) -> int:
        """Number of decoder layers."""
        return len(self.decoder.layers)

    @property
    def has_ranked_queries(self) -> bool:
        """Whether the queries are the best tokens of the encoder."""
        return True

    def keep_queries(self, count: int) -> None:
        """Select only the `count` best tokens, in place."""
        self.query_selection.count = count

    def keep_decoder_layers(self, count: int) -> None:
        """Predict after the first `count` layers, in place."""
        self.decoder.keep_layers(count)

    def _train(self, selected: SelectedQueries, tokens: Tensor, shapes: Shapes, targets: Sequence[Targets]) -> Outputs:
        """Decode denoising queries before the ordinary ones, and separate the predictions of both."""
        start = with_denoising(
            selected.queries,
            selected.references.detach(),
            targets,
            self.denoising_labels,
            total=self.config.num_denoising,
            noise=self.noise,
        )
        check_score_memory(
            images=len(targets),
            queries=start.queries.shape[1],
            scores_per_image=start.queries.shape[1] * len(self.decoder.layers) + selected.logits.shape[1],
            classes=self.query_selection.class_head.out_features,
            boxes=start.max_boxes,
            device=tokens.device,
        )
        decoded = self.decoder(start.queries, start.references, tokens, shapes, mask=start.mask, every_layer=True)
        logits, boxes = torch.stack(decoded.logits), torch.stack(decoded.boxes_cxcywh)
        split = start.denoising
        predictions = LayerPredictions(logits[:, :, split:], boxes[:, :, split:])
        record = RtDetrTrainingDetails(
            predictions=predictions,
            encoder_logits=selected.logits,
            encoder_boxes=selected.references.sigmoid(),
            denoising=LayerPredictions(logits[:, :, :split], boxes[:, :, :split]) if split else None,
            layout=start.layout,
            guided=guided_predictions(self.decoder, selected, tokens, shapes),
        )
        return Outputs(predictions.logits[-1], predictions.boxes_cxcywh[-1], record)


class RtDetrLevelProjections(nn.Module):
    """Projects the encoder's maps to the decoder's width, and makes the decoder's additional levels.

    Every additional level is made from the coarsest map, as in transformers; the original repository makes the second one
    from the first one, which no published model has.
    """

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        inputs, width, eps = config.encoder_hidden_dim, config.d_model, config.batch_norm_eps
        shapes = [(1, 1) if level < config.maps else (3, 2) for level in range(config.num_feature_levels)]
        self.levels = nn.ModuleList(
            ConvNorm(inputs, width, kernel, stride, norm=nn.BatchNorm2d(width, eps)) for kernel, stride in shapes
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One [B, D, H, W] for each of the encoder's maps -> one for each level of the decoder."""
        further = [maps[-1]] * (len(self.levels) - len(maps))
        return [level(x) for level, x in zip(self.levels, maps + further, strict=True)]


def _details(encoded: HybridEncoderOutput, selected: SelectedQueries, decoded: RtDetrDecoderOutput) -> RtDetrDetails:
    return RtDetrDetails(
        last_hidden_state=decoded.states[-1],
        intermediate_hidden_states=torch.stack(decoded.states, dim=1),
        intermediate_logits=torch.stack(decoded.logits, dim=1),
        intermediate_reference_points=torch.stack(decoded.boxes_cxcywh, dim=1),
        decoder_hidden_states=(selected.queries, *decoded.states),
        decoder_attentions=tuple(decoded.attentions),
        cross_attentions=tuple(decoded.cross_attentions),
        encoder_last_hidden_state=tuple(encoded.maps),
        encoder_hidden_states=encoded.states,
        encoder_attentions=encoded.attentions,
        init_reference_points=selected.references.detach(),
        enc_topk_logits=selected.logits,
        enc_topk_bboxes=selected.references.sigmoid(),
        enc_topk_indices=selected.indices,
        enc_outputs_class=cast("Tensor", selected.all_logits),
        enc_outputs_coord_logits=selected.all_boxes,
    )
