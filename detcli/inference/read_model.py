"""Files of a model -> one form of checkpoint, also for a .pth file of an original repository."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from detcli.checkpoints.checkpoint_files import (
    PUBLISHED_PREPROCESSING,
    Checkpoint,
    PreprocessorDocument,
    read_assumed,
    read_checkpoint,
    read_config,
    read_preprocessor,
)
from detcli.checkpoints.model_files import ModelFiles, is_exported, is_original, sha256_of_weights
from detcli.checkpoints.pth.pth_files import OriginalFile, read_original_file
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference.config_labels import read_labels
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.preprocessor_checks import check_fields, kind_of
from detcli.models.family import FAMILIES, ConversionHints, ConvertedWeights, Family, family_of
from detcli.structures.class_labels import ClassLabels

# Whether a file released by facebookresearch/detr is dilated, by the start of its sha256, which is in its name too. The
# names themselves prove nothing, since files can be renamed. Source: the hub file of the repository.
_RELEASED_DILATION = {
    "e632da11": False,
    "2c7b67e5": False,
    "00ce5173": False,
    "40021d53": False,
    "f0fb7ef5": True,
    "a2e86def": True,
    "da08f1b1": True,
}
_WEIGHTS_NOTES = {
    "ema": ("its weights are the moving average (EMA) of a training run",),
    "model": (),
    "bare": (),
}
_FIELDS_SHOWN = 8
_DC5 = {True: "dilated (DC5)", False: "not dilated"}


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A model of an original repository, converted to the form of the Hub.

    family      of the model
    checkpoint  config.json, preprocessor_config.json and tensors
    labels      class names and category ids
    """

    family: Family
    checkpoint: Checkpoint
    labels: ClassLabels


def read_model(files: ModelFiles) -> Checkpoint:
    """Read the files of a model, of the Hub or of an original repository without further arguments.

    Raises DamagedModelError for files that are truncated, missing or do not fit together, and UnsupportedModelError for
    weights of another kind and for an original file that needs more information; the message names the argument.
    """
    weights = files.folder / files.weights
    _check_is_checkpoint(weights)
    if is_original(weights) and not files.is_pickled:
        return read_original(weights, ConversionHints()).checkpoint
    checkpoint = read_checkpoint(files)
    family = family_of(checkpoint.config)
    document = PreprocessorDocument(checkpoint.preprocessor_file, checkpoint.preprocessor)
    checkpoint = replace(checkpoint, notes=(*checkpoint.notes, *_unread_fields(document, family)))
    if checkpoint.preprocessor:
        return checkpoint
    return replace(checkpoint, preprocessor=dict(family.preprocessor_of(family.read_config(checkpoint.config))))


@dataclass(frozen=True, slots=True)
class ModelDocuments:
    """The documents of a model without its weights.

    config        config.json
    preprocessor  preprocessor_config.json; without fields if it is missing
    assumed       what the model's files do not tell, as in a Checkpoint
    """

    config: dict[str, Any]
    preprocessor: PreprocessorDocument
    assumed: tuple[str, ...] = ()


def describe_model(files: ModelFiles) -> ModelDocuments:
    """Return the documents of a model, without reading the weights of a folder. Raises as `read_model` does."""
    _check_is_checkpoint(files.folder / files.weights)
    if is_original(files.folder / files.weights) and not files.is_pickled:
        checkpoint = read_model(files)
        return ModelDocuments(
            checkpoint.config, PreprocessorDocument(fields=checkpoint.preprocessor), checkpoint.assumed
        )
    config, preprocessor = read_config(files.folder), read_preprocessor(files)
    _unread_fields(preprocessor, family_of(config))
    return ModelDocuments(config, preprocessor, (*read_assumed(config), *preprocessor.assumed))


def _check_is_checkpoint(weights: Path) -> None:
    if is_exported(weights):
        raise UnsupportedModelError(
            f"'{weights}' is an exported file, which can only detect: use the checkpoint that it was exported from, which "
            f"'detcli models info {weights}' names"
        )


def _unread_fields(document: PreprocessorDocument, family: Family) -> list[str]:
    """Return a note on fields that are not read. Raises UnsupportedModelError for fields that change pixels, with the file."""
    try:
        kind_of(document.fields, str(family.preprocessor.get("image_processor_type")))
        unread = check_fields(document.fields, family.preprocessor)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{document.name}: {error}") from error
    names = ", ".join(unread[:_FIELDS_SHOWN]) + (", …" if len(unread) > _FIELDS_SHOWN else "")
    return [f"{document.name} has fields that detcli does not read: {names[:200]}"] if unread else []


