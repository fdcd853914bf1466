"""A model's files as a checkpoint of one form, also where they are a .pth of an original repository."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from detcli.checkpoints.checkpoint_files import Checkpoint, read_checkpoint, read_config
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import PREPROCESSOR, ModelFiles, is_original, sha256_of_weights
from detcli.checkpoints.pth.pth_files import OriginalFile, read_original_file
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference.preprocess import Preprocessing
from detcli.models.family import FAMILIES, ConversionHints, ConvertedWeights, Family
from detcli.structures.class_labels import ClassLabels

# Whether a file that facebookresearch/detr released is dilated, by the beginning of its sha256, which its name holds
# too; the names themselves say nothing, since anybody may give them. Source: the repository's hub file.
_RELEASED_DILATION = {
    "e632da11": False,
    "2c7b67e5": False,
    "00ce5173": False,
    "40021d53": False,
    "f0fb7ef5": True,
    "a2e86def": True,
    "da08f1b1": True,
}
_WHERE = {
    "ema": ("its weights are the moving average (EMA) of a training run",),
    "model": (),
    "bare": (),
}
_DC5 = {True: "dilated (DC5)", False: "not dilated"}


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A model of an original repository in the Hub's form.

    family      it belongs to
    checkpoint  config.json, preprocessor_config.json and tensors
    labels      of its classes
    """

    family: Family
    checkpoint: Checkpoint
    labels: ClassLabels


def read_model(files: ModelFiles) -> Checkpoint:
    """Read a model's files, of whichever form; an original's needs no more than what it tells itself.

    Raises DamagedModelError for what is torn, missing or does not fit, and UnsupportedModelError for weights of another
    kind, and for an original that something has to be said of, naming how.
    """
    weights = files.folder / files.weights
    return read_original(weights, ConversionHints()).checkpoint if is_original(weights) else read_checkpoint(files)


def describe_model(files: ModelFiles) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json and preprocessor_config.json of a model; of a folder's, without a look at its weights.

    The second is empty where there is none. Raises as `read_model` does.
    """
    if is_original(files.folder / files.weights):
        checkpoint = read_model(files)
        return checkpoint.config, checkpoint.preprocessor
    preprocessor = files.folder / PREPROCESSOR
    return read_config(files.folder), read_document(preprocessor) if preprocessor.is_file() else {}


def read_original(path: Path, hints: ConversionHints) -> ConvertedModel:
    """Read a .pth of an original repository, recognised by its keys.

    hints  what the file does not tell; its own arguments are added to them

    Raises DamagedModelError and UnsupportedModelError, naming the file, and UsageError for hints that make no sense for
    the family, such as an image size that the network cannot have; OutputError as `read_original_file` does.
    """
    file = read_original_file(path)
    sha256 = sha256_of_weights(path)
    known = file.args.get("dilation", _RELEASED_DILATION.get(sha256[:8]))
    dilation = hints.dilation if hints.dilation is not None else _RELEASED_DILATION.get(sha256[:8])
    try:
        family, original = _recognise(file, replace(hints, dilation=dilation, args=file.args))
        tensors, warned = _in_the_form_of_the_hub(family, original)
    except (DamagedModelError, UnsupportedModelError) as error:
        raise type(error)(f"'{path}': {error}") from error
    if hints.dilation is not None and not family.dilated_models:
        raise UsageError("--dc5 and --no-dc5 are for DETR and Deformable DETR; the weights are of neither")
    preprocessor = {**family.preprocessor, **original.preprocessor}
    if hints.image_size_hw is not None:
        asked = Preprocessing.of({}, family).with_size(hints.image_size_hw, family.size_divisor)
        preprocessor["size"] = asked.sizing.as_json()
    labels = _labels(original.config.labels, hints)
    config = family.write_config(original.config)
    if labels.category_ids != ClassLabels.from_names(labels.names).category_ids:
        config["category_ids"] = list(labels.category_ids)
    overruled = []
    if isinstance(known, bool) and hints.dilation not in (None, known):
        overruled = [f"taken as {_DC5[not known]}, though what is known of the file says {_DC5[known]}"]
    notes = tuple(f"'{path}': {note}" for note in (*original.notes, *_WHERE[file.where], *warned, *overruled))
    return ConvertedModel(family, Checkpoint(config, preprocessor, tensors, sha256, notes), labels)


def _recognise(file: OriginalFile, hints: ConversionHints) -> tuple[Family, ConvertedWeights]:
    """The family whose repository wrote such names, and what it makes of them."""
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
        "knows: D-FINE, DETR and Deformable DETR"
    )


def _in_the_form_of_the_hub(family: Family, original: ConvertedWeights) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """All tensors, checked against the network, under every name that a file of the Hub has them; and warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        state: Mapping[str, Tensor] = family.read_weights(original.tensors, original.config)
    return family.write_weights(state, original.config), tuple(str(warning.message) for warning in warned)


def _labels(names: tuple[str, ...], hints: ConversionHints) -> ClassLabels:
    """The labels; classes that the user names count from 0, as all three repositories count categories."""
    usual = ClassLabels.from_names(names)
    counts_from_one = usual.category_ids == tuple(range(1, len(names) + 1))
    return ClassLabels(names, tuple(range(len(names)))) if hints.labels is not None and counts_from_one else usual
