"""From a .pth of an original repository to a model of ours: what it is, what it is called, and what was taken on trust."""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import read_assumed, read_checkpoint, write_checkpoint
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.pth.pth_files import OriginalFile
from detcli.engine.model_files.local_checkpoints import describe_files
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference import read_model as converting
from detcli.inference.config_labels import read_labels
from detcli.inference.load import load_detector
from detcli.inference.read_model import describe_model, read_model, read_original
from detcli.models.backbones.resnet import resnet_variant
from detcli.models.detr import FAMILY as DETR
from detcli.models.detr.config import DetrConfig
from detcli.models.dfine import FAMILY as DFINE
from detcli.models.family import ConversionHints
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.original_layouts import detr, dfine

NAMES = tuple(f"class {i}" for i in range(5))
Give = Callable[..., Path]


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """A small D-FINE of five classes in the original layout, for images of 640."""
    state = dict(random_network(tiny(num_queries=300)).state_dict())
    return dfine(DFINE.write_weights(state, tiny(num_queries=300)), grid_hw=(640, 640), strides=(8, 16, 32))


@pytest.fixture(scope="module")
def detr_tensors() -> dict[str, Tensor]:
    """A small DETR of 91 classes in the original layout, its backbone a ResNet-18."""
    config = DetrConfig(
        labels=("a",) * 91, backbone=resnet_variant("resnet18", (1, 2, 3, 4)), d_model=32, encoder_layers=1, decoder_layers=1,
        encoder_ffn_dim=8, decoder_ffn_dim=8, num_queries=5,
    )  # fmt: skip
    return detr(DETR.write_weights(DETR.build(config).state_dict(), config))


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    """A file whose content is said, so that no process has to be started for each question."""

    def say(tensors: dict[str, Tensor], where: Any = "model", **args: Any) -> Path:
        path = tmp_path / "weights.pth"
        path.write_bytes(b"weights")
        monkeypatch.setattr(converting, "read_original_file", lambda path: OriginalFile(tensors, args, where))
        return path

    return say


