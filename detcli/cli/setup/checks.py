"""The checks of `detcli doctor`: each result is a fact, and for a problem the way to fix it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from detcli.cli.framework.text import counted, megabytes
from detcli.cli.setup.check_result import CheckResult, State
from detcli.cli.setup.compiled_checks import check_automatic_runtime, check_compiled_networks
from detcli.cli.setup.library_checks import check_extras, check_libraries, check_opencv, check_runtimes
from detcli.errors import DetcliError, UsageError
from detcli.extras import install_command
from detcli.libraries import is_machine_fault, problem
from detcli.version import __version__

_LOW_DISK_SPACE = 2_000_000_000  # bytes: the largest model has 0.25 GB, and needs twice that during the download
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


def run_checks(*, cache_dir: Path | None, network: bool) -> Iterator[CheckResult]:
    """Run all checks one by one; a check that raises is a result too."""
    checks: list[tuple[str, str, Callable[[], Iterator[CheckResult]]]] = [
        ("Versions", "versions", _versions),
        ("Devices", "devices", _devices),
        ("Devices", "runtime", check_automatic_runtime),
        ("Images", "formats", _codecs),
        ("Images", "fonts", _fonts),
        ("Models", "cache", lambda: _cache(cache_dir)),
        ("Models", "compiled", check_compiled_networks),
        ("Models", "Hub", lambda: _hub(network=network)),
    ]
    for section, name, check in checks:
        try:
            yield from check()
        except Exception as error:  # people run doctor when something is broken
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            advice = "report it with the output of 'detcli doctor --json'"
            yield CheckResult(section, name, what, "bad", advice)


def _versions() -> Iterator[CheckResult]:
    yield CheckResult("Versions", "detcli", __version__)
    yield CheckResult("Versions", "Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from check_libraries()
    yield from check_opencv()
    yield from check_runtimes()
    yield from check_extras()


def _devices() -> Iterator[CheckResult]:
    from detcli.engine.process import keep_freed_memory, processors

    cores = counted(processors(), "core") + (f" of {os.cpu_count()}" if os.cpu_count() != processors() else "")
    try:
        torch = import_module("torch")
    except Exception:  # said with the versions
        yield CheckResult("Devices", "CPU", cores)
    else:
        yield from _torch_devices(torch, cores)
    if platform.libc_ver()[0] == "glibc":
        tuned = keep_freed_memory()
        advice = None if tuned else "another allocator is loaded (LD_PRELOAD?); networks may run slower"
        yield CheckResult(
            "Devices", "allocator", "tuned" if tuned else "not tuned", "good" if tuned else "warning", advice
        )
    else:
        yield CheckResult("Devices", "allocator", "default")


def _torch_devices(torch: Any, cores: str) -> Iterator[CheckResult]:
    """What torch uses of this machine."""
    from detcli.engine.process import processors

    threads = torch.get_num_threads()
    limited = threads < processors()
    yield CheckResult(
        "Devices",
        "CPU",
        f"{cores}, torch uses {counted(threads, 'thread')}",
        "warning" if limited else "good",
        "OMP_NUM_THREADS or a similar variable limits torch; unset it" if limited else None,
    )
    for index in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(index)
        yield CheckResult("Devices", f"cuda:{index}", f"{known.name}, {megabytes(known.total_memory)}")
    if not torch.cuda.is_available():
        yield from _no_cuda(torch.version.cuda)
    if sys.platform == "darwin":
        available = torch.backends.mps.is_available()
        yield CheckResult("Devices", "mps", "an Apple GPU" if available else "torch finds no Apple GPU")


def _no_cuda(built_for: str | None) -> Iterator[CheckResult]:
    """Why there is no CUDA device; a warning only for an NVIDIA GPU that torch cannot use."""
    card = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
    if not card:
        yield CheckResult("Devices", "cuda", "no NVIDIA GPU")
    elif built_for is None:
        advice = "install the build of torch for your CUDA version: https://pytorch.org/get-started"
        yield CheckResult("Devices", "cuda", "NVIDIA GPU found, but torch is a CPU-only build", "warning", advice)
    else:
        advice = f"check with nvidia-smi that the driver works and supports CUDA {built_for}"
        yield CheckResult("Devices", "cuda", "NVIDIA GPU found, but torch cannot use it", "warning", advice)


def _codecs() -> Iterator[CheckResult]:
    """Encode a small image in each format and decode it."""
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
        advice = "install a build of pillow with this format: pip install --upgrade --force-reinstall pillow"
        yield CheckResult("Images", name, "not supported by this build of pillow", state, advice)
    try:
        import_module("pillow_heif")
        yield CheckResult("Images", "HEIC", "read by pillow-heif")
    except Exception as error:  # the code of another package can raise anything
        if is_machine_fault(error):
            raise
        cause = f"pillow-heif {problem(error, 'pillow-heif', install=install_command('heif'))}"
        yield CheckResult("Images", "HEIC", "not read", "warning", f"only .heic images need it: {cause}")


def _fonts() -> Iterator[CheckResult]:
    from detcli.visualization.fonts import font_files
    from detcli.visualization.text_renderer import text_renderer

    files = font_files()
    writer = text_renderer(None)
    missing = [script for script, sample in _SCRIPTS.items() if not writer.has(sample)]
    found = counted(len(files), "font file") if files else "only the font of pillow"
    if not missing:
        yield CheckResult("Images", "fonts", f"{found}; all tested scripts are covered")
        return
    advice = "labels in these scripts are drawn as empty boxes; install Noto fonts (fonts-noto, fonts-noto-cjk)"
    yield CheckResult("Images", "fonts", f"{found}; no {', '.join(missing)}", "warning", advice)


def _cache(cache_dir: Path | None) -> Iterator[CheckResult]:
    from detcli.checkpoints.hub.hub_cache import cached_repositories
    from detcli.checkpoints.hub.hub_environment import cache_folder

    folder = cache_folder(cache_dir)
    repositories = list(cached_repositories(folder))
    size = sum(repository.size() for repository in repositories)
    yield CheckResult("Models", "cache", f"{folder}: {counted(len(repositories), 'model')}, {megabytes(size)}")
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        advice = "set a writable folder with HF_HOME or --cache-dir; downloaded models still work"
        yield CheckResult("Models", "cache", f"'{nearest}' is not writable", "warning", advice)
        return
    free = shutil.disk_usage(nearest).free
    low = free < _LOW_DISK_SPACE
    fix = "free some disk space, or move the cache with HF_HOME" if low else None
    yield CheckResult("Models", "free disk space", megabytes(free), "warning" if low else "good", fix)


def _hub(*, network: bool) -> Iterator[CheckResult]:
    from detcli.checkpoints.hub.hub_environment import hub_endpoint, is_offline

    try:
        endpoint = hub_endpoint()
    except UsageError as error:
        yield CheckResult("Models", "Hub", str(error), "warning", "fix or unset HF_ENDPOINT")
        return
    if is_offline():
        yield CheckResult("Models", "Hub", "offline: HF_HUB_OFFLINE is set")
    elif not network:
        yield CheckResult("Models", "Hub", f"{endpoint}; not checked (--network checks it)")
    else:
        yield _hub_answer(endpoint)


def _hub_answer(endpoint: str) -> CheckResult:
    import time
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    started = time.monotonic()
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=10).close()  # noqa: S310 - the scheme is checked
    except HTTPError:
        pass  # it answered
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        advice = "check the network, HTTPS_PROXY and HF_ENDPOINT; downloaded models work with --offline"
        return CheckResult("Models", "Hub", f"no answer from {endpoint}: {reason}", "warning", advice)
    return CheckResult("Models", "Hub", f"{endpoint} answers in {time.monotonic() - started:.1f} s")
