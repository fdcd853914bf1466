"""The interface of the model families, and their registry."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from detcli.errors import UnsupportedModelError, UsageError
from detcli.models.conversion.class_rows import Classes, RowPairs, with_rows_of
from detcli.models.inference_form import NetworkT, optimize
from detcli.registry import Registry
from detcli.structures.network_io import Outputs, Targets

Json = Mapping[str, Any]

# Random weights; those of a trained model; those of a D-FINE that was trained on Objects365.
TrainingStart = Literal["scratch", "custom", "objects365"]


class Criterion(Protocol):
    """The losses of training."""

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Compute the losses of the outputs of `network(pixels, targets=targets)`.

        returns every loss by its name, a scalar already multiplied by its weight; training minimizes their sum.
        Losses are divided by counts that are means over all processes.
        """


@runtime_checkable
class ClassWeighted(Criterion, Protocol):
    """A criterion whose classification loss may have weights of classes.

    class_weights  float [number of classes], the factor of the loss of queries that are assigned to a box of the class; the
                   loss of queries without a box, and that of other classes, is unchanged. None: no weights
    """

    class_weights: Tensor | None


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters with the same optimizer settings.

    names   as in the network's `named_parameters`
    rate    which of the recipe's learning rates they have
    decay   whether they have weight decay
    factor  of the learning rate
    """

    names: tuple[str, ...]
    rate: Literal["base", "backbone"]
    decay: bool
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ReplacedClassHead:
    """A model changed to other classes.

    config  the configuration with the new classes
    state   the state dict of its network
    kept    indices of new classes whose rows are already trained
    """

    config: Any
    state: dict[str, Tensor]
    kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConversionHints:
    """What the names and shapes of an original repository's weights do not show.

    labels         class names by class index; None: those of the published dataset with that number of classes, if any
    fields         fields of config.json that the user gives, of those that the tensors do not tell
    dilation       the last stage of the backbone is dilated (DC5); None: unknown
    args           of the training run, as in the file, nested ones with dotted names; empty if it has none
    image_size_hw  of the training images, if the user gives it
    variant        of the network, if the user gives it
    """

    labels: tuple[str, ...] | None = None
    dilation: bool | None = None
    args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    image_size_hw: tuple[int, int] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class ConvertedWeights:
    """Weights of an original repository, converted to the Hub's names.

    config        the family's configuration
    preprocessor  fields of preprocessor_config.json that differ from the family's defaults
    tensors       by names that `read_weights` accepts
    notes         sentences for the user
    assumed       what the file does not tell, with the value that is taken: "num_queries=300"
    tells_preprocessing  whether the file says how images are prepared
    variant       that is assumed, where the tensors may be those of another one
    """

    config: Any
    preprocessor: dict[str, Any]
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    tells_preprocessing: bool = False
    variant: str | None = None


class ModelConfig(Protocol):
    """The frozen configuration record of a model, whatever its family."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by class index."""
        ...


@runtime_checkable
class SegmentationNetwork(Protocol):
    """A network that may have a mask head."""

    def configure_masks(self, *, enabled: bool, score_threshold: float = 0.0) -> None:
        """Choose which masks a forward pass computes.

        enabled          False: the mask head is skipped, and the outputs have no masks
        score_threshold  in evaluation, masks are computed only for queries whose best class scores above it; 0: for all

        Raises ValueError where masks are enabled and the network has no mask head.
        """
        ...