def read_original(path: Path, hints: ConversionHints) -> ConvertedModel:
    """Read a .pth file of an original repository, recognized by its keys; or transformers' pytorch_model.bin.

    hints  information that is not in the file; the arguments in the file are added

    Raises DamagedModelError and UnsupportedModelError with the name of the file, UsageError for hints that are invalid for
    the family, such as an unsupported image size, and OutputError as `read_original_file` does.
    """
    _check_is_checkpoint(path)
    hub_files = ModelFiles(str(path), path.parent, weights=path.name)
    if hub_files.is_pickled:
        return _read_pickled(hub_files, hints)
    file = read_original_file(path)
    sha256 = sha256_of_weights(path)
    known = file.args.get("dilation", _RELEASED_DILATION.get(sha256[:8]))
    dilation = hints.dilation if hints.dilation is not None else _RELEASED_DILATION.get(sha256[:8])
    try:
        family, original = _recognize(file, replace(hints, dilation=dilation, args=file.args))
        tensors, warned = _hub_tensors(family, original)
    except (DamagedModelError, UnsupportedModelError) as error:
        raise type(error)(f"'{path}': {error}") from error
    if hints.dilation is not None and not family.dilated_models:
        raise UsageError("`dilation` is for DETR and Deformable DETR; these weights are of neither")
    preprocessor = {**family.preprocessor, **original.preprocessor}
    if hints.image_size_hw is not None:
        resized = Preprocessing.of({}, family).with_size(hints.image_size_hw, family.size_divisor)
        preprocessor["size"] = resized.sizing.as_json()
    labels = _labels(original.config.labels, hints)
    config = family.write_config(original.config)
    if labels.category_ids != ClassLabels.from_names(labels.names).category_ids:
        config["category_ids"] = list(labels.category_ids)
    conflicts = []
    if isinstance(known, bool) and hints.dilation not in (None, known):
        conflicts = [f"converted as {_DC5[not known]}, but the file is known to be {_DC5[known]}"]
    # A released file is known by its checksum; nothing about it is assumed.
    assumed = () if sha256[:8] in _RELEASED_DILATION else (*original.assumed, PUBLISHED_PREPROCESSING)
    said = [f"assumed, because the file does not tell: {', '.join(assumed)}"] if assumed else []
    notes = (*original.notes, *_WEIGHTS_NOTES[file.where], *said, *warned, *conflicts)
    if assumed:
        config["assumed"] = list(assumed)
    made = Checkpoint(
        config, preprocessor, tensors, sha256, tuple(f"'{path}': {note}" for note in notes), assumed=assumed
    )
    return ConvertedModel(family, made, labels)


def _read_pickled(files: ModelFiles, hints: ConversionHints) -> ConvertedModel:
    """Read transformers' pytorch_model.bin with config.json next to it. Raises UsageError for any hint: the file says it all."""
    given = {
        "labels": hints.labels,
        "dilation": hints.dilation,
        "image_size": hints.image_size_hw,
        "fields": hints.fields or None,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"`{name}` is for files of the original repositories; '{files.name}' has a config.json")
    checkpoint = read_model(files)
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    tensors, warned = _hub_tensors(family, ConvertedWeights(config, {}, checkpoint.tensors))
    preprocessor = checkpoint.preprocessor or dict(family.preprocessor)
    notes = (*checkpoint.notes, *(f"'{files.name}': {note}" for note in warned))
    return ConvertedModel(
        family,
        replace(checkpoint, preprocessor=preprocessor, tensors=tensors, notes=notes),
        read_labels(checkpoint.config, config.labels),
    )


def _recognize(file: OriginalFile, hints: ConversionHints) -> tuple[Family, ConvertedWeights]:
    """Return the family whose repository uses these tensor names, and the converted weights."""
    for family in FAMILIES.values():
        original = family.read_original(file.tensors, hints)
        if original is not None:
            return family, original
    first = next(iter(file.tensors), "")
    if first.startswith(("model.", "detr.model.", "class_labels_classifier.", "bbox_predictor.")):
        raise UnsupportedModelError(
            f"its tensors ('{first[:80]}' and others) have the names of the Hub: transformers reads it together with its "
            "config.json, and its save_pretrained() writes the model.safetensors that detcli takes"
        )
    raise UnsupportedModelError(
        f"its tensors ('{first[:80]}' and {len(file.tensors) - 1} more) have names of none of the repositories that detcli "
        "knows: D-FINE, RT-DETR, DETR and Deformable DETR"
    )


def _hub_tensors(family: Family, original: ConvertedWeights) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return all tensors, checked against the network, under the names of the Hub; and warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        state: Mapping[str, Tensor] = family.read_weights(original.tensors, original.config)
    return family.write_weights(state, original.config), tuple(str(warning.message) for warning in warned)


def _labels(names: tuple[str, ...], hints: ConversionHints) -> ClassLabels:
    """Return the labels; category ids of user-defined classes count from 0, as in all these repositories."""
    default = ClassLabels.from_names(names)
    counts_from_one = default.category_ids == tuple(range(1, len(names) + 1))
    return ClassLabels(names, tuple(range(len(names)))) if hints.labels is not None and counts_from_one else default
