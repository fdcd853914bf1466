"""One image of any kind that Python users have -> a frame: path, URL, PIL image, array, tensor or frame."""

import os
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Union, cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from detcli.errors import ImageError, UsageError
from detcli.inference.images.image_arrays import check_array, check_not_empty, rgb
from detcli.io.images.decode import convert_image
from detcli.io.images.formats import check_head
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.images.read_frame import read_frame
from detcli.io.read import read_bytes
from detcli.io.remote.addresses import is_url, scheme_of, without_credentials
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize

if TYPE_CHECKING:
    from torch import Tensor

ImageInput = Union[str, os.PathLike[str], Image.Image, npt.NDArray[np.uint8], "Tensor", Frame, FailedFrame]

_KINDS = "a path, a URL, a PIL image, a uint8 array [H, W, 3] RGB, a tensor [3, H, W] RGB or a list of them"


_LOADING = threading.Lock()  # Pillow reads a file lazily, and two threads may not read the same image


def check_image(image: object, name: str = "`image`") -> None:
    """Raise TypeError for what is no image, and UsageError (a ValueError) for an array of a wrong shape or range.

    name  of the argument in messages
    """
    if isinstance(image, bytes | bytearray | memoryview):
        raise TypeError(f"{name} must be {_KINDS}, not bytes; open them with PIL.Image.open(io.BytesIO(data))")
    if isinstance(image, np.ndarray):
        check_array(image, name)
    elif is_tensor(image):
        image_tensors().check_tensor(image, name)
    elif isinstance(image, Image.Image):
        check_not_empty((image.height, image.width), name)
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
        return _in_memory(rgb(image), index)
    if is_tensor(image):
        return _in_memory(image_tensors().pixels_of_tensor(image), index)
    frame = _read_path(os.fspath(cast("str | os.PathLike[str]", image)), index, resize, prefix=prefix)
    if isinstance(frame, FailedFrame):
        raise ImageError(frame.code, f"{prefix}'{frame.origin.file}': {frame.message}")
    return frame


def _read_path(path: str, index: int, resize: Resize | None, *, prefix: str) -> Frame | FailedFrame:
    if scheme_of(path) is not None and not os.path.lexists(path):
        shown = without_credentials(path)
        if not is_url(path):
            raise ImageError("unsupported", f"{prefix}'{shown}': URLs of images start with http:// or https://")
        from detcli.sources.http import fetch  # takes a part of the start-up

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


def is_tensor(image: object) -> bool:
    """Whether an image is a torch tensor, without importing torch: who has one has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def image_tensors() -> ModuleType:
    """The functions for tensors, imported when the first one comes."""
    from detcli.inference.images import image_tensors as functions

    return functions
