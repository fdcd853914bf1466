"""An image that a listing found, and what reads one behind an address of the web."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from detcli.errors import ImageError
from detcli.io.images.formats import check_head
from detcli.io.remote.addresses import is_url, scheme_of
from detcli.sources.images.lazy_image import FailedImage

_STREAM_SCHEMES: Final = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "tcp")


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image without its index and its unique name.

    file      as it is shown in results: without credentials
    relative  name below the common folder of the sources
    read      returns its bytes; raises ImageError
    """

    file: str
    relative: str
    read: Callable[[], bytes]


def web_reader(url: str) -> Callable[[], bytes]:
    """What reads an address; of any other scheme than http and https, it fails."""
    if is_url(url):
        from detcli.sources.http import fetch  # takes a part of the start-up

        return partial(fetch, url, check_head=check_head)
    message = f"'{scheme_of(url)}' addresses are not supported; http and https are, and those of object stores"
    if scheme_of(url) in _STREAM_SCHEMES:
        message += "; streams are read as videos"
    return FailedImage(ImageError("unsupported", message))
