"""Deformable DETR (Zhu et al. 2020): each query attends to a few sampling points of multi-scale feature maps."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from detcli.models.conversion.class_rows import Classes, RowPairs
from detcli.models.deformable_detr import original_checkpoint, published, weights
from detcli.models.deformable_detr.config import DeformableDetrConfig, read_config, write_config
from detcli.models.deformable_detr.criterion import criterion
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.deformable_detr.parameter_groups import parameter_groups
from detcli.models.detr_common.many_sizes import many_sizes_preprocessor
from detcli.models.family import ConversionHints, ConvertedWeights, Family, Json, ParameterGroup, TrainingStart
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion


class DeformableDetrFamily(Family):
    """Deformable DETR."""

    name = "deformable_detr"
    model_types = ("deformable_detr",)
    size_divisor = 1
    preprocessor: Json = many_sizes_preprocessor("DeformableDetrImageProcessor")
    scores: Literal["sigmoid", "softmax"] = "sigmoid"
    class_heads = ("decoder.class_heads.", "query_source.class_head.")
    heads = (*class_heads, "decoder.box_heads.", "query_source.box_head.")
    encoder = ("projections.", "level_embeddings", "encoder.")
    dilated_models = True

    def read_config(self, config: Json) -> DeformableDetrConfig:
        return read_config(config)

    def write_config(self, config: DeformableDetrConfig) -> dict[str, Any]:
        return write_config(config)

    def published_config(self, variant: str, labels: Sequence[str]) -> DeformableDetrConfig:
        return published.published_config(variant, labels)

    def published_recipe(self, config: DeformableDetrConfig, start: TrainingStart, *, masks: bool = False) -> Json:
        return published.published_recipe(start, masks=masks)

    def build(self, config: DeformableDetrConfig) -> DeformableDetr:
        return DeformableDetr(config)

    def read_weights(self, tensors: Mapping[str, Tensor], config: DeformableDetrConfig) -> dict[str, Tensor]:
        return weights.read_weights(tensors, config)

    def write_weights(self, state: Mapping[str, Tensor], config: DeformableDetrConfig) -> dict[str, Tensor]:
        return weights.write_weights(state, config)

    def read_original(self, tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
        return original_checkpoint.read_original(tensors, hints)

    def criterion(self, config: DeformableDetrConfig) -> LayerwiseCriterion:
        return criterion(config)

    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        return parameter_groups(network)

    def kept_rows(self, parameter: str, classes: Classes) -> RowPairs | None:
        """Keep rows of the class heads, and always the first row of the proposals' class head.

        Proposals are ranked by their first logit, whatever the first class is.
        """
        if parameter.startswith("query_source.class_head."):
            return ((0, 0),)
        return classes.same if parameter.startswith(self.class_heads) else None


FAMILY = DeformableDetrFamily()
