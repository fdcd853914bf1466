"""DETR (Carion et al. 2020): object detection as set prediction, with a transformer over the complete image.

Table Transformer (Smock et al. 2022) is the same network with norms before attention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn

from detcli.errors import UsageError
from detcli.models.conversion.class_rows import Classes, RowPairs
from detcli.models.detr import original_checkpoint, published, weights
from detcli.models.detr.config import DetrConfig, read_config, write_config
from detcli.models.detr.criterion import criterion
from detcli.models.detr.network import Detr
from detcli.models.detr.parameter_groups import parameter_groups
from detcli.models.detr_common.many_sizes import many_sizes_preprocessor
from detcli.models.family import ConversionHints, ConvertedWeights, Family, Json, ParameterGroup, TrainingStart
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion


class DetrFamily(Family):
    """DETR and Table Transformer."""

    name = "detr"
    model_types = ("detr", "table-transformer")
    size_divisor = 1
    preprocessor: Json = many_sizes_preprocessor("DetrImageProcessor")
    scores: Literal["sigmoid", "softmax"] = "softmax"
    class_heads = ("class_head.",)
    heads = (*class_heads, "box_head.", "mask_head.")
    encoder = ("input_projection.", "encoder.")
    dilated_models = True

    def read_config(self, config: Json) -> DetrConfig:
        return read_config(config)

    def write_config(self, config: DetrConfig) -> dict[str, Any]:
        return write_config(config)

    def published_config(self, variant: str, labels: Sequence[str]) -> DetrConfig:
        return published.published_config(variant, labels)

    def published_recipe(self, config: DetrConfig, start: TrainingStart, *, masks: bool = False) -> Json:
        return published.published_recipe(config, start, masks=masks)

    def build(self, config: DetrConfig) -> Detr:
        return Detr(config)

    def read_weights(self, tensors: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
        return weights.read_weights(tensors, config)

    def write_weights(self, state: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
        return weights.write_weights(state, config)

    def read_original(self, tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
        return original_checkpoint.read_original(tensors, hints)

    def criterion(self, config: DetrConfig) -> LayerwiseCriterion:
        return criterion(config)

    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        return parameter_groups(network)

    def kept_rows(self, parameter: str, classes: Classes) -> RowPairs | None:
        """Keep rows of the class head, and always the last row, for "no object"."""
        return (*classes.same, (classes.new, classes.old)) if parameter.startswith(self.class_heads) else None

    def preprocessor_of(self, config: DetrConfig) -> Json:
        task = published.table_task(config.num_queries) if config.pre_norm else None
        return self.preprocessor if task is None else {**self.preprocessor, "size": task.size}

    def has_masks(self, config: DetrConfig) -> bool:
        return config.has_masks

    def with_mask_head(self, config: DetrConfig) -> DetrConfig:
        if config.pre_norm:
            raise UsageError("`masks`: a Table Transformer has no mask head; a DETR has one, such as 'detr-r50'")
        return replace(config, has_masks=True)


FAMILY = DetrFamily()
