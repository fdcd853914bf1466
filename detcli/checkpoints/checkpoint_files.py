"""Checkpoints as files: config.json, preprocessor_config.json and model.safetensors; read strictly, written atomically."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import CONFIG, PREPROCESSOR, PROCESSOR, WEIGHTS, ModelFiles, sha256_of_weights
from detcli.checkpoints.pth.pth_files import read_original_file
from detcli.checkpoints.safetensors_files import read_tensors
from detcli.checkpoints.tensor_names import plain_names
from detcli.errors import DamagedModelError
from detcli.io.atomic_write import AtomicFile

PUBLISHED_PREPROCESSING = "preprocessing=as published"
_NORM_FED = ("detr", "table-transformer")  # model types for which transformers changes the network with auxiliary_loss
_MOST_ASSUMED, _LONGEST_ASSUMED = 50, 200


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of the files of a model.

    config             config.json
    preprocessor       preprocessor_config.json; empty if it is missing: the family's defaults
    tensors            by their names on disk; dense, finite, on the CPU
    sha256             of the weights file in hex; of shards, that of the lines `sha256sum` prints for them
    notes              sentences for the user: what is missing and what replaces it
    preprocessor_file  the file that `preprocessor` was read from
    assumed            what the model's files do not tell, with the value that is taken, such as "num_queries=300";
                       config.json keeps it under this name when a model is converted
    """

    config: dict[str, Any]
    preprocessor: dict[str, Any]
    tensors: dict[str, Tensor]
    sha256: str
    notes: tuple[str, ...] = ()
    preprocessor_file: str = PREPROCESSOR
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreprocessorDocument:
    """The fields of an image processor, and the file that has them.

    name    of the file
    fields  empty if there is no file
    notes   sentences for the user
    """

    name: str = PREPROCESSOR
    fields: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def assumed(self) -> tuple[str, ...]:
        """That images are prepared as for the published models, if there is no file."""
        return () if self.fields else (PUBLISHED_PREPROCESSING,)


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Read the files of a model in the form of the Hub; prefixes of wrappers are removed from the names of its tensors.

    Raises DamagedModelError for truncated or missing files and for NaN or infinity, and UnsupportedModelError for weights of
    another format.
    """
    weights = files.folder / files.weights
    config = read_config(files.folder)
    preprocessor = read_preprocessor(files)
    stored = read_original_file(weights).tensors if files.is_pickled else read_tensors(weights)
    tensors = plain_names(stored, weights)
    return Checkpoint(
        config,
        preprocessor.fields,
        tensors,
        files.sha256 or sha256_of_weights(weights),
        (*files.notes, *preprocessor.notes, *_lacking(config).values()),
        preprocessor.name,
        (*read_assumed(config), *preprocessor.assumed),
    )


def read_assumed(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what was assumed about a model when it was converted, as its config.json says, and what it lacks."""
    assumed = config.get("assumed")
    texts = assumed if isinstance(assumed, list) else []
    kept = tuple(text[:_LONGEST_ASSUMED] for text in texts[:_MOST_ASSUMED] if isinstance(text, str))
    return (*kept, *_lacking(config))


def _lacking(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what is assumed because config.json does not tell it, each with a sentence for the user."""
    lacking = {}
    if config.get("id2label") is None:
        lacking["id2label=LABEL_0, LABEL_1, …"] = (
            f"{CONFIG} has no class names (id2label): they are LABEL_0, LABEL_1, …"
        )
    if config.get("auto_map"):
        lacking["network=as in transformers"] = (
            f"{CONFIG} names code of its own (auto_map), which is not run: the network is that of transformers"
        )
    if config.get("auxiliary_loss") is True and config.get("model_type") in _NORM_FED and "category_ids" not in config:
        lacking["auxiliary_loss=as in the original"] = (
            f"auxiliary_loss is on in {CONFIG}: transformers then feeds the norm of each decoder layer to the next one; "
            "here it does not, as in the original repository, so a model that transformers trained with it gives other boxes"
        )
    return lacking


def read_preprocessor(files: ModelFiles) -> PreprocessorDocument:
    """Read preprocessor_config.json of a model folder, else the `image_processor` of processor_config.json.

    Raises DamagedModelError.
    """
    folder = files.folder
    nested = read_document(folder / PROCESSOR).get("image_processor") if (folder / PROCESSOR).exists() else None
    if nested is not None and not isinstance(nested, dict):
        raise DamagedModelError(f"'{folder / PROCESSOR}': image_processor is {str(nested)[:60]!r}, not an object")
    if not (folder / PREPROCESSOR).exists():
        if nested is not None:
            return PreprocessorDocument(PROCESSOR, nested)
        note = f"'{files.name}' has no {PREPROCESSOR}; images are preprocessed with the defaults of its family"
        return PreprocessorDocument(notes=(note,))
    own = read_document(folder / PREPROCESSOR)
    differing = sorted(name for name in own.keys() & (nested or {}).keys() if own[name] != (nested or {})[name])
    if not differing:
        return PreprocessorDocument(fields=own)
    note = (
        f"'{files.name}': {PREPROCESSOR} and {PROCESSOR} differ in {', '.join(differing)[:200]}; {PREPROCESSOR} is used, "
        f"while transformers 5 uses {PROCESSOR}"
    )
    return PreprocessorDocument(fields=own, notes=(note,))


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json of a model folder. Raises DamagedModelError."""
    if not (folder / CONFIG).exists():
        raise DamagedModelError(f"'{folder}' is not a model folder: it has no {CONFIG}")
    return read_document(folder / CONFIG)


def write_checkpoint(
    folder: Path, config: Mapping[str, Any], preprocessor: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint that `read_checkpoint` and transformers read; tensors may be on any device.

    All files are written completely before the first is renamed, so a full disk does not damage an older checkpoint.
    Raises OutputError if the folder cannot be written, and ValueError for NaN or infinity in JSON.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    contents = {  # weights last: they need the disk space, and no file is renamed before they are written
        CONFIG: _document(config),
        PREPROCESSOR: _document(preprocessor),
        WEIGHTS: safetensors.torch.save(on_cpu, metadata={"format": "pt"}),
    }
    written: list[AtomicFile] = []
    try:
        for name, data in contents.items():
            written.append(AtomicFile(folder / name))
            written[-1].write(data)
        for file in written:
            file.commit()
    finally:
        for file in written:
            file.discard()


def _document(value: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(value), indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"
