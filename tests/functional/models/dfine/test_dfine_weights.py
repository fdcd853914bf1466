"""Weights of every naming are read completely or rejected, and written without loss."""

import warnings

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.weights import read_weights, write_weights
from detcli.models.inference_form import optimize
from tests.helpers.dfine_samples import random_network, tiny

CONFIG = tiny(decoder_layers=3)
HEADS = ("class_embed.", "bbox_embed.")
IN_DECODER = tuple("model.decoder." + head for head in HEADS)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return dict(random_network(CONFIG).state_dict())


@pytest.fixture
def tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return write_weights(state, CONFIG)


def assert_same(read: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor), name


@pytest.mark.parametrize(
    "config",
    [
        tiny(),
        tiny(d_model=48, num_feature_levels=5, decoder_n_points=2),
        tiny(backbone={"use_learnable_affine_block": True}, freeze_backbone_batch_norms=False),
        tiny(learn_initial_query=True, num_denoising=0),
        tiny(decoder_layers=4, eval_idx=1, layer_scale=1.5, lqe_layers=3),
        tiny(encoder_layers=2, encode_proj_layers=[0, 2]),
    ],
    ids=["as it is", "wider", "affines", "learned queries", "layers after the answer", "two within"],
)
def test_written_weights_read_back_unchanged(config: DFineConfig) -> None:
    state = dict(random_network(config).state_dict())
    assert_same(read_weights(write_weights(state, config), config), state)


def test_names_on_disk_are_those_of_the_hub(tensors: dict[str, Tensor]) -> None:
    for name in (
        "model.backbone.model.embedder.stem2a.convolution.weight",
        "model.backbone.model.encoder.stages.2.blocks.0.layers.1.conv2.normalization.running_var",
        "model.backbone.model.encoder.stages.1.downsample.convolution.weight",
        "model.encoder_input_proj.0.0.weight",
        "model.encoder_input_proj.2.1.running_mean",
        "model.encoder.encoder.0.layers.0.self_attn.out_proj.bias",
        "model.encoder.encoder.0.layers.0.fc1.weight",
        "model.encoder.lateral_convs.1.conv.weight",
        "model.encoder.fpn_blocks.0.csp_rep1.bottlenecks.1.conv2.norm.bias",
        "model.encoder.downsample_convs.0.conv2.norm.weight",
        "model.enc_output.1.bias",
        "model.denoising_class_embed.weight",
        "model.decoder.layers.2.encoder_attn.num_points_scale",
        "model.decoder.layers.0.gateway.gate.weight",
        "model.decoder.lqe_layers.0.reg_conf.layers.1.bias",
        "model.decoder.bbox_embed.2.layers.0.weight",
        "class_embed.1.bias",
        "model.decoder.up",
    ):
        assert name in tensors
    assert not [name for name in tensors if ".attention." in name or "within" in name]


def test_written_tensors_do_not_share_memory(tensors: dict[str, Tensor]) -> None:
    pointers = [tensor.data_ptr() for tensor in tensors.values() if tensor.numel()]
    assert len(set(pointers)) == len(pointers)


def test_a_raw_state_dict_of_transformers_is_read(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in (
            ("model.encoder.encoder.", "model.encoder.aifi."),
            (".self_attn.out_proj.", ".self_attn.o_proj."),
            (".fc1.", ".mlp.layers.0."),
            (".fc2.", ".mlp.layers.1."),
        ):
            name = name.replace(old, new)
        renamed[name] = tensor
    assert renamed.keys() != tensors.keys()
    assert_same(read_weights(renamed, CONFIG), state)


@pytest.mark.parametrize(
    "dropped",
    [HEADS, IN_DECODER, ("model.decoder.class_embed.0.", "class_embed.1.", "class_embed.2.")],
    ids=["under the decoder alone", "at the top level alone", "the first apart, as transformers 5.0 saves them"],
)
def test_heads_are_read_from_both_levels(
    dropped: tuple[str, ...], tensors: dict[str, Tensor], state: dict[str, Tensor]
) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(dropped)}
    assert_same(read_weights(kept, CONFIG), state)


def test_the_decoders_heads_come_first(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    mixed = {name: tensor + 1 if name.startswith(HEADS) else tensor for name, tensor in tensors.items()}
    assert_same(read_weights(mixed, CONFIG), state)
    assert_same(read_weights(dict(reversed(mixed.items())), CONFIG), state)


@pytest.mark.parametrize("prefix", ["", "model.decoder."])
def test_a_single_head_is_shared_by_all_layers_without_sharing_memory(prefix: str, tensors: dict[str, Tensor]) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(HEADS + IN_DECODER)}
    kept |= {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith((prefix + "class_embed.0.", prefix + "bbox_embed.0."))
    }
    read = read_weights(kept, CONFIG)
    for name in ("class_heads.{}.weight", "corner_heads.{}.layers.2.bias"):
        first, *others = (read["decoder." + name.format(i)] for i in range(3))
        assert all(torch.equal(first, other) for other in others)
        assert len({tensor.data_ptr() for tensor in (first, *others)}) == 3


