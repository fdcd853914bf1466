"""What tensors of an original repository do not tell is told by the user or the file, refused, or listed as assumed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.detr.config import DetrConfig
from detcli.models.family import FAMILIES, ConversionHints, ConvertedWeights
from detcli.structures.dataset_labels import PUBLISHED_LABELS
from tests.helpers import original_layouts
from tests.helpers.dfine_samples import tiny
from tests.helpers.rtdetr_samples import tiny as tiny_rtdetr

NAMES = tuple(f"class {i}" for i in range(5))
RESNET = ResNetConfig(
    depths=(1, 1, 1, 1), hidden_sizes=(16, 16, 24, 32), layer_type="basic", embedding_size=8, out_indices=(1, 2, 3, 4)
)
SMALL: dict[str, Any] = {
    "labels": NAMES, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8,
    "num_queries": 7,
}  # fmt: skip
Read = Callable[..., ConvertedWeights]


def dfine_tensors(**changes: Any) -> dict[str, Tensor]:
    config = tiny(num_queries=300, **changes)
    family = FAMILIES["dfine"]
    state = dict(family.build(config).state_dict())
    return original_layouts.dfine(family.write_weights(state, config), grid_hw=(64, 96), strides=(8, 16, 32))


def detr_tensors(**changes: Any) -> dict[str, Tensor]:
    config = DetrConfig(**{**SMALL, "backbone": RESNET, **changes})
    family = FAMILIES["detr"]
    return original_layouts.detr(family.write_weights(family.build(config).state_dict(), config))


def deformable_tensors(**changes: Any) -> dict[str, Tensor]:
    stages = replace(RESNET, out_indices=(2, 3, 4))
    usual = {**SMALL, "backbone": stages, "with_box_refine": True, "two_stage": True, "two_stage_num_proposals": 7}
    config = DeformableDetrConfig(**{**usual, **changes})
    family = FAMILIES["deformable_detr"]
    return original_layouts.deformable_detr(family.write_weights(family.build(config).state_dict(), config))


def rtdetr_tensors(**changes: Any) -> dict[str, Tensor]:
    config = tiny_rtdetr(2, num_queries=300, **changes)
    family = FAMILIES["rtdetr"]
    hub = family.write_weights(family.build(config).state_dict(), config)
    return original_layouts.rtdetr(hub, second=True, grid_hw=(64, 96), strides=(8, 16, 32))


TENSORS = {
    "dfine": dfine_tensors,
    "detr": detr_tensors,
    "deformable_detr": deformable_tensors,
    "rtdetr": rtdetr_tensors,
}
# Family -> what is assumed, and another value that may be given.
UNTOLD: dict[str, dict[str, tuple[Any, Any]]] = {
    "dfine": {
        "num_queries": (300, 500),
        "decoder_method": ("default", "discrete"),
        "eval_idx": (-1, 0),
        "decoder_activation_function": ("relu", "silu"),
        "head_activation_function": ("relu", "silu"),
        "lqe_activation_function": ("relu", "silu"),
        "decoder_offset_scale": (0.5, 0.25),
        "encode_proj_layers": ([2], [1]),
        "encoder_attention_heads": (4, 2),
        "encoder_activation_function": ("gelu", "relu"),
        "normalize_before": (False, True),
        "positional_encoding_temperature": (10000, 20),
        "activation_function": ("silu", "relu"),
    },
    "detr": {
        "decoder_attention_heads": (8, 4),
        "encoder_attention_heads": (8, 4),
        "activation_function": ("relu", "gelu"),
    },
    "deformable_detr": {
        "two_stage_num_proposals": (300, 50),
        "decoder_attention_heads": (8, 4),
        "encoder_attention_heads": (8, 4),
        "activation_function": ("relu", "gelu"),
    },
    "rtdetr": {
        "num_queries": (300, 500),
        "decoder_method": ("default", "discrete"),
        "decoder_layers": (2, 1),
        "decoder_activation_function": ("relu", "silu"),
        "decoder_offset_scale": (0.5, 0.25),
        "encode_proj_layers": ([2], [1]),
        "encoder_attention_heads": (4, 2),
        "encoder_activation_function": ("gelu", "relu"),
        "positional_encoding_temperature": (10000, 20),
        "activation_function": ("silu", "relu"),
    },
}
CASES = [(family, field) for family, fields in UNTOLD.items() for field in fields]
# Family -> field -> the argument in the file that tells it.
ARGUMENTS: dict[str, dict[str, str]] = {
    "dfine": {
        "num_queries": "DFINETransformer.num_queries",
        "decoder_method": "DFINETransformer.cross_attn_method",
        "eval_idx": "yaml_cfg.DFINETransformer.eval_idx",
        "decoder_activation_function": "DFINETransformer.activation",
        "head_activation_function": "DFINETransformer.mlp_act",
        "encode_proj_layers": "HybridEncoder.use_encoder_idx",
        "encoder_attention_heads": "HybridEncoder.nhead",
        "encoder_activation_function": "HybridEncoder.enc_act",
        "positional_encoding_temperature": "HybridEncoder.pe_temperature",
        "activation_function": "HybridEncoder.act",
    },
    "detr": {"decoder_attention_heads": "nheads", "encoder_attention_heads": "nheads", "activation_function": "activation"},
    "deformable_detr": {
        "two_stage_num_proposals": "num_queries",
        "decoder_attention_heads": "nheads",
        "encoder_attention_heads": "nheads",
    },
    "rtdetr": {
        "num_queries": "RTDETRTransformerv2.num_queries",
        "decoder_method": "RTDETRTransformerv2.cross_attn_method",
        "encode_proj_layers": "HybridEncoder.use_encoder_idx",
        "encoder_attention_heads": "HybridEncoder.nhead",
        "encoder_activation_function": "HybridEncoder.enc_act",
        "positional_encoding_temperature": "HybridEncoder.pe_temperature",
        "activation_function": "HybridEncoder.act",
    },
}  # fmt: skip
TOLD = [(family, field, argument) for family, fields in ARGUMENTS.items() for field, argument in fields.items()]


@pytest.fixture(scope="module")
def tensors() -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(0)
    return {family: make() for family, make in TENSORS.items()}


@pytest.fixture
def read(tensors: dict[str, dict[str, Tensor]]) -> Read:
    def convert(family: str, **hints: Any) -> ConvertedWeights:
        original = FAMILIES[family].read_original(
            tensors[family], ConversionHints(**{"labels": NAMES, "dilation": False, **hints})
        )
        assert original is not None
        return original

    return convert


def written(original: ConvertedWeights, family: str) -> dict[str, Any]:
    return FAMILIES[family].write_config(original.config)


def names_of(original: ConvertedWeights) -> set[str]:
    return {entry.partition("=")[0] for entry in original.assumed}


@pytest.mark.parametrize(("family", "field"), CASES)
def test_what_tensors_do_not_tell_is_assumed_and_listed(family: str, field: str, read: Read) -> None:
    original = read(family)
    usual = UNTOLD[family][field][0]
    assert written(original, family)[field] == usual
    assert f"{field}={usual if isinstance(usual, str) else str(usual).lower()}" in original.assumed
    assert names_of(original) == set(UNTOLD[family])


@pytest.mark.parametrize(("family", "field"), CASES)
def test_what_the_user_says_is_not_assumed(family: str, field: str, read: Read) -> None:
    other = UNTOLD[family][field][1]
    original = read(family, fields={field: other})
    assert written(original, family)[field] == other
    assert names_of(original) == set(UNTOLD[family]) - {field}


@pytest.mark.parametrize(("family", "field", "argument"), TOLD)
def test_what_the_file_says_is_not_assumed(family: str, field: str, argument: str, read: Read) -> None:
    other = UNTOLD[family][field][1]
    original = read(family, args={argument: other})
    assert written(original, family)[field] == other
    assert field not in names_of(original)
    given = read(family, args={argument: other}, fields={field: UNTOLD[family][field][0]})
    assert written(given, family)[field] == UNTOLD[family][field][0]  # the user wins


@pytest.mark.parametrize("family", UNTOLD)
def test_fields_that_tensors_tell_cannot_be_given(family: str, read: Read) -> None:
    for field in {"d_model", "decoder_layers", "id2label", "nonsense"} - UNTOLD[family].keys():
        with pytest.raises(UsageError, match=rf"`fields`: '{field}' cannot be given for this file, only .*heads"):
            read(family, fields={field: 3})
    with pytest.raises(UsageError, match=r"`fields`: 'activation_function' is 'x'; it must be one of"):
        read(family, fields={"activation_function": "x"})


@pytest.mark.parametrize(
    ("family", "args", "sentence"),
    [
        ("dfine", {"DFINETransformer.query_select_method": "agnostic"}, "query_select_method=agnostic"),
        ("dfine", {"cfg.DFINETransformer.mlp_act": "other"}, "'head_activation_function' is 'other'"),
        ("dfine", {"DFINETransformer.cross_attn_method": "other"}, "'decoder_method' is 'other'"),
        ("detr", {"pre_norm": True}, "pre_norm=True, but the weights lack"),
        ("detr", {"pre_norm": 1}, "pre_norm=1, but the weights lack"),
        ("detr", {"activation": "glu"}, "'activation_function' is 'glu'"),
        ("deformable_detr", {"pre_norm": True}, "pre_norm=True"),
        ("rtdetr", {"RTDETRTransformerv2.query_select_method": "agnostic"}, "query_select_method=agnostic"),
        ("rtdetr", {"RTDETRTransformerv2.mlp_act": "silu"}, "mlp_act=silu"),
        ("rtdetr", {"PResNet.variant": "b"}, "variant=b"),
    ],
)
def test_settings_in_the_file_that_are_not_supported_are_refused(
    family: str, args: dict[str, Any], sentence: str, read: Read
) -> None:
    with pytest.raises((UnsupportedModelError, DamagedModelError), match=sentence):
        read(family, args=args)


def test_wider_later_layers_and_learned_queries_are_read(read: Read) -> None:
    tensors = dfine_tensors(decoder_layers=4, eval_idx=1, layer_scale=1.5, learn_initial_query=True)
    original = FAMILIES["dfine"].read_original(tensors, ConversionHints(labels=NAMES))
    assert original is not None
    assert names_of(original) == set(UNTOLD["dfine"]) - {"eval_idx", "num_queries"}


def test_a_size_in_the_files_configuration_is_read(tensors: dict[str, dict[str, Tensor]]) -> None:
    plain = {name: tensor for name, tensor in tensors["dfine"].items() if name[8:] not in ("anchors", "valid_mask")}
    for args, size, assumed in (
        ({}, (640, 640), True),
        ({"eval_spatial_size": [288, 512]}, (288, 512), False),
        ({"eval_spatial_size": "640"}, (640, 640), True),
    ):
        original = FAMILIES["dfine"].read_original(plain, ConversionHints(labels=NAMES, args=args))
        assert original is not None
        assert original.preprocessor["size"] == dict(zip(("height", "width"), size, strict=True))
        assert ("image_size=640x640" in original.assumed) is assumed


@pytest.mark.parametrize(
    ("family", "count", "title"),
    [("dfine", 80, "COCO"), ("dfine", 366, "Objects365"), ("detr", 91, "COCO"), ("detr", 250, "COCO panoptic"),
     ("deformable_detr", 91, "COCO"), ("rtdetr", 80, "COCO")],
)  # fmt: skip
def test_classes_that_are_known_by_their_number_are_assumed(family: str, count: int, title: str) -> None:
    names = tuple(f"own {i}" for i in range(count))
    changes = {"id2label": dict(enumerate(names))} if family in ("dfine", "rtdetr") else {"labels": names}
    tensors = TENSORS[family](**changes)
    original = FAMILIES[family].read_original(tensors, ConversionHints(dilation=False))
    assert original is not None
    assert original.assumed[0] == f"the {count} classes are those of {title}"
    assert original.config.labels == PUBLISHED_LABELS[count]
    own = FAMILIES[family].read_original(tensors, ConversionHints(dilation=False, labels=names))
    assert own is not None
    assert not any("classes" in entry for entry in own.assumed)
    if family != "dfine":
        with pytest.raises(UnsupportedModelError, match=rf"as many as {title}, but .* dataset_file=lvis; .*`labels`"):
            FAMILIES[family].read_original(tensors, ConversionHints(dilation=False, args={"dataset_file": "lvis"}))


@pytest.mark.parametrize(
    ("family", "model_type", "own"),
    [("dfine", "d_fine", "DFineForObjectDetection"), ("detr", "detr", "DetrForObjectDetection"),
     ("deformable_detr", "deformable_detr", "DeformableDetrForObjectDetection"),
     ("rtdetr", "rt_detr_v2", "RTDetrV2ForObjectDetection")],
)  # fmt: skip
def test_a_configuration_of_another_network_is_refused(family: str, model_type: str, own: str, read: Read) -> None:
    config = {**written(read(family), family), "model_type": model_type}
    for good in ([own], [], None, ["Other", own]):
        assert FAMILIES[family].read_config({**config, "architectures": good}).labels == NAMES
    for name in ("RTDetrForObjectDetection", "ConditionalDetrForObjectDetection", "MyDetector"):
        with pytest.raises(UnsupportedModelError, match=rf"'architectures' is \['{name}'\]; it must be .*{own}"):
            FAMILIES[family].read_config({**config, "architectures": [name]})
    with pytest.raises(UnsupportedModelError, match="'pre_norm' is True; it must be false"):
        FAMILIES[family].read_config({**config, "pre_norm": True})
    if family not in ("dfine", "rtdetr"):  # whose encoders may have their norms before attention
        with pytest.raises(UnsupportedModelError, match="'normalize_before' is True; it must be false"):
            FAMILIES[family].read_config({**config, "normalize_before": True})
