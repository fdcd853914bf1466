"""int8 by post-training quantization: backbone and encoder in int8, nearly the detections of the checkpoint."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

pytest.importorskip("nncf")

from detcli.datasets.shapes.shapes_dataset import draw
from detcli.errors import UsageError
from detcli.exporting.quantize import quantize
from detcli.inference.load import load_detector
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.graph_cut import decodes_boxes
from detcli.runtimes.exported.openvino_files import graph_facts, read_graph
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from tests.helpers.exported_models import export_shapes


def frames(count: int, seed: int) -> list[Frame | FailedFrame]:
    images = [draw(seed, index)[0] for index in range(count)]
    return [Frame(Origin(i, f"{i}", f"{i}", f"{i}"), image.shape[:2], image) for i, image in enumerate(images)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[openvino.Model, ExportedFacts]:
    path = export_shapes(tmp_path_factory.mktemp("int8") / "shapes.onnx")
    graph = read_graph(path)
    return graph, graph_facts(graph, path)


@pytest.fixture(scope="module")
def quantized(original: tuple[openvino.Model, ExportedFacts]) -> openvino.Model:
    graph, facts = original
    return quantize(graph, facts, [*frames(20, 7), FailedFrame(Origin(9, "x", "x", "x"), "missing", "it is missing")])


def test_box_decoding_is_not_quantized(quantized: openvino.Model) -> None:
    fake = [node for node in quantized.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    assert len(fake) > 20
    consumers = {port.get_node().get_friendly_name() for node in fake for port in node.output(0).get_target_inputs()}
    assert any("/backbone" in name for name in consumers)
    assert not any(decodes_boxes(name) for name in consumers)


def test_the_quantized_file_detects_nearly_the_same(
    original: tuple[openvino.Model, ExportedFacts], quantized: openvino.Model, tmp_path: Path
) -> None:
    facts = replace(original[1], precision="int8")
    quantized.set_rt_info(facts.as_json(), ["detcli"])
    openvino.save_model(quantized, tmp_path / "shapes.xml", compress_to_fp16=False)
    detector = load_detector(tmp_path / "shapes.xml")
    assert detector.precision == "int8"
    images = frames(12, 3)
    expected = load_detector("shapes", runtime="torch").detect_frames(images)
    same = total = 0
    for ours, theirs in zip(detector.detect_frames(images), expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        total += len(theirs.scores)
        for box, class_id in zip(theirs.boxes_xyxy, theirs.class_ids, strict=True):
            near = np.abs(ours.boxes_xyxy[ours.class_ids == class_id] - box).max(1) if len(ours.scores) else np.ones(0)
            same += bool(len(near)) and float(near.min()) < 8
    assert total > 30
    assert same >= 0.9 * total


def test_images_are_needed(original: tuple[openvino.Model, ExportedFacts]) -> None:
    for images in ([], [FailedFrame(Origin(0, "x", "x", "x"), "missing", "it is missing")]):
        with pytest.raises(UsageError, match="no readable image"):
            quantize(*original, images)  # type: ignore[arg-type]


def test_a_missing_nncf_is_named_with_its_command() -> None:
    script = """
import sys
sys.modules["nncf"] = None
from detcli import UnsupportedModelError
from detcli.exporting.quantize import quantize
try:
    quantize(None, None, [])
except UnsupportedModelError as error:
    assert "pip install nncf" in str(error), error
else:
    raise SystemExit("it was quantized")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
