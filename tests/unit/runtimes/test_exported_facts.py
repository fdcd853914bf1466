"""The metadata of an exported file: written, read back, and refused in words where it is invalid."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.runtimes.exported.exported_facts import FORMAT, ExportAccuracy, ExportedFacts, read_facts
from detcli.structures.class_labels import ClassLabels

PATH = Path("model.onnx")
FACTS = ExportedFacts(
    model="dfine-s",
    labels=ClassLabels(("person", "Straße", "sky"), (1, 7, 90), frozenset({2})),
    preprocessor={"do_resize": True, "size": {"height": 640, "width": 640}, "rescale_factor": 1 / 255},
    size_divisor=32,
    scores="sigmoid",
    threshold=0.4,
)


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        replace(FACTS, size_hw=(640, 512), batch=4, precision="int8", sha256="0f" * 32, repository="a/b", commit="c"),
        replace(FACTS, scores="softmax", masks=True, outputs="raw"),
        replace(FACTS, outputs="boxes"),
        replace(
            FACTS,
            threshold_source="the highest F1",
            class_thresholds={FACTS.labels.names[0]: 0.25, FACTS.labels.names[2]: 1.0},
        ),
        replace(
            FACTS,
            precision="int8",
            calibration_images=300,
            accuracy=ExportAccuracy(data="val", images=7, checkpoint=0.5, exported=0.25),
        ),
        replace(FACTS, accuracy=ExportAccuracy(data="val", images=0, checkpoint=None, exported=None)),
    ],
)
def test_facts_are_read_as_they_were_written(facts: ExportedFacts) -> None:
    assert read_facts(facts.as_json(), PATH) == facts


def test_files_of_earlier_versions_have_neither_accuracy_nor_calibration() -> None:
    document = json.loads(FACTS.as_json())
    del document["accuracy"], document["calibration_images"]
    assert read_facts(json.dumps(document), PATH) == FACTS


def test_names_of_outputs_follow_from_the_facts() -> None:
    assert FACTS.output_names == ("logits", "boxes")
    assert replace(FACTS, masks=True).output_names == ("logits", "boxes", "masks")
    assert replace(FACTS, outputs="boxes").output_names == ("boxes", "scores", "classes")


def test_a_file_of_another_tool_is_unsupported() -> None:
    with pytest.raises(UnsupportedModelError, match=r"model\.onnx' was not exported by detcli"):
        read_facts(None, PATH)


def test_a_later_format_asks_for_a_later_version() -> None:
    document = json.loads(FACTS.as_json()) | {"format": FORMAT + 1, "version": "99.0", "new": 1}
    with pytest.raises(UnsupportedModelError, match=r"detcli 99\.0, in a format .* install a later detcli"):
        read_facts(json.dumps(document), PATH)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("names", "person"),
        ("calibration_images", 0),
        ("calibration_images", True),
        ("accuracy", 0.5),
        ("accuracy", {"data": "val", "images": 7, "checkpoint": 1.5, "exported": 0.5}),
        ("accuracy", {"data": "val", "images": "7", "checkpoint": 0.5, "exported": 0.5}),
        ("names", [1, 2, 3]),
        ("category_ids", [1]),
        ("category_ids", [1, True, 3]),
        ("stuff", [3]),
        ("preprocessor", []),
        ("size_divisor", 0),
        ("scores", "tanh"),
        ("scores", {}),
        ("threshold", 2),
        ("threshold", "0.4"),
        ("threshold_source", 1),
        ("class_thresholds", [0.5]),
        ("class_thresholds", {"unknown": 0.5}),
        ("class_thresholds", {"person": 2}),
        ("class_thresholds", {"person": True}),
        ("nms", 0),
        ("nms", 1.0),
        ("nms", "off"),
        ("size_hw", [640]),
        ("size_hw", [0, 640]),
        ("batch", -1),
        ("batch", True),
        ("outputs", "both"),
        ("masks", "no"),
        ("precision", "fp12"),
        ("sha256", "xyz"),
        ("model", None),
        ("version", 1),
        ("commit", 5),
    ],
)
def test_an_invalid_field_is_named(field: str, value: Any) -> None:
    document = json.loads(FACTS.as_json()) | {field: value}
    with pytest.raises(DamagedModelError, match=f"metadata of detcli is invalid: `{field}`"):
        read_facts(json.dumps(document), PATH)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"threshold": 1' + "0" * 5000 + "}", "\ud800"])
def test_text_that_is_no_document_is_damaged(text: str) -> None:
    with pytest.raises(DamagedModelError, match="its metadata of detcli is invalid"):
        read_facts(text, PATH)


@pytest.mark.parametrize("field", json.loads(FACTS.as_json()))
def test_a_missing_field_is_an_error_or_unknown(field: str) -> None:
    document = json.loads(FACTS.as_json())
    is_optional = document.pop(field) is None or field in (
        "format",
        "threshold_source",
        "class_thresholds",
        "uncertainty",
    )
    if is_optional:
        assert read_facts(json.dumps(document), PATH) == FACTS
    else:
        with pytest.raises(DamagedModelError, match=field):
            read_facts(json.dumps(document), PATH)
