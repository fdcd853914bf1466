"""One image of any kind that Python users have -> a frame: path, URL, PIL image, array, tensor or frame."""

import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from PIL.ImageFile import ImageFile

from detcli.errors import ImageError, UsageError
from detcli.io.images.decode import convert_image
from detcli.io.images.formats import check_head
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.images.read_frame import read_frame
from detcli.io.read import read_bytes
from detcli.sources.http import fetch, is_url, scheme_of, without_credentials
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize

ImageInput = str | os.PathLike[str] | Image.Image | npt.NDArray[np.uint8] | torch.Tensor | Frame | FailedFrame

_KINDS = "a path, a URL, a PIL image, a uint8 array [H, W, 3] RGB, a tensor [3, H, W] RGB or a list of them"


_TENSOR_TYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LOADING = threading.Lock()  # Pillow reads a file lazily, and two threads may not read the same image


def check_image(image: object, name: str = "`image`") -> None:
    """Raise TypeError for what is no image, and UsageError (a ValueError) for an array of a wrong shape or range.

    name  of the argument in messages
    """
    if isinstance(image, bytes | bytearray | memoryview):
        raise TypeError(f"{name} must be {_KINDS}, not bytes; open them with PIL.Image.open(io.BytesIO(data))")
    if isinstance(image, np.ndarray):
        _check_array(image, name)
    elif isinstance(image, torch.Tensor):
        _check_tensor(image, name)
    elif isinstance(image, Image.Image):
        _check_not_empty((image.height, image.width), name)
    elif isinstance(image, Frame):
        if image.pixels is None and image.prepared is None:
            raise UsageError(f"{name} is a frame without pixels")
    elif not isinstance(image, str | os.PathLike | FailedFrame) or not _is_text(image):
        raise TypeError(f"{name} must be {_KINDS}, not {type(image).__name__}")


def _is_text(image: object) -> bool:
    """Whether a path is text; paths of bytes are not supported."""
    return not isinstance(image, os.PathLike) or isinstance(os.fspath(image), str)


def read_image(image: ImageInput, index: int, *, resize: Resize | None = None, prefix: str = "") -> Frame:
    """Read an image that `check_image` accepts.

    index   position in a list of images
    resize  for files and URLs: the frame has resized pixels only
    prefix  of messages

    Raises ImageError if the image cannot be read, and UsageError for a closed PIL image.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, FailedFrame):
        raise ImageError(image.code, f"{prefix}'{image.origin.file}': {image.message}")
    if isinstance(image, Image.Image):
        return _in_memory(_pixels_of_pil(image, prefix), index, _file_of(image))
    if isinstance(image, np.ndarray):
        return _in_memory(_rgb(image), index)
    if isinstance(image, torch.Tensor):
        return _in_memory(_pixels_of_tensor(image), index)
    frame = _read_path(os.fspath(image), index, resize, prefix=prefix)
    if isinstance(frame, FailedFrame):
        raise ImageError(frame.code, f"{prefix}'{frame.origin.file}': {frame.message}")
    return frame


def _read_path(path: str, index: int, resize: Resize | None, *, prefix: str) -> Frame | FailedFrame:
    if scheme_of(path) is not None and not os.path.lexists(path):
        shown = without_credentials(path)
        if not is_url(path):
            raise ImageError("unsupported", f"{prefix}'{shown}': URLs of images start with http:// or https://")
        read = partial(fetch, path, check_head=check_head)
    else:
        shown = path
        read = partial(read_bytes, path, max_bytes=MAX_IMAGE_BYTES, check_head=check_head)
    name = Path(shown)
    return read_frame(Origin(index, shown, name.name, name.stem), read, resize=resize)


def _in_memory(pixels: Pixels, index: int, file: str = "") -> Frame:
    name = Path(file).name or str(index)
    return Frame(Origin(index, file, name, Path(name).stem), (pixels.shape[0], pixels.shape[1]), pixels)


def _file_of(image: Image.Image) -> str:
    """The path that a PIL image was opened from; empty if there was none."""
    filename = image.filename if isinstance(image, ImageFile) else ""
    return os.fsdecode(filename) if filename else ""


def _pixels_of_pil(image: Image.Image, prefix: str) -> Pixels:
    try:
        with _LOADING, suppress(Exception):  # a damaged image fails again below, where its error is named
            image.load()
        return convert_image(image).pixels
    except ImageError as error:
        raise ImageError(error.code, f"{prefix}'{_file_of(image) or 'PIL image'}': {error}") from error
    except ValueError as error:
        raise UsageError(f"{prefix}the PIL image cannot be read ({error})") from error


def _pixels_of_tensor(tensor: torch.Tensor) -> Pixels:
    """uint8 [H, W, 3] of a tensor [C, H, W] or [H, W]; floats are rounded to the nearest of the 256 levels."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = (tensor.float() * 255).round_().to(torch.uint8)
    array: npt.NDArray[np.uint8] = tensor.numpy()
    return _rgb(array if array.ndim == 2 else array.transpose(1, 2, 0))


def _rgb(array: npt.NDArray[np.uint8]) -> Pixels:
    """uint8 [H, W, 3] of [H, W], [H, W, 1] gray, [H, W, 3] RGB or [H, W, 4] RGBA."""
    if array.ndim == 2:
        array = array[:, :, None]
    return np.ascontiguousarray(np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3])


def _check_array(array: npt.NDArray[np.generic], name: str) -> None:
    if array.dtype != np.uint8:
        hint = "; convert values from 0 to 1 with (array * 255).round().astype(numpy.uint8)"
        raise TypeError(
            f"{name} must be an array of uint8 from 0 to 255, not of {array.dtype}{hint * (array.dtype.kind == 'f')}"
        )
    shape = array.shape
    if len(shape) == 4:
        raise UsageError(f"{name} has the shape {list(shape)}: pass a batch as a list, list(array)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        channels_first = len(shape) == 3 and shape[0] in (1, 3, 4)
        hint = "; it has channels first: use array.transpose(1, 2, 0)" if channels_first else ""
        raise UsageError(f"{name} must have the shape [H, W, 3], not {list(shape)}{hint}")
    _check_not_empty(shape, name)


def _check_tensor(tensor: torch.Tensor, name: str) -> None:
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta:
        raise TypeError(f"{name} must be a dense tensor with data, not a meta, sparse or nested one")
    if tensor.dtype not in _TENSOR_TYPES:
        raise TypeError(f"{name} must be a tensor of uint8, or of floats from 0 to 1, not of {tensor.dtype}")
    shape = tuple(tensor.shape)
    if len(shape) == 4:
        raise UsageError(f"{name} has the shape {list(shape)}: pass a batch as a list, list(tensor)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3, 4)):
        channels_last = len(shape) == 3 and shape[2] in (1, 3, 4)
        hint = "; it has channels last: use tensor.permute(2, 0, 1)" if channels_last else ""
        raise UsageError(f"{name} must have the shape [3, H, W], not {list(shape)}{hint}")
    _check_not_empty(shape, name)
    if tensor.is_floating_point():
        low, high = (float(value) for value in tensor.detach().aminmax())
        if not (low >= 0 and high <= 1):
            raise UsageError(
                f"{name} must have floats from 0 to 1, not from {low:g} to {high:g}; divide by 255, or use uint8, and do "
                "not normalize"
            )


def _check_not_empty(shape: tuple[int, ...], name: str) -> None:
    if 0 in shape:
        raise UsageError(f"{name} has no pixels: its shape is {list(shape)}")
