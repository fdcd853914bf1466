"""Which activations a file of D-FINE's tensors has: told by the user, the tensors or the file, else assumed and named."""

from pathlib import PurePath
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.checkpoints.model_files import VARIANTS
from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.inference.recognize_original import hints_at_deim
from detcli.models.dfine import FAMILY
from detcli.models.dfine.original.variants import ACTIVATION_FIELDS, activations_of
from detcli.models.family import ConversionHints, ConvertedWeights
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.original_layouts import dfine

NAMES = tuple(f"class {i}" for i in range(5))
PROJECTOR = {f"encoder.feature_projector.0.{name}": torch.ones(32, 32)[0] for name in ("weight", "bias")}
MASKS = {f"decoder.mask_decoder.lateral.{i}.weight": torch.ones(4, 4, 1, 1) for i in range(2)}
SILU, RELU = activations_of("deim"), activations_of("dfine")


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    config = tiny(num_queries=300)
    state = dict(random_network(config).state_dict())
    return dfine(FAMILY.write_weights(state, config), grid_hw=(64, 96), strides=(8, 16, 32))


def read(tensors: dict[str, Tensor], **hints: Any) -> ConvertedWeights:
    original = FAMILY.read_original(tensors, ConversionHints(**{"labels": NAMES, **hints}))
    assert original is not None
    return original


def activations(original: ConvertedWeights) -> dict[str, str]:
    return {field: getattr(original.config, field) for field in ACTIVATION_FIELDS}


def assumed(original: ConvertedWeights) -> set[str]:
    return {entry.partition("=")[0] for entry in original.assumed} & set(ACTIVATION_FIELDS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_user_says_the_variant(variant: Any, tensors: dict[str, Tensor]) -> None:
    original = read(tensors, variant=variant)
    assert activations(original) == activations_of(variant)
    assert (original.variant, assumed(original)) == (None, set())


def test_nothing_tells_so_dfine_is_assumed_and_named(tensors: dict[str, Tensor]) -> None:
    original = read(tensors)
    assert activations(original) == RELU
    assert (original.variant, assumed(original)) == ("dfine", set(ACTIVATION_FIELDS))
    assert original.notes[0] == "recognized as a D-FINE of custom size"


def test_the_projector_of_distillation_is_that_of_rtdetrv4(tensors: dict[str, Tensor]) -> None:
    for hints in ({}, {"variant": "deim"}):
        original = read({**tensors, **PROJECTOR}, **hints)
        assert activations(original) == SILU
        assert original.variant is None
        assert original.notes[0] == "recognized as an RT-DETRv4 of custom size"
        assert not any("feature_projector" in name for name in original.tensors)
        FAMILY.read_weights(original.tensors, original.config)
    with pytest.raises(UsageError, match=r"`variant=dfine`: the file has .* certainly of RT-DETRv4"):
        read({**tensors, **PROJECTOR}, variant="dfine")


def test_fields_of_the_user_win_over_the_variant(tensors: dict[str, Tensor]) -> None:
    original = read(tensors, variant="deim", fields={"lqe_activation_function": "gelu"})
    assert activations(original) == {**SILU, "lqe_activation_function": "gelu"}
    every = read(tensors, fields=SILU)
    assert (activations(every), every.variant) == (SILU, None)
    some = read(tensors, fields={"decoder_activation_function": "silu"})
    assert (some.variant, assumed(some)) == ("dfine", {"head_activation_function", "lqe_activation_function"})


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"DFINETransformer.activation": "silu", "DFINETransformer.mlp_act": "silu"}, SILU),
        ({"yaml_cfg.DFINETransformer.activation": "relu", "yaml_cfg.DFINETransformer.mlp_act": "relu"}, RELU),
        ({"DFINETransformer.activation": "silu"}, {"decoder_activation_function": "silu"}),  # D-FINE's own repository
        ({"DFINETransformer.mlp_act": "gelu"}, {"head_activation_function": "gelu"}),
    ],
)
def test_a_configuration_in_the_file_tells_it(
    args: dict[str, str], told: dict[str, str], tensors: dict[str, Tensor]
) -> None:
    original = read(tensors, args=args)
    assert activations(original) == {**RELU, **told}
    assert assumed(original) == set(ACTIVATION_FIELDS) - told.keys()
    assert activations(read(tensors, args=args, variant="deim")) == SILU  # the user wins


def test_the_meta_of_dfine_seg_tells_names_size_and_resizing(tensors: dict[str, Tensor]) -> None:
    plain = {name: tensor for name, tensor in tensors.items() if name[8:] not in ("anchors", "valid_mask")}
    args = {"label_to_name": [*"abcde"], "img_size": [96, 160], "keep_ratio": True}
    original = read(plain, labels=None, args=args)
    assert original.config.labels == tuple("abcde")
    assert activations(original) == RELU
    assert (original.variant, original.tells_preprocessing) == (None, True)
    assert original.preprocessor == {
        "size": {"max_height": 96, "max_width": 160},
        "do_pad": True,
        "pad_size": {"height": 96, "width": 160},
        "pad_position": "center",
        "pad_value": 114,
    }
    stretched = read(plain, labels=None, args={**args, "keep_ratio": False})
    assert stretched.preprocessor == {"size": {"height": 96, "width": 160}}
    assert read(plain, args=args).config.labels == NAMES  # the user wins
    with pytest.raises(DamagedModelError, match="the weights have 5 classes, but the file has 2 names"):
        read(plain, labels=None, args={**args, "label_to_name": ["a", "b"]})


def test_the_mask_head_of_dfine_seg_is_left_out_and_said(tensors: dict[str, Tensor]) -> None:
    original = read({**tensors, **MASKS})
    assert any("mask head" in note and "boxes, not masks" in note for note in original.notes)
    FAMILY.read_weights(original.tensors, original.config)
    encoder = {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder.")}
    with pytest.raises(UnsupportedModelError, match="semantic segmentation of D-FINE-seg, which predicts no boxes"):
        read({**encoder, **MASKS, "decoder.classifier.weight": torch.ones(5, 4, 1, 1)})


@pytest.mark.parametrize(
    "name",
    ["deim_dfine_hgnetv2_n_coco_160e.pth", "DEIM.pth", "RTv4-S-hgnet.pth", "rtv4_x.pt", "rtdetrv4_s.pth", "rt-detrv4-l.pth",
     "my-deim-run.pth", "rtdetr_v4.pth"],
)  # fmt: skip
def test_names_of_files_that_ask_for_the_variant(name: str) -> None:
    assert hints_at_deim(PurePath("folder") / name)


@pytest.mark.parametrize(
    "name", ["dfine_n_coco.pth", "best_stg2.pth", "rtdetrv2.pth", "last.pth", "v4.pth", "model.pt"]
)
def test_names_of_files_that_ask_for_nothing(name: str) -> None:
    assert not hints_at_deim(PurePath("deim") / name)
