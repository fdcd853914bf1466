"""The activations of D-FINE's decoder: written and read, and those of DEIM against outputs of the authors' code."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detcli.checkpoints.model_files import Variant
from detcli.errors import UnsupportedModelError
from detcli.models.dfine import FAMILY
from detcli.models.dfine.network import DFine
from detcli.models.dfine.original.variants import ACTIVATION_FIELDS, activations_of, variant_of
from detcli.models.dfine.published import published_config
from detcli.models.family import ConversionHints
from detcli.models.inference_form import optimize
from tests.helpers.dfine_samples import images, random_network, tiny, tiny_json
from tests.helpers.original_layouts import dfine

# A decoder of the authors' repository (DEIM, engine/deim/dfine_decoder.py) with random weights, run with SiLU and with ReLU:
# `weights/…` by the names of a .pth file, two maps, and the outputs of both.
CASE = Path(__file__).parents[3] / "helpers" / "deim_decoder.npz"
NAMES = tuple("abcdef")
Case = dict[str, Tensor]


@pytest.fixture(scope="module")
def case() -> Case:
    with np.load(CASE) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def tensors_of(case: Case) -> dict[str, Tensor]:
    """The decoder's weights in a complete file; its backbone and encoder are random."""
    config = tiny(
        num_feature_levels=2, encoder_in_channels=[32, 40], decoder_in_channels=[32, 32], encode_proj_layers=[1],
        decoder_n_points=[3, 6], decoder_layers=3, decoder_ffn_dim=64, decoder_attention_heads=8, encoder_attention_heads=8,
        lqe_hidden_dim=64, num_queries=20, id2label=dict(enumerate(NAMES)), backbone={"out_indices": [3, 4]},
        num_denoising=0,
    )  # fmt: skip
    state = dict(random_network(config).state_dict())
    complete = dfine(FAMILY.write_weights(state, config), grid_hw=(128, 128), strides=(16, 32))
    others = {name: tensor for name, tensor in complete.items() if not name.startswith("decoder.")}
    return others | {name[8:]: tensor for name, tensor in case.items() if name.startswith("weights/")}


def read(case: Case, **hints: Any) -> DFine:
    """The network of the file, with these hints."""
    fields = {"num_queries": 20, **hints.pop("fields", {})}
    original = FAMILY.read_original(tensors_of(case), ConversionHints(labels=NAMES, fields=fields, **hints))
    assert original is not None
    network = FAMILY.build(original.config)
    network.load_state_dict(FAMILY.read_weights(original.tensors, original.config))
    return network.eval()


@torch.no_grad()
def difference(network: DFine, case: Case, activation: str) -> tuple[float, float]:
    """Largest differences of logits and boxes from those of the authors' code."""
    maps = [case["features/0"], case["features/1"]]
    tokens = torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1)
    shapes = tuple((x.shape[2], x.shape[3]) for x in maps)
    selected = network.query_selection(tokens, shapes)
    decoded = network.decoder(selected.queries, selected.references, tokens, shapes)
    outputs = {"pred_logits": decoded.logits[-1], "pred_boxes": decoded.boxes_cxcywh[-1]}
    logits, boxes = (float((output - case[f"{activation}/{name}"]).abs().max()) for name, output in outputs.items())
    return logits, boxes


@pytest.mark.parametrize(("variant", "activation"), [("deim", "silu"), ("dfine", "relu")])
def test_the_decoder_computes_as_the_authors_code(variant: Variant, activation: str, case: Case) -> None:
    logits, boxes = difference(read(case, variant=variant), case, activation)
    assert logits < 2e-5
    assert boxes < 2e-6


@pytest.mark.parametrize(("variant", "activation"), [("deim", "relu"), ("dfine", "silu")])
def test_the_wrong_variant_gives_other_outputs(variant: Variant, activation: str, case: Case) -> None:
    logits, boxes = difference(read(case, variant=variant), case, activation)
    assert logits > 1
    assert boxes > 0.05


@pytest.mark.parametrize("field", ACTIVATION_FIELDS)
def test_each_activation_counts(field: str, case: Case) -> None:
    logits, _ = difference(read(case, variant="deim", fields={field: "relu"}), case, "silu")
    assert logits > 1e-3


def test_the_inference_form_keeps_the_activations(case: Case) -> None:
    assert difference(optimize(read(case, variant="deim")), case, "silu")[0] < 2e-5


@pytest.mark.parametrize("field", ACTIVATION_FIELDS)
@pytest.mark.parametrize("activation", ["silu", "gelu"])
def test_an_activation_survives_config_json(field: str, activation: str) -> None:
    config = FAMILY.read_config(tiny_json(**{field: activation}))
    assert getattr(config, field) == activation
    written = FAMILY.write_config(config)
    assert written[field] == activation
    assert FAMILY.read_config(written) == config
    assert variant_of(config) is None  # one alone is of neither variant


@pytest.mark.parametrize("field", ACTIVATION_FIELDS)
def test_an_unknown_activation_is_refused(field: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"'{field}' is 'other'"):
        FAMILY.read_config(tiny_json(**{field: "other"}))


def test_a_configuration_without_them_is_that_of_dfine() -> None:
    config = FAMILY.read_config(tiny_json())
    assert {field: getattr(config, field) for field in ACTIVATION_FIELDS} == activations_of("dfine")
    assert variant_of(config) == "dfine"
    assert variant_of(replace(config, **activations_of("deim"))) == "deim"


@pytest.mark.parametrize("name", ["deim-n", "deim-x", "rtdetrv4-s"])
def test_a_published_relative_is_dfine_with_silu(name: str) -> None:
    size = name[-1]
    config = published_config(name, NAMES)
    assert config == replace(published_config(size, NAMES), **activations_of("deim"))
    recipes = {FAMILY.published_recipe(one, "custom")["lr"] for one in (config, published_config(size, NAMES))}
    assert len(recipes) == 1


def test_both_variants_have_the_same_tensors_and_other_outputs() -> None:
    plain, deim = tiny(), replace(tiny(), **activations_of("deim"))
    one, other = random_network(plain), random_network(deim)
    assert {name: x.shape for name, x in one.state_dict().items()} == {
        name: x.shape for name, x in other.state_dict().items()
    }
    pixels = images(1, 64, 64).float()
    with torch.no_grad():
        assert not torch.allclose(one(pixels).logits, other(pixels).logits, atol=1e-3)
