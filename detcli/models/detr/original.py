"""Weights of facebookresearch/detr, told in the Hub's terms."""

from collections.abc import Mapping

from torch import Tensor

from detcli.models.family import Hints, Original


def read_original(tensors: Mapping[str, Tensor], hints: Hints) -> Original | None:
    """Recognise weights of the original repository: none so far."""
    return None
