"""The metadata of an exported file is read without its graph; what is unclear is left to the runtime."""

import random
from pathlib import Path

import onnx
import openvino
import pytest
from onnx import helper

from detcli.runtimes.exported.exported_facts import METADATA_KEY
from detcli.runtimes.exported.quick_metadata import quick_metadata

TEXT = '{"names": ["a \\u00e9 <b> & \'c\'", "\\n"], "x": "' + "long " * 2000 + '"}'


def write_onnx(path: Path, **metadata: str) -> Path:
    pixels, out = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in ("pixels", "out"))
    graph = helper.make_graph([helper.make_node("Relu", ["pixels"], ["out"])], "graph", [pixels], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def write_openvino(path: Path, keys: list[str], **metadata: str) -> Path:
    graph = openvino.Core().read_model(write_onnx(path.with_suffix(".onnx"), other="x"))
    for key, value in metadata.items():
        graph.set_rt_info(value, [*keys, key])
    openvino.save_model(graph, path, compress_to_fp16=False)
    return path


def files_with(folder: Path, **metadata: str) -> list[Path]:
    return [
        write_onnx(folder / "first.onnx", **metadata),
        write_openvino(folder / "second.xml", [], **metadata),
        write_openvino(folder / "third.xml", ["framework"], **metadata),
    ]


def test_the_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    for path in files_with(tmp_path, before="{}", **{METADATA_KEY: TEXT}, zulu='detcli value="x"'):
        assert quick_metadata(path) == TEXT, path.name


@pytest.mark.parametrize("metadata", [{}, {"other": TEXT}, {"author": METADATA_KEY}])
def test_files_of_other_tools_have_none(tmp_path: Path, metadata: dict[str, str]) -> None:
    for path in files_with(tmp_path, **metadata):
        assert quick_metadata(path) is None, path.name


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_left_to_the_runtime(tmp_path: Path, share: float) -> None:
    for path in files_with(tmp_path, **{METADATA_KEY: TEXT}):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert quick_metadata(path) is None, path.name


def test_two_documents_are_left_to_the_runtime(tmp_path: Path) -> None:
    first = write_onnx(tmp_path / "a.onnx", **{METADATA_KEY: TEXT})
    first.write_bytes(2 * first.read_bytes())
    assert quick_metadata(first) is None
    graph = openvino.Core().read_model(write_onnx(tmp_path / "b.onnx"))
    graph.set_rt_info(TEXT, ["framework", METADATA_KEY])
    graph.set_rt_info(TEXT, METADATA_KEY)
    openvino.save_model(graph, tmp_path / "b.xml", compress_to_fp16=False)
    assert quick_metadata(tmp_path / "b.xml") is None


def test_a_document_within_a_layer_does_not_count(tmp_path: Path) -> None:
    path = write_openvino(tmp_path / "a.xml", [])
    text = path.read_text()
    start = text.rindex("<rt_info>")
    path.write_text(text[:start] + f'<rt_info><{METADATA_KEY} value="{{}}" /></rt_info>' + text[start:])
    assert quick_metadata(path) is None


def test_damaged_files_never_raise(tmp_path: Path) -> None:
    numbers = random.Random(3)
    for path in files_with(tmp_path, **{METADATA_KEY: "{}"}):
        content = path.read_bytes()
        for _ in range(200):
            damaged = bytearray(content)
            for _ in range(numbers.randrange(1, 8)):
                damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
            path.write_bytes(damaged)
            assert isinstance(quick_metadata(path), str | None)


def test_a_missing_file_is_left_to_the_runtime(tmp_path: Path) -> None:
    assert quick_metadata(tmp_path / "none.onnx") is None
    assert quick_metadata(tmp_path) is None
