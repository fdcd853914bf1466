"""The files of a model without its network: described, and converted from those of an original repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.checkpoints.model_files import ModelFiles
from detcli.checkpoints.score_threshold import StoredThreshold, read_score_threshold
from detcli.inference.config_labels import read_labels
from detcli.inference.read_model import ConvertedModel, read_original
from detcli.inference.read_model import describe_model as read_configs
from detcli.models.family import ConversionHints, family_of
from detcli.structures.class_labels import ClassLabels

__all__ = ["ConversionHints", "ConvertedModel", "ModelDescription", "convert_original", "describe_files"]


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What the configuration of a model says.

    model_type  as config.json names it
    family      as detcli names it
    assumed     what its files do not tell, with the value that is taken
    threshold   that `eval` or `train` wrote; None: none
    """

    model_type: str
    family: str
    task: Literal["panoptic", "detection"]
    labels: ClassLabels
    assumed: tuple[str, ...]
    threshold: StoredThreshold | None = None


def describe_files(files: ModelFiles) -> ModelDescription:
    """Read the configuration of a model. Raises ModelError where it is damaged or unsupported."""
    documents = read_configs(files)
    config = documents.config
    family = family_of(config)
    record = family.read_config(config)
    task: Literal["panoptic", "detection"] = "panoptic" if family.has_masks(record) else "detection"
    labels = read_labels(config, record.labels, files.dataset)
    return ModelDescription(
        config["model_type"], family.name, task, labels, documents.assumed, read_score_threshold(config)
    )


def convert_original(weights: Path, output: Path, hints: ConversionHints) -> ConvertedModel:
    """Write the weights of an original repository as a folder in the form of the Hub; returns what was read.

    Raises ModelError for a file that cannot be converted, OutputError where the folder cannot be written.
    """
    converted = read_original(weights, hints)
    made = converted.checkpoint
    write_checkpoint(output, made.config, made.preprocessor, made.tensors)
    return converted
