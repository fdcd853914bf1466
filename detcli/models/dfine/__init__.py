"""D-FINE (Peng et al. 2024): boxes as distributions over edge offsets, refined layer by layer."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from detcli.models.conversion.class_rows import Classes, RowPairs
from detcli.models.detr_common.fixed_size import SIZE_DIVISOR, fixed_size_preprocessor
from detcli.models.dfine import original_checkpoint, published, weights
from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.criterion import DFineCriterion, criterion
from detcli.models.dfine.network import DFine
from detcli.models.dfine.parameter_groups import parameter_groups
from detcli.models.family import ConversionHints, ConvertedWeights, Family, Json, ParameterGroup, TrainingStart


class DFineFamily(Family):
    """D-FINE."""

    name = "dfine"
    model_types = ("d_fine",)
    size_divisor = SIZE_DIVISOR
    preprocessor: Json = fixed_size_preprocessor()
    scores: Literal["sigmoid", "softmax"] = "sigmoid"
    class_heads = ("query_selection.class_head.", "decoder.class_heads.")
    heads = (
        *class_heads, "denoising_labels.", "query_selection.box_head.", "decoder.initial_box_head.",
        "decoder.corner_heads.", "decoder.quality_heads.", "decoder.bins.",
    )  # fmt: skip
    encoder = ("encoder.",)
    dilated_models = False

    def read_config(self, config: Json) -> DFineConfig:
        return read_config(config)

    def write_config(self, config: DFineConfig) -> dict[str, Any]:
        return write_config(config)

    def published_config(self, variant: str, labels: Sequence[str]) -> DFineConfig:
        return published.published_config(variant, labels)

    def published_recipe(self, config: DFineConfig, start: TrainingStart, *, masks: bool = False) -> Json:
        return published.published_recipe(config, start)

    def build(self, config: DFineConfig) -> DFine:
        return DFine(config)

    def read_weights(self, tensors: Mapping[str, Tensor], config: DFineConfig) -> dict[str, Tensor]:
        return weights.read_weights(tensors, config)

    def write_weights(self, state: Mapping[str, Tensor], config: DFineConfig) -> dict[str, Tensor]:
        return weights.write_weights(state, config)

    def read_original(self, tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
        return original_checkpoint.read_original(tensors, hints)

    def token_strides(self, config: DFineConfig) -> tuple[tuple[int, int], ...]:
        return config.token_strides

    def criterion(self, config: DFineConfig) -> DFineCriterion:
        return criterion(config)

    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        return parameter_groups(network)

    def kept_rows(self, parameter: str, classes: Classes) -> RowPairs | None:
        """Keep rows of the class heads and of the label embedding; the padding row is always new."""
        return classes.same if parameter.startswith((*self.class_heads, "denoising_labels.")) else None


FAMILY = DFineFamily()
