"""Libraries that only some functions need: a missing one is told from one that is installed and broken."""

import io
import sys
from collections.abc import Callable, Collection
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from detcli.cli.setup.library_checks import EXTRA_LIBRARIES, check_extras
from detcli.engine.cluster.ray_session import ray_session
from detcli.engine.observer import Observer
from detcli.engine.requests.cluster_settings import ClusterSettings
from detcli.errors import DetcliError, LibraryError, UnsupportedModelError
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.plots.figures import new_figure, own_style
from detcli.exporting.onnx_export import onnx_package
from detcli.libraries import optional_library
from detcli.models.backbones.timm_backbone import TimmBackbone, TimmConfig
from detcli.models.losses.assignment import solver
from detcli.runtimes.exported.onnx_files import _onnxruntime
from detcli.runtimes.exported.openvino_files import openvino_module
from detcli.sinks.results.parquet import ParquetTable
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.run_info import RunInfo
from tests.helpers.broken_libraries import FAULTS, break_library


def timm_backbone() -> object:
    return TimmBackbone(TimmConfig(name="resnet50", out_indices=(4,)))


def plot() -> object:
    return own_style(new_figure)(3.0, 2.0)


def parquet_table() -> object:
    info = RunInfo("m", None, None, "1", ClassLabels(("cat",), (1,)), "now")
    return ParquetTable(io.BytesIO(), SinkSettings(info))


def cluster() -> object:
    with ray_session(ClusterSettings(address="local"), "cpu", Observer()) as session:
        return session


# Module -> what uses it, and the error.
USES: dict[str, tuple[Callable[[], object], type[DetcliError]]] = {
    "matplotlib": (plot, LibraryError),
    "scipy": (solver, LibraryError),
    "timm": (timm_backbone, UnsupportedModelError),
    "onnx": (onnx_package, UnsupportedModelError),
    "onnxruntime": (_onnxruntime, UnsupportedModelError),
    "openvino": (openvino_module, UnsupportedModelError),
    "pyarrow": (parquet_table, LibraryError),
    "ray": (cluster, LibraryError),
}


def hide(modules: Collection[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python not find these modules in this process."""

    class Hidden:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if name.partition(".")[0] in modules:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None

    monkeypatch.setattr(sys, "meta_path", [Hidden, *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] in modules]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Break a library for this process."""

    def break_it(module: str, fault: str) -> None:
        monkeypatch.syspath_prepend(break_library(tmp_path, module, fault))
        for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, name)

    return break_it


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("module", USES)
def test_a_broken_library_is_told_with_cause_and_remedy(
    broken: Callable[[str, str], None], module: str, fault: str
) -> None:
    broken(module, fault)
    use, kind = USES[module]
    with pytest.raises(kind) as raised:
        use()
    assert f" {module}, which {FAULTS[fault][1]}" in str(raised.value)
    assert "not installed" not in str(raised.value)


@pytest.mark.parametrize("module", USES)
def test_a_missing_library_is_told_with_its_command(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hide([module], monkeypatch)
    use, kind = USES[module]
    with pytest.raises(kind, match=f" {module}, which is not installed: pip install .*{module}"):
        use()


@pytest.mark.parametrize(
    "content",
    [
        "raise MemoryError",
        "raise ImportError('libx.so: failed to map segment from shared object')",
        "raise OSError(24, 'Too many open files')",
    ],
)
def test_limits_of_the_machine_are_not_the_fault_of_a_library(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "starvedlibrary.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((MemoryError, ImportError, OSError)):
        optional_library("starvedlibrary", need="this needs")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("module", EXTRA_LIBRARIES)
def test_doctor_warns_of_broken_libraries_of_extras(
    broken: Callable[[str, str], None], module: str, fault: str
) -> None:
    broken(module, fault)
    results = {result.name: result for result in check_extras()}
    assert results[module].state == "warning"
    assert EXTRA_LIBRARIES[module][1] in str(results[module].advice)
    assert all(result.state == "good" for name, result in results.items() if name != module)


def test_doctor_does_not_list_extras_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(list(EXTRA_LIBRARIES), monkeypatch)
    assert list(check_extras()) == []


def test_metrics_need_no_library_that_is_broken(broken: Callable[[str, str], None]) -> None:
    broken("faster_coco_eval", "other numpy")
    annotations = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
    }
    result = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}
    metrics = evaluate_coco(annotations, [result])
    assert metrics.evaluator.startswith("pycocotools")
    assert metrics.ap == pytest.approx(1.0)
