"""Files of a model -> one form of checkpoint, also for a .pth file of an original repository."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detcli.argument_checks import check_choice
from detcli.checkpoints.checkpoint_files import (
    PUBLISHED_PREPROCESSING,
    Checkpoint,
    PreprocessorDocument,
    read_assumed,
    read_checkpoint,
    read_config,
    read_preprocessor,
)
from detcli.checkpoints.model_files import VARIANTS, ModelFiles, is_exported, is_original, sha256_of_weights
from detcli.checkpoints.pth.pth_files import read_original_file
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference.config_labels import read_labels
from detcli.inference.preprocessing.letterbox import is_letterboxed
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.preprocessor_checks import check_fields, kind_of
from detcli.inference.recognize_original import hub_tensors, labels_of_file, recognize, taken_variant
from detcli.models.conversion.original_names import LABELS
from detcli.models.family import ConversionHints, ConvertedWeights, Family, family_of
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
_WITH_VARIANTS = ("dfine",)  # families
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
    weights of another kind and for an original file that needs more information; the message names the argument. UsageError
    for a variant that the files tell.
    """
    weights = files.folder / files.weights
    _check_is_checkpoint(weights)
    if is_original(weights) and not files.is_pickled:
        return read_original(weights, ConversionHints(variant=files.variant)).checkpoint
    refuse_variant(files)
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
    refuse_variant(files)
    config, preprocessor = read_config(files.folder), read_preprocessor(files)
    _unread_fields(preprocessor, family_of(config))
    return ModelDocuments(config, preprocessor, (*read_assumed(config), *preprocessor.assumed))


def refuse_variant(files: ModelFiles) -> None:
    """Raise UsageError if the user gives the variant of a model whose config.json tells it."""
    if files.variant is not None:
        raise UsageError(
            f"`variant` is for .pth files of D-FINE, DEIM and RT-DETRv4; '{files.name}' says itself how it computes"
        )


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
    if hints.variant is not None:
        check_choice("variant", hints.variant, VARIANTS)
    _check_is_checkpoint(path)
    hub_files = ModelFiles(str(path), path.parent, weights=path.name)
    if hub_files.is_pickled:
        return _read_pickled(hub_files, hints)
    file = read_original_file(path)
    sha256 = sha256_of_weights(path)
    known = file.args.get("dilation", _RELEASED_DILATION.get(sha256[:8]))
    dilation = hints.dilation if hints.dilation is not None else _RELEASED_DILATION.get(sha256[:8])
    try:
        family, original = recognize(file, replace(hints, dilation=dilation, args=file.args))
        tensors, warned = hub_tensors(family, original)
    except (DamagedModelError, UnsupportedModelError) as error:
        raise type(error)(f"'{path}': {error}") from error
    if hints.dilation is not None and not family.dilated_models:
        raise UsageError("`dilation` is for DETR and Deformable DETR; these weights are of neither")
    if hints.variant is not None and family.name not in _WITH_VARIANTS:
        raise UsageError("`variant` is for D-FINE, DEIM and RT-DETRv4; these weights are of none of them")
    taken = taken_variant(path, original)
    preprocessor = {**family.preprocessor, **original.preprocessor}
    if hints.image_size_hw is not None:
        resized = Preprocessing.of({}, family).with_size(hints.image_size_hw, family.size_divisor)
        if not is_letterboxed(preprocessor):  # which has this size already
            preprocessor["size"] = resized.sizing.as_json()
    labels = labels_of_file(original.config.labels, are_named=hints.labels is not None or LABELS in file.args)
    config = family.write_config(original.config)
    if labels.category_ids != ClassLabels.from_names(labels.names).category_ids:
        config["category_ids"] = list(labels.category_ids)
    conflicts = []
    if isinstance(known, bool) and hints.dilation not in (None, known):
        conflicts = [f"converted as {_DC5[not known]}, but the file is known to be {_DC5[known]}"]
    # A released file is known by its checksum; nothing about it is assumed.
    published = () if original.tells_preprocessing else (PUBLISHED_PREPROCESSING,)
    assumed = () if sha256[:8] in _RELEASED_DILATION else (*original.assumed, *published)
    said = [f"assumed, because the file does not tell: {', '.join(assumed)}"] if assumed else []
    notes = (*original.notes, *_WEIGHTS_NOTES[file.where], *taken, *said, *warned, *conflicts)
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
        "variant": hints.variant,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"`{name}` is for files of the original repositories; '{files.name}' has a config.json")
    checkpoint = read_model(files)
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    tensors, warned = hub_tensors(family, ConvertedWeights(config, {}, checkpoint.tensors))
    preprocessor = checkpoint.preprocessor or dict(family.preprocessor)
    notes = (*checkpoint.notes, *(f"'{files.name}': {note}" for note in warned))
    return ConvertedModel(
        family,
        replace(checkpoint, preprocessor=preprocessor, tensors=tensors, notes=notes),
        read_labels(checkpoint.config, config.labels),
    )
