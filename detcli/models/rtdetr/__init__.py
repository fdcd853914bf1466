"""RT-DETR (Zhao et al. 2023) and RT-DETRv2 (Lv et al. 2024): a hybrid encoder, and queries that are its best tokens."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from detcli.models.conversion.class_rows import Classes, RowPairs
from detcli.models.detr_common.fixed_size import SIZE_DIVISOR, fixed_size_preprocessor
from detcli.models.family import ConversionHints, ConvertedWeights, Family, Json, ParameterGroup, TrainingStart
from detcli.models.rtdetr import original_checkpoint, published, weights
from detcli.models.rtdetr.config import MODEL_TYPES, RtDetrConfig, read_config, write_config
from detcli.models.rtdetr.criterion import RtDetrCriterion, criterion
from detcli.models.rtdetr.network import RtDetr
from detcli.models.rtdetr.parameter_groups import parameter_groups


class RtDetrFamily(Family):
    """RT-DETR and RT-DETRv2."""

    name = "rtdetr"
    model_types = tuple(MODEL_TYPES)
    size_divisor = SIZE_DIVISOR
    preprocessor: Json = fixed_size_preprocessor()
    scores: Literal["sigmoid", "softmax"] = "sigmoid"
    class_heads = ("query_selection.class_head.", "decoder.class_heads.")
    heads = (*class_heads, "denoising_labels.", "query_selection.box_head.", "decoder.box_heads.")
    encoder = ("encoder.",)
    dilated_models = False

    def read_config(self, config: Json) -> RtDetrConfig:
        return read_config(config)

    def write_config(self, config: RtDetrConfig) -> dict[str, Any]:
        return write_config(config)

    def published_config(self, variant: str, labels: Sequence[str]) -> RtDetrConfig:
        return published.published_config(variant, labels)

    def published_recipe(self, config: RtDetrConfig, start: TrainingStart, *, masks: bool = False) -> Json:
        return published.published_recipe(config, start)

    def build(self, config: RtDetrConfig) -> RtDetr:
        return RtDetr(config)

    def read_weights(self, tensors: Mapping[str, Tensor], config: RtDetrConfig) -> dict[str, Tensor]:
        return weights.read_weights(tensors, config)

    def write_weights(self, state: Mapping[str, Tensor], config: RtDetrConfig) -> dict[str, Tensor]:
        return weights.write_weights(state, config)

    def read_original(self, tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
        return original_checkpoint.read_original(tensors, hints)

    def token_strides(self, config: RtDetrConfig) -> tuple[tuple[int, int], ...]:
        return config.token_strides

    def criterion(self, config: RtDetrConfig) -> RtDetrCriterion:
        return criterion(config)

    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        return parameter_groups(network)

    def kept_rows(self, parameter: str, classes: Classes) -> RowPairs | None:
        """Keep rows of the class heads and of the label embedding; the padding row is always new."""
        return classes.same if parameter.startswith((*self.class_heads, "denoising_labels.")) else None


FAMILY = RtDetrFamily()
