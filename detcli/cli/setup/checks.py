"""What `detcli doctor` looks at: each finding is a fact, and where something is amiss, what to do about it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from detcli.cli.framework.text import counted, megabytes
from detcli.errors import DetcliError
from detcli.version import __version__

State = Literal["good", "warning", "bad"]

_PACKAGES = ("torch", "numpy", "pillow", "opencv-python", "safetensors", "huggingface_hub", "click", "rich")
_MODULES = {"pillow": "PIL", "opencv-python": "cv2"}
_LITTLE_ROOM = 2_000_000_000  # bytes: the largest model takes a quarter of a gigabyte, twice while it is fetched
_SCRIPTS = {
    "Latin": "Añß",
    "Greek": "αβγ",
    "Cyrillic": "Жиб",
    "Hebrew": "אבג",
    "Arabic": "ابج",
    "Devanagari": "कखग",
    "Thai": "กขค",
    "Chinese": "人犬车",
    "Japanese": "ひとカ",
    "Korean": "사람개",
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing looked at.

    state   good; warning: something is missing that may be wanted; bad: detcli cannot do its work
    advice  what to do, where it is not good
    """

    section: str
    name: str
    value: str
    state: State = "good"
    advice: str | None = None


def examine(*, cache_dir: Path | None, network: bool) -> Iterator[CheckResult]:
    """Look at everything, one finding after the other; a look that fails is a finding too."""
    looks: list[tuple[str, Callable[[], Iterator[CheckResult]]]] = [
        ("Versions", _versions),
        ("Devices", _devices),
        ("Images", _codecs),
        ("Images", _fonts),
        ("Models", lambda: _cache(cache_dir)),
        ("Models", lambda: _hub(network=network)),
    ]
    for section, look in looks:
        try:
            yield from look()
        except Exception as error:  # the doctor is who people ask when things are broken
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            yield CheckResult(section, look.__name__.strip("_"), what, "bad", "see the line above, or --debug")


