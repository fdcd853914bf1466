"""A .pth file that may be of D-FINE or of DEIM: asked, noted, said, converted, and refused where it does not apply."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.checkpoints.hub.locate_model import locate
from detcli.engine.model_files.local_checkpoints import convert_original
from detcli.errors import UnknownModelError, UnsupportedModelError, UsageError
from detcli.inference import read_model as reading
from detcli.inference.load import load_detector
from detcli.inference.read_model import describe_model, read_original
from detcli.models.dfine import FAMILY
from detcli.models.family import ConversionHints
from detcli.structures.frame import Frame
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.exported_models import random_frames
from tests.helpers.original_layouts import dfine
from tests.helpers.pth_in_process import reader_in

HINTS = ConversionHints(labels=tuple(f"class {i}" for i in range(80)))


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(reading, "read_original_file", reader_in(tmp_path_factory.mktemp("read")))


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """A small D-FINE of 80 classes in the original layout, for images of 64 x 96."""
    config = tiny(num_queries=300, id2label={str(i): f"class {i}" for i in range(80)})
    state = dict(random_network(config).state_dict())
    return dfine(FAMILY.write_weights(state, config), grid_hw=(64, 96), strides=(8, 16, 32))


def save(tensors: dict[str, Tensor], path: Path, **parts: Any) -> Path:
    torch.save({"model": tensors, **parts}, path)
    return path


@pytest.fixture
def unnamed(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    return save(tensors, tmp_path / "best_stg2.pth")


@pytest.fixture
def named(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    return save(tensors, tmp_path / "deim_n.pth")


def scores(model: Path, **settings: Any) -> np.ndarray[Any, Any]:
    frames = [frame for frame in random_frames(1) if isinstance(frame, Frame)]
    detector = load_detector(model, threshold=0.0, runtime="torch", device="cpu", **settings)
    (found,) = detector.detect_frames(frames)
    return np.asarray(found.scores)  # type: ignore[union-attr]


def test_a_name_of_deim_is_a_question_with_its_answer(named: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"add `variant=deim`, or `variant=dfine` for a D-FINE"):
        load_detector(named)
    with pytest.raises(UnsupportedModelError, match="may be of DEIM or RT-DETRv4 by its name"):
        describe_model(locate(str(named)))
    assert not np.array_equal(scores(named, variant="deim"), scores(named, variant="dfine"))


def test_another_name_is_taken_as_dfine_with_a_note(unnamed: Path) -> None:
    detector = load_detector(unnamed, runtime="torch")
    (note,) = [note for note in detector.notes if "taken as D-FINE" in note]
    assert "`variant=deim`" in note
    assert {"decoder_activation_function=relu", "head_activation_function=relu"} <= set(detector.assumed)
    said = load_detector(unnamed, runtime="torch", variant="dfine")
    assert not any("taken as D-FINE" in note or "activation_function=relu" in note for note in said.notes)
    assert np.array_equal(scores(unnamed), scores(unnamed, variant="dfine"))


@pytest.mark.parametrize("variant", ["dfine", "deim"])
def test_a_converted_folder_keeps_the_choice(variant: Any, named: Path, tmp_path: Path) -> None:
    convert_original(named, tmp_path / "made", ConversionHints(variant=variant))
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    activation = {"dfine": "relu", "deim": "silu"}[variant]
    for field in ("decoder", "head", "lqe"):
        assert config[f"{field}_activation_function"] == activation
        assert f"{field}_activation_function" not in str(config["assumed"])
    assert np.array_equal(scores(tmp_path / "made"), scores(named, variant=variant))


def test_what_was_assumed_is_written_down(unnamed: Path, tmp_path: Path) -> None:
    made = convert_original(unnamed, tmp_path / "made", HINTS).checkpoint
    assert "lqe_activation_function=relu" in json.loads((tmp_path / "made" / "config.json").read_text())["assumed"]
    assert made.config["head_activation_function"] == "relu"


def test_a_file_of_rtdetrv4_needs_no_answer(tensors: dict[str, Tensor], named: Path, tmp_path: Path) -> None:
    projector = {"encoder.feature_projector.0.weight": torch.ones(8, 32)}
    path = save({**tensors, **projector}, tmp_path / "RTv4-S-hgnet.pth")
    made = read_original(path, ConversionHints())
    assert any("recognized as an RT-DETRv4" in note for note in made.checkpoint.notes)
    assert not any("taken as D-FINE" in note for note in made.checkpoint.notes)
    assert np.array_equal(scores(path), scores(named, variant="deim"))


def test_a_variant_where_it_does_not_apply_is_a_usage_error(named: Path, tmp_path: Path) -> None:
    made = convert_original(named, tmp_path / "made", ConversionHints(variant="deim")).checkpoint
    write_checkpoint(tmp_path / "made", made.config, made.preprocessor, made.tensors)
    for model in (str(tmp_path / "made"), "shapes"):
        for runtime in ("torch", "auto"):
            with pytest.raises(UsageError, match=r"`variant` is for .pth files of D-FINE, DEIM and RT-DETRv4"):
                load_detector(model, variant="deim", runtime=runtime)
        with pytest.raises(UsageError, match=r"`variant` is for \.pth files"):
            describe_model(locate(model, variant="dfine"))
    with pytest.raises(UsageError, match=r"`variant` is for \.pth files; 'x\.onnx' is an exported file"):
        load_detector("x.onnx", variant="deim")
    with pytest.raises(UsageError, match="`variant` must be one of dfine, deim, not 'other'"):
        load_detector(named, variant="other")  # type: ignore[arg-type]


def test_openvino_keeps_both_variants_apart(unnamed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETCLI_RUNTIME_CACHE", str(tmp_path / "compiled"))
    frames = [frame for frame in random_frames(1) if isinstance(frame, Frame)]
    found = {}
    for variant in ("dfine", "deim"):
        detector = load_detector(unnamed, threshold=0.0, runtime="openvino", variant=variant)
        (result,) = detector.detect_frames(frames)
        found[variant] = np.sort(np.asarray(result.scores))  # type: ignore[union-attr]
        np.testing.assert_allclose(found[variant], np.sort(scores(unnamed, variant=variant)), atol=2e-3)
    assert not np.allclose(found["dfine"], found["deim"], atol=2e-3)


def test_a_file_of_dfine_seg_gives_names_size_and_letterbox(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    plain = {name: tensor for name, tensor in tensors.items() if name[8:] not in ("anchors", "valid_mask")}
    masks = {
        "decoder.mask_decoder.up_conv.weight": torch.ones(4, 4, 3, 3),
        "decoder.mask_head.layers.0.bias": torch.ones(4),
    }
    names = {index: f"own {index}" for index in range(80)}
    meta = {"label_to_name": names, "img_size": [96, 64], "keep_ratio": True, "task": "segment", "model_name": "s"}
    path = save({**plain, **masks}, tmp_path / "model.pt", meta=meta)
    detector = load_detector(path, threshold=0.0, runtime="torch", device="cpu")
    assert detector.labels.names == tuple(names.values())
    assert detector.labels.category_ids == tuple(range(80))
    assert detector.preprocessor.preprocessing.as_json()["pad_position"] == "center"
    assert detector.preprocessor.preprocessing.size_hw == (96, 64)
    assert any("mask head" in note for note in detector.notes)
    assert not {"preprocessing=as published", "image_size=640x640", "lqe_activation_function=relu"} & set(
        detector.assumed
    )
    with pytest.raises(UnsupportedModelError, match="detects boxes, not masks"):
        load_detector(path, segmentation="instance")
    made = convert_original(path, tmp_path / "made", ConversionHints()).checkpoint
    assert made.preprocessor["pad_value"] == 114
    assert np.array_equal(scores(tmp_path / "made"), scores(path))
    other = convert_original(path, tmp_path / "other", ConversionHints(image_size_hw=(64, 64))).checkpoint
    assert other.preprocessor["size"] == {"max_height": 64, "max_width": 64}
    assert other.preprocessor["pad_size"] == {"height": 64, "width": 64}


@pytest.mark.parametrize("name", ["deim-n", "rtdetrv4-x"])
def test_a_name_of_the_catalog_says_where_the_file_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UnknownModelError, match=rf"'{name}' is not on the Hub.*https://github.com/.*\.pth file"
    ) as error:
        load_detector(name)
    assert error.value.model == name
