"""TensorRT builds an engine from an exported file and gives the detections of torch; needs a GPU and TensorRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.inference.load import load_detector
from tests.helpers.exported_models import export_shapes

pytestmark = pytest.mark.gpu
SENSITIVE = ("/bins/", "/corner_heads/", "/initial_box_head/", "/quality_heads/", "/query_selection/")


@pytest.fixture
def trt() -> Any:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    return pytest.importorskip("tensorrt")


def build(trt: Any, onnx_file: Path, *, fp16: bool) -> Any:
    """An engine; with fp16, the layers that make boxes stay in fp32."""
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(onnx_file.read_bytes()), [str(parser.get_error(index)) for index in range(parser.num_errors)]
    config = builder.create_builder_config()
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
        config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
        for layer in (network.get_layer(index) for index in range(network.num_layers)):
            is_float = layer.num_outputs and layer.get_output(0).dtype == trt.float32
            if is_float and layer.type != trt.LayerType.CONSTANT and any(part in layer.name for part in SENSITIVE):
                layer.precision = trt.float32
    return trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))


def run(engine: Any, pixels: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    import torch

    context = engine.create_execution_context()
    tensors = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        kind = torch.int64 if name == "classes" else torch.float32
        tensors[name] = torch.zeros(tuple(engine.get_tensor_shape(name)), dtype=kind, device="cuda")
        context.set_tensor_address(name, tensors[name].data_ptr())
    tensors["pixels"].copy_(torch.from_numpy(pixels))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    assert context.execute_async_v3(stream.cuda_stream)
    stream.synchronize()
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("fp16", [False, True])
def test_an_engine_finds_what_torch_finds(trt: Any, tmp_path: Path, fp16: bool) -> None:
    from PIL import Image

    from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES

    engine = build(trt, export_shapes(tmp_path / "shapes.onnx", outputs="boxes", batch=1), fp16=fp16)
    detector = load_detector("shapes", device="cpu")
    for path in sorted(BUNDLED_IMAGES.glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        resized = np.asarray(image.resize((256, 256), Image.Resampling.BILINEAR), np.float32) / 255
        outputs = run(engine, resized.transpose(2, 0, 1)[None])
        scale = np.array([image.width / 256, image.height / 256] * 2)
        expected = detector(image)
        assert len(expected) > 0
        for box, class_id in zip(expected.boxes_xyxy, expected.class_ids, strict=True):
            same = outputs["classes"][0] == class_id
            assert np.abs(outputs["boxes"][0][same] * scale - box).max(1).min() < (2 if fp16 else 0.5)