def test_a_training_run_on_disk_is_converted_to_a_model(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "best_stg1.pth"
    behind = {f"module._orig_mod.{name}": torch.zeros_like(tensor) for name, tensor in tensors.items()}
    ahead = {f"_orig_mod.module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"model": behind, "ema": {"module": ahead, "updates": 7}, "args": argparse.Namespace(x=1)}, path)
    read = read_original(path, ConversionHints(labels=NAMES))
    assert read.family is DFINE
    assert read.checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"'{path}': its weights are the moving average (EMA) of a training run" in read.checkpoint.notes
    made = read.checkpoint
    write_checkpoint(tmp_path / "made", made.config, made.preprocessor, made.tensors)
    again = read_checkpoint(locate(str(tmp_path / "made")))
    assert (again.config, again.preprocessor, again.notes) == (made.config, made.preprocessor, ())
    config = DFINE.read_config(again.config)
    state = DFINE.read_weights(again.tensors, config)
    expected = random_network(tiny(num_queries=300)).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert read_labels(again.config, config.labels) == read.labels


def test_user_defined_classes_count_from_zero_as_in_the_original(give: Give, tensors: dict[str, Tensor]) -> None:
    read = read_original(give(tensors), ConversionHints(labels=NAMES))
    assert read.labels.names == NAMES
    assert read.labels.category_ids == (0, 1, 2, 3, 4)
    assert read.checkpoint.config["category_ids"] == [0, 1, 2, 3, 4]


def test_published_classes_keep_the_category_ids_of_their_data(give: Give, detr_tensors: dict[str, Tensor]) -> None:
    read = read_original(give(detr_tensors, dilation=False), ConversionHints())
    assert read.family is DETR
    assert read.labels.category_ids == tuple(range(91))
    assert read.labels.names[18] == "dog"
    assert "category_ids" not in read.checkpoint.config
    assert read.checkpoint.preprocessor["size"] == {"shortest_edge": 800, "longest_edge": 1333}


def test_missing_information_of_a_file_is_named(
    give: Give, tensors: dict[str, Tensor], detr_tensors: dict[str, Tensor]
) -> None:
    path = give(tensors)
    with pytest.raises(UnsupportedModelError, match=rf"^'{path}': .*convert it with `labels`"):
        read_original(path, ConversionHints())
    with pytest.raises(UnsupportedModelError, match=rf"^'{path}': .*convert it with `dilation`"):
        read_original(give(detr_tensors), ConversionHints())


def test_a_released_file_is_recognized_by_content_not_by_name(
    give: Give, detr_tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = give(detr_tensors)
    named = path.rename(path.with_name("detr-r50-dc5-f0fb7ef5.pth"))
    with pytest.raises(UnsupportedModelError, match=r"convert it with `dilation`"):
        read_original(named, ConversionHints())
    monkeypatch.setattr(converting, "sha256_of_weights", lambda path: "f0fb7ef5" + "0" * 56)
    read = read_original(named, ConversionHints())
    assert read.checkpoint.config["dilation"] is True
    overruled = read_original(named, ConversionHints(dilation=False)).checkpoint
    assert overruled.config["dilation"] is False
    assert "converted as not dilated, but the file is known to be dilated (DC5)" in overruled.notes[-1]


def test_the_image_size_can_be_set(give: Give, tensors: dict[str, Tensor], detr_tensors: dict[str, Tensor]) -> None:
    made = read_original(give(tensors), ConversionHints(labels=NAMES, image_size_hw=(320, 416))).checkpoint
    assert made.preprocessor["size"] == {"height": 320, "width": 416}
    made = read_original(give(detr_tensors), ConversionHints(dilation=False, image_size_hw=(480, 800))).checkpoint
    assert made.preprocessor["size"] == {"shortest_edge": 480, "longest_edge": 800}
    with pytest.raises(UsageError, match="`image_size`"):
        read_original(give(tensors), ConversionHints(labels=NAMES, image_size_hw=(321, 416)))


def test_an_invalid_hint_for_the_family_is_refused(give: Give, tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UsageError, match=r"`dilation` is for DETR and Deformable DETR"):
        read_original(give(tensors), ConversionHints(labels=NAMES, dilation=True))


def test_unknown_tensor_names_are_refused_with_the_first(give: Give) -> None:
    with pytest.raises(UnsupportedModelError, match=r"\('layer1\.0\.weight' and 1 more\) have names of none"):
        read_original(give({"layer1.0.weight": torch.ones(1), "x": torch.ones(1)}), ConversionHints())


def test_names_of_the_hub_are_not_taken_for_an_original(give: Give, tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"have the names of the Hub: .*save_pretrained"):
        read_original(give({"model.decoder.layers.0.fc1.weight": torch.ones(1)}), ConversionHints())


def test_a_missing_tensor_is_named_with_its_file(give: Give, tensors: dict[str, Tensor]) -> None:
    short = {name: tensor for name, tensor in tensors.items() if name != "decoder.enc_output.norm.bias"}
    path = give(short)
    with pytest.raises(DamagedModelError, match=rf"^'{path}': .* lack 'model\.enc_output\.1\.bias'"):
        read_original(path, ConversionHints(labels=NAMES))


def test_keys_copied_over_values_give_a_warning(give: Give, tensors: dict[str, Tensor]) -> None:
    odd = dict(tensors)
    name = "decoder.decoder.layers.0.self_attn.in_proj_weight"
    query, key, _ = odd[name].chunk(3)
    odd[name] = torch.cat((query, key, key))
    notes = read_original(give(odd), ConversionHints(labels=NAMES)).checkpoint.notes
    assert any("keys and values of decoder layer 0 have the same weights" in note for note in notes)


def test_a_file_with_all_information_is_a_model(give: Give, detr_tensors: dict[str, Tensor]) -> None:
    path = give(detr_tensors, dilation=False)
    files = locate(str(path))
    made = read_model(files)
    assert made.config["model_type"] == "detr"
    documents = describe_model(files)
    assert (documents.config, documents.preprocessor.fields) == (made.config, made.preprocessor)


def test_a_folder_is_described_without_its_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    files = locate(str(tiny_checkpoint))
    documents = describe_model(files)
    assert documents.config["model_type"] == "d_fine"
    assert documents.preprocessor.fields["size"] == {"height": 64, "width": 96}


def test_what_is_assumed_is_said_once_and_written_down(give: Give, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = give(tensors)
    read = read_original(path, ConversionHints(labels=NAMES))
    assumed = read.checkpoint.assumed
    assert {"num_queries=300", "decoder_method=default", "eval_idx=-1", "preprocessing=as published"} <= set(assumed)
    lines = [note for note in read.checkpoint.notes if "assumed, because" in note]
    assert lines == [f"'{path}': assumed, because the file does not tell: {', '.join(assumed)}"]
    made = read.checkpoint
    assert made.config["assumed"] == list(assumed)
    write_checkpoint(tmp_path / "made", made.config, made.preprocessor, made.tensors)
    files = locate(str(tmp_path / "made"))
    again = load_detector(tmp_path / "made")
    assert (again.assumed, again.notes) == (assumed, ())
    assert describe_files(files).assumed == assumed


def test_what_the_user_says_is_converted_and_not_assumed(give: Give, tensors: dict[str, Tensor]) -> None:
    hints = ConversionHints(labels=NAMES, fields={"decoder_activation_function": "silu", "num_queries": 100})
    made = read_original(give(tensors), hints).checkpoint
    assert (made.config["decoder_activation_function"], made.config["num_queries"]) == ("silu", 100)
    assert not any(entry.startswith(("decoder_activation", "num_queries")) for entry in made.assumed)
    with pytest.raises(UsageError, match="`fields`: 'd_model' cannot be given"):
        read_original(give(tensors), ConversionHints(labels=NAMES, fields={"d_model": 3}))


def test_nothing_is_assumed_of_a_released_file(
    give: Give, detr_tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_original(give(detr_tensors), ConversionHints(dilation=False)).checkpoint.assumed
    monkeypatch.setattr(converting, "sha256_of_weights", lambda path: "f0fb7ef5" + "0" * 56)
    made = read_original(give(detr_tensors), ConversionHints()).checkpoint
    assert (made.assumed, "assumed" in made.config) == ((), False)
    assert not any("assumed, because" in note for note in made.notes)


def test_a_folder_without_preprocessor_has_assumed_preprocessing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    assert load_detector(folder).assumed == ()
    (folder / "preprocessor_config.json").unlink()
    assert load_detector(folder, image_size=64).assumed == ("preprocessing=as published",)
    assert describe_files(locate(str(folder))).assumed == ("preprocessing=as published",)


@pytest.mark.parametrize(
    ("fields", "is_assumed"),
    [
        ({"model_type": "detr", "auxiliary_loss": True}, True),
        ({"model_type": "table-transformer", "auxiliary_loss": True}, True),
        ({"model_type": "detr", "auxiliary_loss": False}, False),
        ({"model_type": "detr"}, False),
        ({"model_type": "detr", "auxiliary_loss": True, "category_ids": [1]}, False),  # detcli wrote it
        ({"model_type": "deformable_detr", "auxiliary_loss": True}, False),
        ({"model_type": "rt_detr", "auxiliary_loss": True}, False),
    ],
)
def test_auxiliary_losses_that_change_the_network_are_assumed_off(fields: dict[str, Any], is_assumed: bool) -> None:
    expected = ("auxiliary_loss=as in the original",) if is_assumed else ()
    assert read_assumed({"id2label": {}, **fields}) == expected


@pytest.mark.parametrize("assumed", [None, 3, "num_queries", {"a": 1}, [3, None]])
def test_an_invalid_list_of_assumptions_is_ignored(assumed: Any) -> None:
    assert read_assumed({"id2label": {}, "assumed": assumed}) == ()
    many = ["x" * 1000, *["y"] * 1000]
    assert read_assumed({"id2label": {}, "assumed": many}) == ("x" * 200, *["y"] * 49)


@pytest.mark.parametrize(
    ("fields", "entry", "sentence"),
    [
        (
            {"id2label": None, "num_labels": 3},
            "id2label=LABEL_0, LABEL_1, …",
            "config.json has no class names (id2label)",
        ),
        ({"auto_map": {"AutoModel": "own.Model"}}, "network=as in transformers", "which is not run"),
    ],
)
def test_what_config_json_does_not_tell_is_assumed(
    fields: dict[str, Any], entry: str, sentence: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))
    detector = load_detector(folder)
    assert detector.assumed == (entry,)
    assert [note for note in detector.notes if sentence in note] == list(detector.notes)
    assert describe_files(locate(str(folder))).assumed == (entry,)
