"""Model folders as other programs write them load, and give the detections of the usual folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import detcli
from detcli.checkpoints.hub.locate_model import locate
from detcli.engine.model_files.local_checkpoints import ConversionHints, convert_original, describe_files
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference.load import load_detector
from detcli.inference.read_model import describe_model
from tests.helpers.checkpoint_fixtures import cache, environment, hub  # noqa: F401
from tests.helpers.hub_server import HubServer

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 120, 3), np.uint8)


def boxes(model: Path | str, **settings: Any) -> np.ndarray[Any, Any]:
    return load_detector(model, threshold=0.0, **settings)(PIXELS).boxes_xyxy


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))


def to_pickle(folder: Path, name: str = "pytorch_model.bin") -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / name)
    (folder / "model.safetensors").unlink()


def change(folder: Path, **fields: Any) -> None:
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_in_safetensors_are_removed(tiny_checkpoint: Path, folder: Path, prefix: str) -> None:
    weights = folder / "model.safetensors"
    save_file({prefix + name: tensor for name, tensor in load_file(weights).items()}, weights)
    assert np.array_equal(boxes(folder), boxes(tiny_checkpoint))


@pytest.mark.parametrize("has_weights", [True, False])
def test_a_folder_with_an_adapter_is_refused(folder: Path, has_weights: bool) -> None:
    (folder / "adapter_config.json").write_text("{}")
    if not has_weights:
        (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(UnsupportedModelError, match=r"has an adapter of PEFT .* merge_and_unload"):
        load_detector(folder)


def test_a_negative_deviation_is_refused(folder: Path) -> None:
    change(folder, do_normalize=True, image_std=[0.2, -0.2, 0.2])
    with pytest.raises(UnsupportedModelError, match=r"image_std .* has a negative number"):
        load_detector(folder)


def test_a_tensor_with_and_without_prefix_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.any())
    save_file(tensors | {f"module.{name}": tensors[name] + 1}, weights)
    with pytest.raises(DamagedModelError, match=r"twice, with and without a prefix"):
        load_detector(folder)


def test_the_image_processor_of_processor_config_is_read(folder: Path) -> None:
    change(folder, size={"height": 96, "width": 160})
    path = folder / "preprocessor_config.json"
    nested = {"image_processor": json.loads(path.read_text()), "processor_class": "AnyProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    path.unlink()
    detector = load_detector(folder)
    assert detector.preprocessor.preprocessing.size_hw == (96, 160)
    assert not detector.notes
    assert describe_model(locate(str(folder))).preprocessor.fields["size"] == {"height": 96, "width": 160}


def to_processor_config(folder: Path) -> None:
    """Leave only the file that transformers 5 writes for a processor."""
    path = folder / "preprocessor_config.json"
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": json.loads(path.read_text())}))
    path.unlink()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"do_center_crop": True}, "do_center_crop is True, which changes the images and is not supported"),
        ({"image_processor_type": "ViTImageProcessor"}, "image_processor_type is 'ViTImageProcessor'"),
        ({"resample": "area"}, "resample 'area' is not a filter of Pillow"),
        ({"size": {"height": 65, "width": 64}}, "size 65 is not a multiple of 32"),
    ],
)
def test_the_file_that_was_read_is_named_by_every_door(folder: Path, fields: Any, sentence: str) -> None:
    change(folder, **fields)
    for name in ("preprocessor_config.json", "processor_config.json"):
        with pytest.raises(UnsupportedModelError, match=rf"^{name}: {sentence}"):
            load_detector(folder)
        if "size" not in fields:
            request = {"model": str(folder), "output": folder / "run", "epochs": 1}
            with pytest.raises(UnsupportedModelError, match=rf"^{name}: {sentence}"):
                detcli.train("shapes:0:4", **request)
        if name == "preprocessor_config.json":
            to_processor_config(folder)


def test_fields_that_are_not_read_are_told(folder: Path) -> None:
    change(folder, zoom=2, auto_map={"AutoImageProcessor": "own.Processor"})
    assert load_detector(folder).notes == (
        "preprocessor_config.json has fields that detcli does not read: auto_map, zoom",
    )
    to_processor_config(folder)
    assert load_detector(folder).notes == (
        "processor_config.json has fields that detcli does not read: auto_map, zoom",
    )


def test_two_files_that_differ_are_told(folder: Path) -> None:
    own = json.loads((folder / "preprocessor_config.json").read_text())
    nested = {"image_processor": {**own, "size": {"height": 96, "width": 160}}}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    detector = load_detector(folder)
    assert detector.preprocessor.preprocessing.size_hw == (64, 96)
    assert "preprocessor_config.json and processor_config.json differ in size" in detector.notes[0]
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": own}))
    assert not load_detector(folder).notes


@pytest.mark.parametrize(("content", "noted"), [({}, True), ({"image_processor": 3}, False)])
def test_a_processor_config_without_image_processor_is_said(folder: Path, content: Any, noted: bool) -> None:
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps(content))
    if noted:
        assert "has no preprocessor_config.json" in load_detector(folder).notes[0]
    else:
        with pytest.raises(DamagedModelError, match="image_processor is '3', not an object"):
            load_detector(folder)


def test_the_pickle_of_transformers_is_loaded_and_converted(
    tiny_checkpoint: Path, folder: Path, tmp_path: Path
) -> None:
    expected = boxes(tiny_checkpoint)
    to_pickle(folder)
    assert np.array_equal(boxes(folder), expected)
    assert np.array_equal(boxes(folder / "pytorch_model.bin"), expected)
    assert describe_files(locate(str(folder))).labels.names == ("cat", "dog", "cow")
    convert_original(folder / "pytorch_model.bin", tmp_path / "made", ConversionHints())
    assert np.array_equal(boxes(tmp_path / "made"), expected)
    with pytest.raises(UsageError, match="`labels` is for files of the original repositories"):
        convert_original(folder / "pytorch_model.bin", tmp_path / "no", ConversionHints(labels=("a", "b", "c")))


def test_the_pickle_of_a_hub_repository_is_loaded(hub: HubServer, folder: Path) -> None:  # noqa: F811
    expected = boxes(folder)
    to_pickle(folder)
    hub.add("owner/tiny", {path.name: path.read_bytes() for path in folder.iterdir()})
    assert np.array_equal(boxes("owner/tiny"), expected)
    assert np.array_equal(boxes("owner/tiny", offline=True), expected)


def test_the_processor_config_of_a_hub_repository_is_loaded(hub: HubServer, folder: Path) -> None:  # noqa: F811
    nested = json.dumps({"image_processor": {"size": {"height": 96, "width": 160}}}).encode()
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "preprocessor_config.json"}
    hub.add("owner/tiny", files | {"processor_config.json": nested})
    for offline in (False, True):
        assert load_detector("owner/tiny", offline=offline).preprocessor.preprocessing.size_hw == (96, 160)


def test_a_pickle_that_runs_code_is_refused(folder: Path) -> None:
    import pickle

    class Attack:
        def __reduce__(self) -> Any:
            return print, ("code was run",)

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Attack()}, protocol=2))
    with pytest.raises((UnsupportedModelError, DamagedModelError), match=r"pytorch_model\.bin"):
        load_detector(folder)


def test_shards_of_a_pickle_name_the_way_out(folder: Path) -> None:
    to_pickle(folder, "pytorch_model-00001-of-00001.bin")
    (folder / "pytorch_model.bin.index.json").write_text("{}")
    with pytest.raises(
        UnsupportedModelError, match=r"several \.bin files .* save_pretrained\(\) writes model.safetensors"
    ):
        load_detector(folder)


@pytest.mark.parametrize(
    ("best", "chosen", "why"),
    [(None, 20, "last"), ("runs/checkpoint-10", 10, "best"), ("C:\\runs\\checkpoint-10", 10, "best"), ("x", 20, "last"), (7, 20, "last"), ("checkpoint-99", 20, "last")],
)  # fmt: skip
def test_a_folder_of_the_trainer_gives_its_best_checkpoint(
    folder: Path, tmp_path: Path, best: Any, chosen: int, why: str
) -> None:
    run = tmp_path / "run"
    for step in (9, 10, 20):
        shutil.copytree(folder, run / f"checkpoint-{step}")
    (run / "checkpoint-20" / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": best}))
    files = locate(str(run))
    assert files.folder == run / f"checkpoint-{chosen}"
    assert files.notes == (
        f"'{run}' is a folder of transformers' Trainer; using 'checkpoint-{chosen}' in it, the {why} of the run",
    )
    assert load_detector(run).notes == files.notes
    shutil.copytree(folder, run, dirs_exist_ok=True)
    assert locate(str(run)).folder == run


@pytest.mark.parametrize("pixels_hw", [(60, 120), (120, 60), (64, 64)])
def test_boxes_of_a_padded_input_are_where_the_image_has_them(folder: Path, pixels_hw: tuple[int, int]) -> None:
    """The same pixels, padded by hand and given as an image of the input's size, have the same boxes."""
    change(folder, size={"max_height": 64, "max_width": 64}, do_pad=True, pad_size={"height": 64, "width": 64})
    pixels = np.random.default_rng(1).integers(0, 256, (*pixels_hw, 3), np.uint8)
    detector = load_detector(folder, threshold=0.0)
    ours = detector(pixels)
    resized = detector.preprocessor.preprocessing.resized_hw(pixels_hw)
    by_hand = np.zeros((64, 64, 3), np.uint8)
    from PIL import Image

    by_hand[: resized[0], : resized[1]] = detector.resize(Image.fromarray(pixels))
    expected = detector(by_hand)
    scale = np.array([pixels_hw[1] / resized[1], pixels_hw[0] / resized[0]] * 2)
    limits = np.array([pixels_hw[1], pixels_hw[0]] * 2)
    scaled = np.minimum(expected.boxes_xyxy * scale, limits)
    inside = (scaled[:, 2] > scaled[:, 0]) & (scaled[:, 3] > scaled[:, 1])
    assert np.allclose(ours.boxes_xyxy, scaled[inside], atol=1e-3)
