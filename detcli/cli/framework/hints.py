"""Hints after an error: which command or setting helps. Library messages name no commands."""

import os
import re
from collections.abc import Iterator

from detcli.errors import (
    DetcliError,
    DeviceError,
    HubError,
    InputError,
    LibraryError,
    NotCachedError,
    UnknownClassError,
    UnknownModelError,
)

_BY_COMMAND = {
    "detcli detect": "'detcli video' reads videos, cameras and streams",
    "detcli segment": "segmentation needs images; 'detcli video' detects objects in videos",
    "detcli video": "'detcli detect' reads images",
}
_RUN_EXPORTED = ("detcli detect", "detcli video", "detcli eval")
_WITH_MODEL = ("detcli detect", "detcli segment", "detcli video", "detcli eval", "detcli train")


def hints_for(error: DetcliError, command: str) -> tuple[str, ...]:
    """The lines after an error of a command such as "detcli detect": what helps; often none."""
    if isinstance(error, UnknownModelError) and (conversion := _conversion(error.model)):
        return (conversion,)
    if isinstance(error, UnknownModelError) and command != "detcli models convert":
        return (f"{_other_family(error.model or '')}'detcli models list' shows all models",)
    if isinstance(error, UnknownClassError):
        return ("'detcli models info NAME' lists the classes of a model",)
    if isinstance(error, LibraryError) and error.package == "torch" and command in _RUN_EXPORTED:
        return ("without torch, -m FILE runs what 'detcli export' wrote on another machine: an .onnx or .xml file",)
    if isinstance(error, HubError):
        return tuple(_without_hub(error, command))
    if isinstance(error, NotCachedError) and command in (*_WITH_MODEL, "detcli download"):
        return tuple(_without_download(error.model, command))
    if type(error) is InputError and command in _BY_COMMAND:  # no image, no video: subclasses have other reasons
        return (_BY_COMMAND[command],)
    if isinstance(error, DeviceError) and error.out_of_memory and command in _WITH_MODEL:
        return ("a smaller --batch needs less memory",)
    return ()


def _without_hub(error: HubError, command: str) -> Iterator[str]:
    """The ways on where the Hub is not available."""
    if error.reason in (None, "response"):  # the Hub answered: another try helps, or nothing
        return
    yield "ways to continue:"
    if error.reason == "proxy":
        yield "- check the proxy in HTTPS_PROXY or ALL_PROXY; NO_PROXY lists hosts that need none"
    if error.reason == "certificate":
        yield "- SSL_CERT_FILE=FILE (REQUESTS_CA_BUNDLE with huggingface_hub before 1.0) has the certificates to trust"
    if os.environ.get("HF_ENDPOINT"):
        yield "- HF_ENDPOINT is set: unset it to use https://huggingface.co, or name another mirror"
    elif error.reason == "proxy":
        yield "- HF_ENDPOINT=URL uses a mirror of the Hub"
    else:
        yield "- HTTPS_PROXY=URL uses a proxy, and HF_ENDPOINT=URL a mirror of the Hub"
    yield from _local_ways(_name(error.repository), command)


def _without_download(model: str | None, command: str) -> Iterator[str]:
    """The ways on where nothing may be downloaded."""
    yield "ways to continue:"
    yield from _local_ways(model, command)


def _local_ways(model: str | None, command: str) -> Iterator[str]:
    from detcli.checkpoints.hub.hub_environment import cache_folder

    yield (
        f"- run 'detcli download {model or 'NAME'}' on a machine with a network, and copy the folder "
        f"'{cache_folder()}' (HF_HUB_CACHE) to this one"
    )
    if command in _WITH_MODEL:
        yield "- -m FOLDER uses a folder with config.json and model.safetensors"
        if command != "detcli segment":
            yield "- -m shapes uses the bundled model: it works offline and knows ten synthetic shapes"


def _conversion(model: str | None) -> str | None:
    """The command for a model of the catalog whose authors publish a .pth file; None for any other model."""
    from detcli.checkpoints.catalog import CATALOG

    entry = CATALOG.get(model or "")
    if entry is None or entry.published_at is None:
        return None
    return f"'detcli models convert FILE -o {entry.name}/ --variant deim' converts it; -m {entry.name}/ then uses it"


def _other_family(model: str) -> str:
    """A sentence for a model of a family that detcli does not have."""
    if re.match(r"(?i)(.*[/\\])?(yolo|rt-?detr|rf-?detr|ssd|faster|mask_?rcnn|retinanet|deim-?v2|sam)", model):
        return "detcli runs D-FINE, RT-DETR, DETR and Deformable DETR and no other models; "
    return ""


def _name(repository: str | None) -> str | None:
    """The short name of a repository in the catalog, else the repository."""
    from detcli.checkpoints.catalog import find

    entry = find(repository) if repository is not None else None
    return entry.name if entry is not None else repository