def _versions() -> Iterator[CheckResult]:
    yield CheckResult("Versions", "detcli", __version__)
    yield CheckResult("Versions", "Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for package in _PACKAGES:
        try:
            import_module(_MODULES.get(package, package))
            version = _version(package)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            yield CheckResult("Versions", package, first, "bad", f"pip install --force-reinstall {package}")
            continue
        yield CheckResult("Versions", package, version)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the same modules come in other packages: opencv-python-headless
        return str(getattr(import_module(_MODULES.get(package, package)), "__version__", "of unknown version"))


def _devices() -> Iterator[CheckResult]:
    import torch

    from detcli.engine.process import keep_freed_memory, processors

    cores = counted(processors(), "core") + (f" of {os.cpu_count()}" if os.cpu_count() != processors() else "")
    threads = torch.get_num_threads()
    narrow = threads < processors()
    yield CheckResult(
        "Devices",
        "CPU",
        f"{cores}, torch computes in {counted(threads, 'thread')}",
        "warning" if narrow else "good",
        "OMP_NUM_THREADS or the like holds torch back; unset it" if narrow else None,
    )
    for index in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(index)
        yield CheckResult("Devices", f"cuda:{index}", f"{known.name}, {megabytes(known.total_memory)}")
    if not torch.cuda.is_available():
        yield from _no_cuda(torch.version.cuda)
    if sys.platform == "darwin":
        there = torch.backends.mps.is_available()
        yield CheckResult("Devices", "mps", "an Apple GPU" if there else "torch sees no Apple GPU")
    if platform.libc_ver()[0] == "glibc":
        took = keep_freed_memory()
        advice = None if took else "another allocator is loaded (LD_PRELOAD?); networks may run slower"
        yield CheckResult(
            "Devices", "allocator", "tuned" if took else "not tuned", "good" if took else "warning", advice
        )
    else:
        yield CheckResult("Devices", "allocator", "the system's own")


def _no_cuda(built_for: str | None) -> Iterator[CheckResult]:
    """Why there is no CUDA device: an NVIDIA card that torch cannot use is worth a word, none at all is not."""
    card = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
    if not card:
        yield CheckResult("Devices", "cuda", "no NVIDIA GPU here")
    elif built_for is None:
        advice = "install the build of torch for your CUDA version: https://pytorch.org/get-started"
        yield CheckResult("Devices", "cuda", "an NVIDIA GPU, but torch is built for the CPU alone", "warning", advice)
    else:
        advice = f"see that the driver runs (nvidia-smi) and supports CUDA {built_for}"
        yield CheckResult("Devices", "cuda", "an NVIDIA GPU that torch cannot use", "warning", advice)


def _codecs() -> Iterator[CheckResult]:
    """Write a tiny image in each format and read it back by detcli's own decoder."""
    import io

    from PIL import Image

    from detcli.io.images.decode import decode

    image = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
    read, failed = [], []
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"):
        try:
            file = io.BytesIO()
            image.save(file, name)
            decode(file.getvalue(), max_pixels=1 << 20)
            read.append(name)
        except (DetcliError, OSError, KeyError, ValueError):
            failed.append(name)
    yield CheckResult("Images", "reads", ", ".join(read))
    for name in failed:
        state: State = "bad" if name in ("JPEG", "PNG") else "warning"
        advice = "pip install --upgrade --force-reinstall pillow brings a build that has it"
        yield CheckResult("Images", name, "not read by this build of pillow", state, advice)
    try:
        import_module("pillow_heif")
        yield CheckResult("Images", "HEIC", "read by pillow-heif")
    except ImportError:
        yield CheckResult(
            "Images", "HEIC", "not read", "warning", 'pip install "detcli[heif]", if you have .heic images'
        )


def _fonts() -> Iterator[CheckResult]:
    from detcli.io.fonts import font_files
    from detcli.visualization.text_renderer import text_renderer

    files = font_files()
    writer = text_renderer(None)
    missing = [script for script, sample in _SCRIPTS.items() if not writer.has(sample)]
    found = counted(len(files), "font file") if files else "none but the one that pillow brings"
    if not missing:
        yield CheckResult("Images", "fonts", f"{found}; labels in every script tried")
        return
    advice = "labels in those scripts are drawn as empty boxes: install Noto fonts (fonts-noto, fonts-noto-cjk)"
    yield CheckResult("Images", "fonts", f"{found}; no {', '.join(missing)}", "warning", advice)


def _cache(cache_dir: Path | None) -> Iterator[CheckResult]:
    from detcli.checkpoints.hub.hub_cache import cached_repositories
    from detcli.checkpoints.hub.hub_environment import cache_folder

    folder = cache_folder(cache_dir)
    repositories = list(cached_repositories(folder))
    size = sum(repository.size() for repository in repositories)
    yield CheckResult("Models", "cache", f"{folder}: {counted(len(repositories), 'model')}, {megabytes(size)}")
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        advice = "give a folder of yours with HF_HOME or --cache-dir; models that are there already work"
        yield CheckResult("Models", "writing", f"'{nearest}' cannot be written", "warning", advice)
        return
    free = shutil.disk_usage(nearest).free
    low = free < _LITTLE_ROOM
    make_room = "make room, or move the cache with HF_HOME" if low else None
    yield CheckResult("Models", "free room", megabytes(free), "warning" if low else "good", make_room)


def _hub(*, network: bool) -> Iterator[CheckResult]:
    from huggingface_hub import constants

    from detcli.checkpoints.hub.hub_environment import is_offline

    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    if is_offline():
        yield CheckResult("Models", "Hub", "never asked: HF_HUB_OFFLINE is set")
    elif not network:
        yield CheckResult("Models", "Hub", f"{endpoint}; not asked (--network asks)")
    else:
        yield _asked(endpoint)


def _asked(endpoint: str) -> CheckResult:
    import time
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not endpoint.startswith(("http://", "https://")):
        return CheckResult("Models", "Hub", f"'{endpoint}' is no address", "warning", "mend or unset HF_ENDPOINT")
    started = time.monotonic()
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=10).close()  # noqa: S310 - its scheme was looked at
    except HTTPError:
        pass  # it answered
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        advice = "look at the network, HTTPS_PROXY and HF_ENDPOINT; models that are here already work with --offline"
        return CheckResult("Models", "Hub", f"{endpoint} does not answer: {reason}", "warning", advice)
    return CheckResult("Models", "Hub", f"{endpoint} answers in {time.monotonic() - started:.1f} s")
