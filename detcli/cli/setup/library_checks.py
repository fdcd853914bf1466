"""Checks of the libraries that detcli needs: each is imported, and something of it is called.

A library in machine code may be installed and still not work: for another processor, another numpy, or without a library
of the system.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Any

from detcli.checkpoints.hub.hub_environment import hub_endpoint
from detcli.cli.faults import fault_of
from detcli.cli.setup.check_result import CheckResult
from detcli.engine.process import skip_openvino_converter
from detcli.errors import DeviceError, UsageError
from detcli.extras import install_command
from detcli.libraries import is_installed, missing_library
from detcli.opencv import load_opencv, opencv_packages, opencv_problem, reinstall_opencv

_SECTION = "Versions"
_ENCODERS = ("libx264", "libopenh264", "mpeg4")  # the first that FFmpeg has
_FRAMES = 3


def check_libraries() -> Iterator[CheckResult]:
    """Call something of each library without which detcli does not work."""
    for package, (module, use) in LIBRARIES.items():
        try:
            use(import_module(module))
        except Exception as error:  # the code of another package can raise anything
            if package == "torch" and not is_installed("torch"):
                yield _without_torch()
            else:
                yield CheckResult(_SECTION, package, _reason(error), "bad", _advice(package, error))
            continue
        yield CheckResult(_SECTION, package, _version(package, module))


def _without_torch() -> CheckResult:
    """The result for a machine that only infers: a warning if it has a runtime of exported models."""
    value, needs = "not installed", "checkpoints, masks, training, export and the demo need it: pip install torch"
    runtimes = [name for name, (package, _) in RUNTIME_PACKAGES.items() if is_installed(package)]
    if not runtimes:
        advice = f"pip install torch; or, to run exported models only, {install_command('openvino')}"
        return CheckResult(_SECTION, "torch", f"{value}, and no runtime of exported models either", "bad", advice)
    value += f"; exported models (.onnx, .xml) run with {' and '.join(runtimes)}"
    return CheckResult(_SECTION, "torch", value, "warning", needs)


def check_opencv() -> Iterator[CheckResult]:
    """Call something of OpenCV; without it, detcli works."""
    problem = opencv_problem()
    if problem is not None:
        advice = f"only cameras, --show and the synthetic images need it: {problem.remedy}"
        yield CheckResult(_SECTION, "OpenCV", problem.cause, "warning", advice)
        return
    packages = opencv_packages()
    named = " and ".join(f"{package} {metadata.version(package)}" for package in packages)
    windows = opencv_problem(windows=True) is None
    if len(packages) > 1:
        value = f"{named} are installed into one folder"
        advice = f"uninstalling one of them breaks the other: {reinstall_opencv(windows=windows)}"
        yield CheckResult(_SECTION, "OpenCV", value, "warning", advice)
        return
    value = named or str(load_opencv("the check needs").__version__)
    yield CheckResult(_SECTION, "OpenCV", value if windows else f"{value}; without windows, for --show")


def check_runtimes() -> Iterator[CheckResult]:
    """Import the runtimes of exported models; without them, detcli works with torch."""
    skip_openvino_converter()
    for name, (package, extra) in RUNTIME_PACKAGES.items():
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                yield CheckResult(_SECTION, name, _reason(error), "warning", f"pip install --force-reinstall {package}")
                continue
            yield CheckResult(_SECTION, name, f"not installed; runs exported models: {install_command(extra)}")
        except Exception as error:  # the code of another package can raise anything
            yield CheckResult(_SECTION, name, _reason(error), "warning", _advice(package, error))
        else:
            yield CheckResult(_SECTION, name, _version(package, package))


def check_extras() -> Iterator[CheckResult]:
    """Import the libraries that only some functions need, where they are installed."""
    for package, (module, needed_by) in EXTRA_LIBRARIES.items():
        try:
            import_module(module)
        except Exception as error:  # the code of another package can raise anything
            if is_installed(package):
                advice = f"{needed_by} it: {_advice(package, error)}"
                yield CheckResult(_SECTION, package, _reason(error), "warning", advice)
        else:
            yield CheckResult(_SECTION, package, _version(package, package))


def _use_torch(torch: Any) -> None:
    _expect((torch.ones(4, 3) @ torch.ones(3, 2)).sum().item() == 24)


def _use_numpy(numpy: Any) -> None:
    _expect(numpy.linalg.norm(numpy.array([3.0, 4.0])) == 5)


def _use_pillow(image_module: Any) -> None:
    _expect(image_module.new("RGB", (8, 8), "red").resize((4, 4)).getpixel((1, 1)) == (255, 0, 0))


def _use_av(av: Any) -> None:
    """Encode a video of a few frames and decode it."""
    import numpy as np

    encoder = next(name for name in _ENCODERS if name in av.codecs_available)
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(_FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), "rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        _expect(sum(1 for _ in container.decode(video=0)) == _FRAMES)


def _use_pycocotools(mask_module: Any) -> None:
    import numpy as np

    mask = np.zeros((6, 8), np.uint8, order="F")
    mask[2:4, 1:6] = 1
    _expect(mask_module.area(mask_module.encode(mask)) == 10)


def _use_safetensors(safetensors_numpy: Any) -> None:
    import numpy as np

    tensor = np.arange(6, dtype=np.float32)
    _expect((safetensors_numpy.load(safetensors_numpy.save({"a": tensor}))["a"] == tensor).all())


def _use_yaml(yaml: Any) -> None:
    _expect(yaml.safe_load("a: [1, 2]") == {"a": [1, 2]})


def _only_import(module: Any) -> None:
    """Python code that works once it is imported."""


# Package -> the module that is imported, and what calls something of it.
LIBRARIES: Mapping[str, tuple[str, Callable[[Any], None]]] = MappingProxyType(
    {
        "torch": ("torch", _use_torch),
        "numpy": ("numpy", _use_numpy),
        "pillow": ("PIL.Image", _use_pillow),
        "av": ("av", _use_av),
        "pycocotools": ("pycocotools.mask", _use_pycocotools),
        "safetensors": ("safetensors.numpy", _use_safetensors),
        "huggingface_hub": ("huggingface_hub", _only_import),
        "pyyaml": ("yaml", _use_yaml),
        "click": ("click", _only_import),
        "rich": ("rich", _only_import),
    }
)


# Name of a runtime -> its package, and the extra that installs it.
RUNTIME_PACKAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"OpenVINO": ("openvino", "openvino"), "ONNX Runtime": ("onnxruntime", "onnx")}
)


# Package -> the module that is imported, and what needs it.
EXTRA_LIBRARIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "matplotlib": ("matplotlib.figure", "plots and training need"),
        "scipy": ("scipy.optimize", "training needs"),
        "timm": ("timm", "backbones of timm need"),
        "pyarrow": ("pyarrow.parquet", "Parquet needs"),
        "ray": ("ray", "clusters need"),
    }
)


def _expect(correct: bool) -> None:
    """Raise RuntimeError for a wrong result."""
    if not correct:
        raise RuntimeError("it is loaded, but computes a wrong result")


def _reason(error: Exception) -> str:
    fault = fault_of(error)
    if isinstance(fault, DeviceError):  # no memory, threads or open files: the library is not to blame
        return str(fault)
    library = missing_library(error)
    if library is not None:
        return f"the system library {library} is missing"
    first_line = (str(error).splitlines() or [""])[0]
    return first_line if isinstance(error, ImportError) else f"{type(error).__name__}: {first_line}"


def _advice(package: str, error: Exception) -> str:
    if isinstance(fault_of(error), DeviceError):
        return "raise the limits of this process, which 'ulimit -a' shows"
    if package == "huggingface_hub":
        try:
            hub_endpoint()
        except UsageError as invalid:  # that library reads it when it is imported
            return str(invalid)
    library = missing_library(error)
    if library is not None:
        return f"install the package of your system that has {library}"
    return f"pip install --force-reinstall {package}"


def _version(package: str, module: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a build of the system or of another name
        return str(getattr(import_module(module.partition(".")[0]), "__version__", "unknown version"))
