"""The door of the model families: what a family offers, and the table of those who do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.registry import Registry
from detcli.structures.outputs import Outputs, Targets

Json = Mapping[str, Any]


class Criterion(Protocol):
    """What a network minimises in training."""

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Judge the answers `network(pixels, targets=targets)` gave in training mode.

        returns every loss by its name, a scalar already multiplied by its weight: their sum is what to minimise.
        Counts that losses are divided by are those of all processes together, divided by the number of processes.
        """


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that learn alike.

    names   as the network's `named_parameters` has them
    rate    which of the recipe's learning rates is theirs
    decay   whether the recipe's weight decay takes hold of them
    factor  of the rate
    """

    names: tuple[str, ...]
    rate: Literal["base", "backbone"]
    decay: bool
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ReplacedClassHead:
    """A network's state made to fit other classes.

    config  the record with the new classes
    state   the state dict of a network of that record
    kept    class indices, of the new classes, whose rows were learned before
    """

    config: Any
    state: dict[str, Tensor]
    kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConversionHints:
    """What the keys of an original repository's weights cannot tell.

    labels    names by class index; None: those of the published data for that number of classes, where there are some
    dilation  the last stage of the backbone keeps its resolution (DC5); None: nobody has said
    args      of the training run, as the file holds them; empty where it holds none
    image_size_hw  of the images it was trained on, where the user says it
    """

    labels: tuple[str, ...] | None = None
    dilation: bool | None = None
    args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    image_size_hw: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ConvertedWeights:
    """Weights of an original repository, told in the Hub's terms.

    config        the family's record
    preprocessor  fields of preprocessor_config.json that differ from the family's own
    tensors       by the names that `read_weights` takes
    notes         sentences for the user: what was taken for granted
    """

    config: Any
    preprocessor: dict[str, Any]
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One model family, as everything outside its folder sees it.

    name           of its folder
    model_types    values of `model_type` in config.json that mean this family
    size_divisor   each side of the network's input must be a multiple of this
    read_config    config.json -> the family's own frozen record; raises UnsupportedModelError naming the field
    write_config   the record -> config.json, as transformers reads it
    preprocessor   preprocessor_config.json of networks that come without one
    scores         how logits become scores: sigmoid and the best of queries and classes together, or softmax, of which
                   the last one means nothing, and the best class of each query
    build          the record -> network in training form; `network(pixels [B, 3, H, W]) -> Outputs`, also
                   `network(pixels, mask)` with a Batch's mask where the family takes images of many sizes, and in
                   training mode with `targets=targets`, whose details the criterion looks at.
                   Builds on the current default device, so also under `torch.device("meta")`
    published      what follows the family's name in the catalog's, and labels -> the published record
    segments       the record -> whether the network has a mask head; such a network has an attribute `gives_masks`,
                   True, and leaves the head out where it is set to False; and one `masks_above`, 0.0: in evaluation it
                   spares itself the masks of queries whose best class is no surer
    label_names    the record -> names by class index
    read_weights   tensors in any naming of the Hub -> the network's own state dict, complete and strictly checked
                   against the record; raises DamagedModelError naming the first culprit and their number
    write_weights  the network's state dict -> tensors as every version of transformers reads them
    read_original  tensors in the naming of the family's original repository, and hints -> the model; None where the
                   keys are not of that repository. Raises UnsupportedModelError naming what has to be said by a hint,
                   and DamagedModelError for keys that are missing or do not fit
    optimize       network -> the same network in its inference form, in place: norms folded, dead layers dropped
    criterion      the record -> what the network minimises in training
    groups         network -> its parameters that learn, by how they learn; each in one group
    relabel        state dict, its record, names of other classes -> the same for these classes: rows of classes with
                   the same name are kept, all others begin anew from torch's random numbers
    """

    name: str
    model_types: tuple[str, ...]
    size_divisor: int
    preprocessor: Json
    scores: Literal["sigmoid", "softmax"]
    read_config: Callable[[Json], Any]
    write_config: Callable[[Any], dict[str, Any]]
    build: Callable[[Any], nn.Module]
    published: Callable[[str, Sequence[str]], Any]
    segments: Callable[[Any], bool]
    label_names: Callable[[Any], tuple[str, ...]]
    read_weights: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]
    write_weights: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]
    read_original: Callable[[Mapping[str, Tensor], ConversionHints], ConvertedWeights | None]
    optimize: Callable[[nn.Module], nn.Module]
    criterion: Callable[[Any], Criterion]
    groups: Callable[[nn.Module], tuple[ParameterGroup, ...]]
    relabel: Callable[[Mapping[str, Tensor], Any, Sequence[str]], ReplacedClassHead]


FAMILIES: Registry[Family] = Registry(
    "model family",
    {
        "dfine": "detcli.models.dfine:FAMILY",
        "detr": "detcli.models.detr:FAMILY",
        "deformable_detr": "detcli.models.deformable_detr:FAMILY",
    },
)

# model_type of config.json -> family, so that recognising one imports no other.
MODEL_TYPES: dict[str, str] = {"d_fine": "dfine", "detr": "detr", "deformable_detr": "deformable_detr"}


def family_of(config: Json) -> Family:
    """The family that a config.json belongs to. Raises UnsupportedModelError for a model type nobody here knows."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
        known = ", ".join(sorted(MODEL_TYPES))
        raise UnsupportedModelError(f"config.json says model_type {str(model_type)[:60]!r}; detcli knows {known}")
    return FAMILIES[MODEL_TYPES[model_type]]
