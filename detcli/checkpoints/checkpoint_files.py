"""A checkpoint as files - config.json, preprocessor_config.json, model.safetensors - read strictly and written whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import CONFIG, PREPROCESSOR, WEIGHTS, ModelFiles, sha256_of_weights
from detcli.checkpoints.safetensors_files import read_tensors
from detcli.errors import DamagedModelError
from detcli.io.atomic_write import AtomicFile


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the files say.

    config        config.json
    preprocessor  preprocessor_config.json; empty where there is none, which means the family's own defaults
    tensors       by the names they have on disk; dense, finite, on the CPU
    sha256        of the weights file in hex; of shards, that of the lines `sha256sum` prints for them
    notes         sentences for the user: what was missing and what stands in for it
    """

    config: dict[str, Any]
    preprocessor: dict[str, Any]
    tensors: dict[str, Tensor]
    sha256: str
    notes: tuple[str, ...] = ()


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Read a model's files in the form of the Hub.

    Raises DamagedModelError for what is torn, missing or not finite, and UnsupportedModelError for weights of
    another format.
    """
    weights = files.folder / files.weights
    config = read_config(files.folder)
    preprocessor: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    if (files.folder / PREPROCESSOR).exists():
        preprocessor = read_document(files.folder / PREPROCESSOR)
    else:
        notes = (f"'{files.name}' has no {PREPROCESSOR}; images are prepared as its family's models are by default",)
    tensors = read_tensors(weights)
    return Checkpoint(config, preprocessor, tensors, files.sha256 or sha256_of_weights(weights), notes)


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json of a model's folder. Raises DamagedModelError."""
    if not (folder / CONFIG).exists():
        raise DamagedModelError(f"'{folder}' holds no model: there is no {CONFIG} in it")
    return read_document(folder / CONFIG)


def write_checkpoint(
    folder: Path, config: Mapping[str, Any], preprocessor: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint that `read_checkpoint` and transformers read; tensors may lie on any device.

    Every file is on the disk before the first takes its place, so a full disk leaves an older checkpoint as it was.
    Raises OutputError where the folder cannot be written, and ValueError for numbers that JSON does not have.
    """
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    contents = {  # the weights last: they take the room, and nothing takes its place before they are written
        CONFIG: _document(config),
        PREPROCESSOR: _document(preprocessor),
        WEIGHTS: safetensors.torch.save(whole, metadata={"format": "pt"}),
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
