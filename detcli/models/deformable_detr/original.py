"""Deformable DETR's original repository (fundamentalvision/Deformable-DETR): its names for weights, told in the Hub's."""

from collections.abc import Mapping

from torch import Tensor

from detcli.models.family import Hints, Original


def read_original(tensors: Mapping[str, Tensor], hints: Hints) -> Original | None:
    """The model that these weights are; None where the keys are of another repository."""
    return None