@runtime_checkable
class Family(Protocol):
    """One model family: its configuration, networks, weights and recipes.

    name            of its folder
    model_types     values of `model_type` in config.json that belong to this family
    size_divisor    height and width of the network's input must be multiples of this
    preprocessor    preprocessor_config.json of checkpoints that have none
    scores          how logits become scores: sigmoid, the best pairs of query and class; or softmax, the best class of
                    each query, where the last logit means "no object"
    class_heads     prefixes of the class heads' parameters
    heads           prefixes of the parameters that read classes, boxes and masks from the decoder, class heads among them
    encoder         prefixes of the encoder's parameters, with those of its input projections
    dilated_models  whether some of its models have a dilated last stage of the backbone (DC5)
    """

    name: str
    model_types: tuple[str, ...]
    size_divisor: int
    preprocessor: Json
    scores: Literal["sigmoid", "softmax"]
    class_heads: tuple[str, ...]
    heads: tuple[str, ...]
    encoder: tuple[str, ...]
    dilated_models: bool

    @abstractmethod
    def read_config(self, config: Json) -> ModelConfig:
        """Read config.json into the family's record. Raises UnsupportedModelError naming the invalid field."""

    @abstractmethod
    def write_config(self, config: Any) -> dict[str, Any]:
        """Write the record as config.json, as transformers reads it."""

    @abstractmethod
    def published_config(self, variant: str, labels: Sequence[str]) -> ModelConfig:
        """The configuration of a published model, with these class names.

        variant  what follows the family's name in the catalog's: "r50", say
        """

    @abstractmethod
    def published_recipe(self, config: Any, start: TrainingStart, *, masks: bool = False) -> Json:
        """The training recipe published for a configuration: fields that differ from a recipe's defaults.

        start  the weights that training starts from
        masks  a network that predicts boxes learns masks

        From random weights the backbone learns at the full rate and no part of it is frozen. The published backbones
        were trained on ImageNet, and learn at a fraction of the rate.
        """

    @abstractmethod
    def build(self, config: Any) -> nn.Module:
        """Build the network in training form, with random weights, on the current default device.

        `network(pixels [B, 3, H, W])` gives Outputs. Families that take images of many sizes also accept a Batch's
        mask, `network(pixels, mask)`. `targets=targets` gives outputs whose details the criterion reads: in training mode,
        and in evaluation mode for the loss of validation.
        """

    @abstractmethod
    def read_weights(self, tensors: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """Convert tensors in any naming of the Hub to the network's complete state dict.

        Raises DamagedModelError for tensors that are missing, unexpected or of a wrong shape, naming the first one.
        """

    @abstractmethod
    def write_weights(self, state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """Convert the network's state dict to tensors that every version of transformers reads."""

    @abstractmethod
    def read_original(self, tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
        """Convert tensors of the family's original repository; None where their names are not of that repository.

        Raises UnsupportedModelError naming the missing hint, and DamagedModelError for missing or invalid tensors.
        """

    @abstractmethod
    def criterion(self, config: Any) -> Criterion:
        """The losses of training."""

    @abstractmethod
    def parameter_groups(self, network: nn.Module) -> tuple[ParameterGroup, ...]:
        """The network's trainable parameters, grouped by how they are optimized; each is in one group."""

    @abstractmethod
    def kept_rows(self, parameter: str, classes: Classes) -> RowPairs | None:
        """Rows of a parameter to keep when the classes change, as (new row, old row); None: all of the parameter."""

    def preprocessor_of(self, config: Any) -> Json:
        """preprocessor_config.json of a checkpoint of this configuration that has none."""
        return self.preprocessor

    def has_masks(self, config: Any) -> bool:
        """Whether the network of a configuration has a mask head; it is then a SegmentationNetwork."""
        return False

    def with_mask_head(self, config: Any) -> ModelConfig:
        """The configuration of the same network with a mask head. Raises UsageError for a family without one."""
        raise UsageError(f"`masks`: a network of the family '{self.name}' has no mask head; those of 'detr' have one")

    def token_strides(self, config: Any) -> tuple[tuple[int, int], ...] | None:
        """Strides (down, right) of the maps whose cells are the tokens that queries are selected from; None: queries are learned.

        A network with these can learn from a teacher, and be one: it accepts `guide`, its details name the tokens of its
        queries (`enc_topk_indices`), and those of training have `guided`.
        """
        return None

    def optimize(self, network: NetworkT) -> NetworkT:
        """Change a network to its inference form, in place, and return it; see `inference_form.optimize`."""
        return optimize(network)

    def replace_class_head(self, state: Mapping[str, Tensor], config: Any, labels: Sequence[str]) -> ReplacedClassHead:
        """Change a state dict to other classes.

        Rows of classes with the same name (in any case) are kept; other rows have new random values, drawn from torch's
        default generator. If two classes of the checkpoint share a name, the first one counts.
        """
        classes = Classes.matched(config.labels, labels)
        replaced = replace(config, labels=tuple(labels))
        made: dict[str, Tensor] = {}
        for name, fresh in self.build(replaced).state_dict().items():
            rows = self.kept_rows(name, classes)
            made[name] = state[name] if rows is None else with_rows_of(fresh, state[name], rows)
        return ReplacedClassHead(replaced, made, tuple(new for new, _ in classes.same))


def _check(name: str, family: Family) -> None:
    if not isinstance(family, Family) or family.name != name:
        raise TypeError("it must be a detcli.models.family.Family with the name of its entry point")


FAMILIES: Registry[Family] = Registry(
    "model family",
    {
        "dfine": "detcli.models.dfine:FAMILY",
        "detr": "detcli.models.detr:FAMILY",
        "deformable_detr": "detcli.models.deformable_detr:FAMILY",
        "rtdetr": "detcli.models.rtdetr:FAMILY",
    },
    group="detcli.families",
    check=_check,
)

# model_type of config.json -> family: finding one does not import the others.
MODEL_TYPES: dict[str, str] = {
    "d_fine": "dfine",
    "detr": "detr",
    "table-transformer": "detr",
    "deformable_detr": "deformable_detr",
    "rt_detr": "rtdetr",
    "rt_detr_v2": "rtdetr",
}


def family_of(config: Json) -> Family:
    """The family that a config.json belongs to. Raises UnsupportedModelError for an unknown model type."""
    model_type = config.get("model_type")
    if isinstance(model_type, str):
        if model_type in MODEL_TYPES:
            return FAMILIES[MODEL_TYPES[model_type]]
        for name in FAMILIES.plug_ins():
            if model_type in FAMILIES[name].model_types:
                return FAMILIES[name]
    known = ", ".join(sorted(MODEL_TYPES))
    raise UnsupportedModelError(f"config.json: unsupported model_type {str(model_type)[:60]!r}; supported are {known}")
