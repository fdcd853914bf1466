"""Tensors as images: their checks and their pixels."""

import torch

from detcli.errors import UsageError
from detcli.inference.images.image_arrays import check_not_empty, rgb
from detcli.structures.frame import Pixels

_TYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)


def pixels_of_tensor(tensor: torch.Tensor) -> Pixels:
    """uint8 [H, W, 3] of a tensor [C, H, W] or [H, W]; floats are rounded to the nearest of the 256 levels."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = (tensor.float() * 255).round_().to(torch.uint8)
    array = tensor.numpy()
    return rgb(array if array.ndim == 2 else array.transpose(1, 2, 0))


def check_tensor(tensor: torch.Tensor, name: str) -> None:
    """Raise TypeError for a tensor that is no image, and UsageError for one of a wrong shape or range."""
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta:
        raise TypeError(f"{name} must be a dense tensor with data, not a meta, sparse or nested one")
    if tensor.dtype not in _TYPES:
        raise TypeError(f"{name} must be a tensor of uint8, or of floats from 0 to 1, not of {tensor.dtype}")
    shape = tuple(tensor.shape)
    if len(shape) == 4:
        raise UsageError(f"{name} has the shape {list(shape)}: pass a batch as a list, list(tensor)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3, 4)):
        channels_last = len(shape) == 3 and shape[2] in (1, 3, 4)
        hint = "; it has channels last: use tensor.permute(2, 0, 1)" if channels_last else ""
        raise UsageError(f"{name} must have the shape [3, H, W], not {list(shape)}{hint}")
    check_not_empty(shape, name)
    if tensor.is_floating_point():
        low, high = (float(value) for value in tensor.detach().aminmax())
        if not (low >= 0 and high <= 1):
            raise UsageError(
                f"{name} must have floats from 0 to 1, not from {low:g} to {high:g}; divide by 255, or use uint8, and do "
                "not normalize"
            )
