"""Opens the header of an image by the Pillow plugin of its format, without output of the decoders."""

import io
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from detcli.errors import ImageError, LibraryError
from detcli.extras import install_command
from detcli.io.images.png_chunks import without_damaged_chunks
from detcli.libraries import optional_library


def open_header(name: str, data: bytes) -> ImageFile:
    """Open the header by the plugin of one format.

    name  Pillow's name of the format

    `Image.open` would try many plugins and hide their errors. Raises ImageError if the decoder of the format is not
    installed, and the exceptions of the plugin.
    """
    file = io.BytesIO(data)
    if name == "TIFF":
        _silence_libtiff()
    if name == "PNG":
        return _open_png(data)
    plugin = _PLUGINS.get(name)
    if plugin is not None:
        return plugin(file)
    return _open_avif(file) if name == "AVIF" else _open_heif(file)


_PLUGINS: dict[str, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # also MPO, whose first frame is the image
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}


def _open_png(data: bytes) -> ImageFile:
    """Open a PNG; damaged chunks that no pixel depends on do not matter, and neither do megabytes of text."""
    intact = without_damaged_chunks(data)
    try:
        return PngImagePlugin.PngImageFile(io.BytesIO(intact))
    except Exception:  # of any kind, by the chunk
        usable = without_damaged_chunks(intact, thorough=True)
        if usable is intact:
            raise
        return PngImagePlugin.PngImageFile(io.BytesIO(usable))


def _open_avif(file: io.BytesIO) -> ImageFile:
    try:
        from PIL import AvifImagePlugin
    except ImportError as error:
        raise ImageError("unsupported", "AVIF needs a newer Pillow: pip install --upgrade pillow") from error
    if not AvifImagePlugin.SUPPORTED:
        raise ImageError("unsupported", "AVIF is not in this build of Pillow: pip install --upgrade pillow")
    return AvifImagePlugin.AvifImageFile(file)


def _open_heif(file: io.BytesIO) -> ImageFile:
    try:
        pillow_heif = optional_library("pillow_heif", need="HEIC needs", install=install_command("heif"))
    except LibraryError as error:
        raise ImageError("unsupported", str(error)) from error
    image: ImageFile = pillow_heif.HeifImageFile(file)
    return image


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing on file descriptor 2, for the rest of the process.

    The functions are those of the copy of libtiff that Pillow uses. If that copy does not export them (Windows), the
    messages stay.
    """
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(import_module("PIL._imaging").__file__)
        for setter in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