def test_several_heads_are_never_tied(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if "class_embed.1." in name]:
        del tensors[name]
    with pytest.raises(DamagedModelError, match=r"lack 'model\.decoder\.class_embed\.1\.weight' and 1 more"):
        read_weights(tensors, CONFIG)


def test_batch_counters_are_optional(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    kept["model.backbone.model.embedder.stem1.normalization.num_batches_tracked"] = torch.tensor(7)
    assert_same(read_weights(kept, CONFIG), state)


def test_half_precision_becomes_float32(tensors: dict[str, Tensor]) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        halved = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
        read = read_weights(halved, CONFIG)
        assert {t.dtype for t in read.values() if t.is_floating_point()} == {torch.float32}
        name = "model.decoder.layers.0.gateway.gate.weight"
        assert torch.equal(read["decoder.layers.0.gate.gate.weight"], halved[name].float())


def test_reg_scale_and_up_are_read_as_floats_or_integers(tensors: dict[str, Tensor]) -> None:
    tensors["model.decoder.reg_scale"] = torch.tensor([8])
    tensors["model.decoder.up"] = torch.tensor(0.25)
    read = read_weights(tensors, CONFIG)
    assert torch.equal(read["decoder.bins.reg_scale"], torch.tensor([8.0]))
    assert torch.equal(read["decoder.bins.up"], torch.tensor([0.25]))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_invalid_reg_scale_is_rejected(value: float, tensors: dict[str, Tensor]) -> None:
    tensors["model.decoder.reg_scale"] = torch.tensor([value])
    with pytest.raises(DamagedModelError, match=r"model\.decoder\.reg_scale"):
        read_weights(tensors, CONFIG)


def test_a_missing_tensor_is_named_and_others_are_counted(tensors: dict[str, Tensor]) -> None:
    del tensors["model.enc_output.0.bias"]
    with pytest.raises(DamagedModelError, match=r"lack 'model\.enc_output\.0\.bias'$"):
        read_weights(tensors, CONFIG)
    del tensors["model.enc_output.1.bias"], tensors["model.enc_score_head.weight"]
    with pytest.raises(DamagedModelError, match=r"lack 'model\.enc_output\.0\.bias' and 2 more tensors"):
        read_weights(tensors, CONFIG)


def test_an_unexpected_tensor_is_named(tensors: dict[str, Tensor]) -> None:
    for name in ("model.decoder.layers.7.fc1.weight", "model.text_encoder.weight", "optimizer"):
        with pytest.raises(DamagedModelError, match=f"no place for '{name}'"):
            read_weights({**tensors, name: torch.zeros(1)}, CONFIG)


def test_a_tensor_of_wrong_shape_is_named_with_both_shapes(tensors: dict[str, Tensor]) -> None:
    tensors["model.enc_output.0.weight"] = torch.zeros(32, 31)
    with pytest.raises(DamagedModelError, match=r"'model\.enc_output\.0\.weight' of shape \[32, 31\] .* \[32, 32\]"):
        read_weights(tensors, CONFIG)


def test_integer_weights_are_rejected(tensors: dict[str, Tensor]) -> None:
    tensors["model.enc_output.0.weight"] = torch.zeros(32, 32, dtype=torch.int8)
    with pytest.raises(DamagedModelError, match=r"'model\.enc_output\.0\.weight' as int8"):
        read_weights(tensors, CONFIG)


def test_weights_for_another_number_of_classes_are_rejected(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(DamagedModelError, match="of shape"):
        read_weights(tensors, tiny(decoder_layers=3, id2label={"0": "a"}))


def test_layers_that_transformers_never_runs_are_ignored() -> None:
    config = tiny(decoder_layers=3, eval_idx=1)
    state = dict(random_network(config).state_dict())
    tensors = write_weights(state, config)
    extra = {
        name.replace("layers.2.", "layers.3."): tensor
        for name, tensor in tensors.items()
        if name.startswith("model.decoder.layers.2.")
    }
    assert extra
    assert_same(read_weights(tensors | extra, config), state)


def test_the_faulty_conversion_of_dfine_nano_gives_a_warning(tensors: dict[str, Tensor]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_weights(tensors, CONFIG)
    name = "model.decoder.layers.1.self_attn.{}_proj.weight"
    tensors[name.format("k")] = tensors[name.format("v")].clone()
    with pytest.warns(RuntimeWarning, match="keys and values of decoder layer 1"):
        read_weights(tensors, CONFIG)


def test_an_optimized_network_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="training form"):
        write_weights(optimize(random_network(CONFIG)).state_dict(), CONFIG)
