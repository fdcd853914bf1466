"""Every entry of every registry loads, and keeps the contract of its interface."""

import copy
import dataclasses
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import detcli
import detcli.errors
from detcli.checkpoints.catalog import CATALOG
from detcli.errors import DetcliError, DeviceError, ImageError, SourceError, StreamAccessError
from detcli.io.record_values import RecordError
from detcli.io.results.formats import FORMATS
from detcli.models.family import FAMILIES, MODEL_TYPES, Family, family_of
from detcli.registry import Registry
from detcli.runtimes.runtime import RUNTIMES
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.sources.source import SOURCES, SourceSettings
from detcli.sources.video.video_source import VIDEO_SOURCES
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle
from detcli.structures.run_info import RunInfo
from detcli.training.logs.logger import LOGGERS

TABLES: list[Registry[Any]] = [SOURCES, VIDEO_SOURCES, FORMATS, RUNTIMES, FAMILIES, LOGGERS]
LABELS = ClassLabels.from_names(["cat", "dog"])
INFO = RunInfo("a-model", None, None, "0", LABELS, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(("table", "name"), [(table, name) for table in TABLES for name in table])
def test_every_entry_of_every_table_loads(table: Registry[Any], name: str) -> None:
    assert table[name] is not None


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_complete_facts(name: str) -> None:
    record = FORMATS[name]
    assert record.name == name
    assert record.title
    assert record.description
    assert record.writer or record.reader
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in record.suffixes)
    assert set(record.options) <= {field.name for field in dataclasses.fields(SinkSettings)}
    if record.reader is not None:
        assert callable(record.load_reader())


@pytest.mark.parametrize("name", FORMATS)
def test_every_sink_takes_results_failures_and_the_end(name: str, tmp_path: Path) -> None:
    sink = sink_class(name)(
        tmp_path / ("out.json" if FORMATS[name].has_image_folder else "out.file"), SinkSettings(INFO)
    )
    assert isinstance(sink.ordered, bool)
    assert isinstance(sink.needs_pixels, bool)
    masks = (Rle.of(np.eye(10, 20, dtype=np.bool_)),) if not FORMATS[name].takes_boxes else None
    found = Detections(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.5], np.float32), np.array([1]), masks)
    good = Frame(Origin(0, "d/a.png", "a.png", "a"), (10, 20), np.zeros((10, 20, 3), np.uint8))
    bad = FailedFrame(Origin(1, "d/b.png", "b.png", "b"), "empty", "cannot read 'd/b.png': it is empty")
    sink.write(good, found)
    sink.write(bad, bad)
    sink.write(Frame(Origin(2, "d/c.png", "c.png", "c"), (10, 20), None), Detections.empty())
    sink.flush()
    sink.close(complete=True)
    sink.abort()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path.name for path in written if path.name.startswith(".")]


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if not (FORMATS[name].is_folder or FORMATS[name].has_image_folder)]
)
def test_every_sink_but_those_with_folders_writes_to_a_stream(name: str) -> None:
    stream = io.BytesIO()
    sink = sink_class(name)(stream, SinkSettings(INFO))
    sink.close(complete=True)
    assert not stream.closed


def folder_of_images(folder: Path) -> str:
    (folder / "a.png").write_bytes(b"not an image")
    return str(folder)


# For each source: makes an input with one image that cannot be read, and returns its argument.
SOURCE_INPUTS: dict[str, Callable[[Path], str]] = {
    "images": folder_of_images,
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_lists_its_images_the_same_each_time(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]([SOURCE_INPUTS[name](tmp_path)], SourceSettings())
    assert [image.origin for image in source] == [image.origin for image in source]
    assert source.count() == 1
    [frame] = [image() for image in source]
    assert isinstance(frame, FailedFrame)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_complete(name: str) -> None:
    family = FAMILIES[name]
    assert isinstance(family, Family)  # which has no instance while a method is missing
    assert family.name == name
    assert all(getattr(family, member) is not None for member in Family.__annotations__)
    assert set(family.model_types) == {kind for kind, of in MODEL_TYPES.items() if of == name}


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_smallest_config_of_each_model_type_builds_on_the_meta_device(model_type: str) -> None:
    family = family_of({"model_type": model_type})
    config = family.read_config({"model_type": model_type})
    with torch.device("meta"):
        network = family.build(config)
    assert len(config.labels) >= 1
    assert family.read_config(family.write_config(config)) == config
    assert next(network.parameters()).is_meta


@pytest.mark.parametrize("name", CATALOG)
def test_every_model_of_the_catalogue_has_a_family_and_its_facts(name: str) -> None:
    entry = CATALOG[name]
    assert entry.family in FAMILIES
    assert entry.repository is None or entry.repository.count("/") == 1
    assert 0 <= entry.threshold < 1
    assert entry.license


def errors_below(kind: type[DetcliError]) -> list[type[DetcliError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in errors_below(child))]


@pytest.mark.parametrize("kind", errors_below(DetcliError)[1:])
def test_every_error_stands_in_the_drawn_tree_with_its_exit_code(kind: type[DetcliError]) -> None:
    drawn = [line.split() for line in (detcli.errors.__doc__ or "").splitlines() if kind.__name__ in line.split()]
    assert drawn, f"{kind.__name__} is not in the tree of errors.py"
    code = next((int(word) for word in drawn[0] if word.isdigit()), kind.exit_code)
    assert kind.exit_code == code


def test_the_public_face_offers_what_it_names() -> None:
    for name in detcli.__all__:
        assert getattr(detcli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        detcli.nonsense  # noqa: B018


@pytest.mark.parametrize("use", [copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [
        ImageError("empty", "it is empty"),
        SourceError("gap", "cannot read 'a'", reason="lost", refused=True),
        StreamAccessError("not-found", "cannot read 'a'", reason="404"),
        DeviceError("full", out_of_memory=True),
        RecordError(Path("a.csv"), "line 3", "bad"),
        DetcliError("plain"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_pickled_with_all_fields(error: DetcliError, use: Callable[[DetcliError], DetcliError]) -> None:
    again = use(error)
    assert (type(again), str(again), again.args, vars(again)) == (type(error), str(error), error.args, vars(error))
