"""The teacher of a training run: a trained model from which another network learns, and the checks that both fit."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detcli.checkpoints.hub.locate_model import DownloadProgress, locate
from detcli.errors import UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.read_model import read_model
from detcli.models.conversion.class_rows import Classes
from detcli.models.family import Family, family_of


@dataclass(frozen=True)
class TeacherModel:
    """A trained model.

    name           of the model, for messages
    family config  of its network
    state          its state dict
    preprocessing  how its images are prepared
    """

    name: str
    family: Family
    config: Any
    state: Mapping[str, Tensor]
    preprocessing: Preprocessing

    @property
    def parameters(self) -> int:
        """Numbers in the network."""
        return sum(tensor.numel() for tensor in self.state.values())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        made = hashlib.sha256()
        for name, tensor in sorted(self.state.items()):
            made.update(name.encode() + b"\0")
            made.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return made.hexdigest()[:32]

    def rows(self, labels: Sequence[str]) -> list[int]:
        """The teacher's class index of each class, by name in any case.

        Raises UsageError for classes that it does not have: it would teach that there are no such objects.
        """
        classes = Classes.matched(self.config.labels, labels)
        known = dict(classes.same)
        missing = [f"'{name}'" for index, name in enumerate(labels) if index not in known]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise UsageError(
                f"`teacher` '{self.name}' does not have the class{'es' * (len(missing) > 1)} {', '.join(missing[:5])}{more} of "
                "the data: train it on this data first, or choose another one"
            )
        return [known[index] for index in range(len(labels))]


def load_teacher(
    name: str, *, offline: bool = False, cache_dir: Path | None = None, progress: DownloadProgress | None = None
) -> TeacherModel:
    """Load a teacher; its name is that of a model. Raises UsageError, ModelError, HubError, AccessError or OutputError."""
    checkpoint = read_model(locate(name, offline=offline, cache_dir=cache_dir, progress=progress))
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    preprocessing = Preprocessing.of(checkpoint.preprocessor, family)
    return TeacherModel(name, family, config, family.read_weights(checkpoint.tensors, config), preprocessing)


def check_teacher(
    teacher: TeacherModel, *, family: Family, config: Any, labels: Sequence[str], preprocessing: Preprocessing
) -> None:
    """Raise UsageError if a network cannot learn from the teacher.

    family, config  of the network that learns
    labels          the classes of its data
    preprocessing   how its images are prepared
    """
    grid, own = teacher.family.token_strides(teacher.config), family.token_strides(config)
    for which, family_name, strides in (("teacher", teacher.family.name, grid), ("model", family.name, own)):
        if strides is None:
            raise UsageError(
                f"`{which}` is a network of the family '{family_name}', which cannot learn from a teacher or be one; those of "
                "'dfine' and 'rtdetr' can"
            )
    teacher.rows(labels)
    if grid != own:
        raise UsageError(
            f"`teacher` '{teacher.name}' has maps with the strides {_strides(grid)}, and the model {_strides(own)}: they "
            "must be the same"
        )
    if _scaling(teacher.preprocessing) != _scaling(preprocessing):
        raise UsageError(
            f"`teacher` '{teacher.name}' takes pixels with {_scaling(teacher.preprocessing)}, and the model with "
            f"{_scaling(preprocessing)}: both see the same pixels"
        )


def _strides(strides: Sequence[tuple[int, int]] | None) -> str:
    return ", ".join(str(down) if down == right else f"{down} x {right}" for down, right in strides or ())


def _scaling(preprocessing: Preprocessing) -> str:
    """How pixels are scaled, in words."""
    factor, mean, std = preprocessing.rescale, preprocessing.mean, preprocessing.std
    scaled = "values from 0 to 255" if factor is None else f"factor {factor:.6g}"
    return (
        f"{scaled} and no normalization" if mean is None else f"{scaled}, mean {_text(mean)} and std {_text(std or ())}"
    )


def _text(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
