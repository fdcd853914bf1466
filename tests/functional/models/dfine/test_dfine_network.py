"""Properties of the network with any weights, in training and inference form."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from detcli.models.dfine import FAMILY
from detcli.models.dfine.network import DFine, DFineDetails
from detcli.models.dfine.published import Size, published_config
from detcli.models.inference_form import optimize
from detcli.models.layers.norm import FrozenBatchNorm2d
from tests.helpers.dfine_samples import distance, images, random_network, tiny

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "affines": {"backbone": {"use_learnable_affine_block": True}},
    "affines after silu": {"backbone": {"use_learnable_affine_block": True, "hidden_act": "silu"}},
    "wider": {"d_model": 48, "num_feature_levels": 4, "decoder_n_points": 2},
    "nearest cell": {"decoder_method": "discrete"},
    "trainable norms": {"freeze_backbone_batch_norms": False},
    "learned queries": {"learn_initial_query": True},
    "an early answer": {"decoder_layers": 4, "eval_idx": 1, "layer_scale": 1.5},
}


@pytest.fixture(params=VARIANTS)
def network(request: pytest.FixtureRequest) -> DFine:
    return random_network(tiny(**VARIANTS[request.param])).double()


@pytest.fixture(params=["plain", "folded"])
def any_form(request: pytest.FixtureRequest) -> DFine:
    network = random_network(tiny(backbone={"use_learnable_affine_block": True}))
    return optimize(network) if request.param == "folded" else network


# Source: the original repository, all parameters with 80 classes; where it trains the backbone's norms, those too.
@pytest.mark.parametrize(
    ("size", "millions"), [("n", 3.783), ("s", 10.322), ("m", 19.590), ("l", 31.244), ("x", 62.622)]
)
def test_sizes_have_the_published_number_of_parameters(size: Size, millions: float) -> None:
    with torch.device("meta"):
        network = DFine(published_config(size, ["label"] * 80))
    count = sum(parameter.numel() for parameter in network.parameters())
    if size in ("n", "s", "m"):
        norms = [module for module in network.modules() if isinstance(module, FrozenBatchNorm2d)]
        count += sum(norm.weight.numel() + norm.bias.numel() for norm in norms)
    assert round(count / 1e6, 3) == millions


@torch.inference_mode()
def test_the_inference_form_gives_the_same(network: DFine) -> None:
    pixels = images(2, 64, 96)
    plain = network(pixels)
    logits, boxes = distance(optimize(network)(pixels), plain.logits, plain.boxes_cxcywh)
    assert logits < 1e-9
    assert boxes < 1e-9


@torch.inference_mode()
def test_optimizing_in_float32_rounds_once(network: DFine) -> None:
    pixels = images(2, 64, 96)
    exact = network(pixels)
    folded = optimize(copy.deepcopy(network).float()).double()
    logits, boxes = distance(folded(pixels), exact.logits, exact.boxes_cxcywh)
    assert logits < 1e-3
    assert boxes < 1e-4


def test_optimizing_works_in_place_and_can_be_repeated(network: DFine) -> None:
    folded = optimize(network)
    assert folded is network
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d | FrozenBatchNorm2d | nn.Embedding)] or (
        folded.query_selection.learned is not None
    )
    assert len(folded.decoder.layers) == folded.decoder.eval_idx + 1
    before = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    after = optimize(folded).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.inference_mode()
def test_batching_does_not_change_results(any_form: DFine) -> None:
    pixels = images(3, 64, 96)
    together = any_form.double()(pixels)
    for i in range(3):
        alone = any_form(pixels[i : i + 1])
        logits, boxes = distance(alone, together.logits[i : i + 1], together.boxes_cxcywh[i : i + 1])
        assert logits < 1e-9
        assert boxes < 1e-9


@torch.inference_mode()
def test_the_memory_format_does_not_matter(any_form: DFine) -> None:
    pixels = images(2, 64, 96)
    plain = any_form.double()(pixels)
    turned = any_form.to(memory_format=torch.channels_last)(pixels.contiguous(memory_format=torch.channels_last))
    logits, boxes = distance(turned, plain.logits, plain.boxes_cxcywh)
    assert logits < 1e-9
    assert boxes < 1e-9


@torch.inference_mode()
def test_details_do_not_change_predictions(any_form: DFine) -> None:
    pixels = images(2, 96, 64)
    answer = any_form.double()(pixels)
    detailed = any_form(pixels, details=True)
    assert answer.details is None
    assert isinstance(detailed.details, DFineDetails)
    assert torch.allclose(answer.logits, detailed.logits, atol=1e-9)
    assert torch.allclose(answer.boxes_cxcywh, detailed.boxes_cxcywh, atol=1e-9)


@torch.inference_mode()
def test_no_image_size_is_remembered(any_form: DFine) -> None:
    sizes = [(64, 96), (96, 64), (32, 32), (128, 64)]
    names = any_form.state_dict().keys()
    first = [any_form(images(1, *size).float()) for size in sizes]
    again = [any_form(images(1, *size).float()) for size in reversed(sizes)][::-1]
    assert all(torch.equal(a.logits, b.logits) for a, b in zip(first, again, strict=True))
    assert any_form.state_dict().keys() == names


@torch.inference_mode()
def test_a_small_image_gives_one_prediction_per_cell() -> None:
    network = random_network(tiny(num_queries=100, learn_initial_query=True))
    outputs = network(images(1, 32, 32).float())
    assert outputs.boxes_cxcywh.shape == (1, 16 + 4 + 1, 4)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 65, 64), (1, 3, 64, 48)])
def test_pixels_of_wrong_shape_are_rejected(shape: tuple[int, ...], any_form: DFine) -> None:
    with pytest.raises(ValueError, match=r"multiple of 32") as refusal:
        any_form(torch.zeros(shape))
    assert str(list(shape)) in str(refusal.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_tensor_stays_on_the_meta_device(variant: str) -> None:
    config = tiny(**VARIANTS[variant])
    state = FAMILY.read_weights(FAMILY.write_weights(random_network(config).state_dict(), config), config)
    with torch.device("meta"):
        network = FAMILY.build(config)
    network.load_state_dict(state, strict=True, assign=True)
    for form in (network.eval(), FAMILY.optimize(network)):
        tensors = [*form.parameters(), *form.buffers()]
        assert not [tensor for tensor in tensors if tensor.is_meta]
        with torch.inference_mode():
            assert form(images(1, 64, 64).float()).logits.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("details", [False, True])
def test_autocast_keeps_boxes_in_float32(dtype: torch.dtype, details: bool, any_form: DFine) -> None:
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        outputs = any_form(images(2, 64, 96).float(), details=details)
    assert outputs.boxes_cxcywh.dtype == torch.float32
    assert outputs.logits.isfinite().all()
    assert outputs.boxes_cxcywh.isfinite().all()


@torch.inference_mode()
def test_a_float16_network_runs(any_form: DFine) -> None:
    exact = any_form(images(2, 64, 96).float())
    halves = any_form.half()(images(2, 64, 96).half())
    assert halves.logits.dtype == torch.float16
    assert (halves.logits.amax(-1).sort().values - exact.logits.amax(-1).sort().values).abs().max() < 0.5


@torch.inference_mode()
def test_the_compiler_makes_one_graph(any_form: DFine) -> None:
    pixels = images(2, 64, 96).float()
    torch.compiler.reset()
    compiled = torch.compile(any_form, fullgraph=True, backend="eager", dynamic=False)
    assert torch.allclose(compiled(pixels).logits, any_form(pixels).logits, atol=1e-5)


def test_training_works_after_inference() -> None:
    """Grids that were cached in inference mode must not prevent gradients."""
    config = tiny(decoder_layers=3, eval_idx=1, layer_scale=1.5)
    network = random_network(config)
    pixels = images(2, 64, 96, seed=5).float()
    with torch.inference_mode():
        network(pixels)
    details = network.train()(pixels, details=True).details
    assert isinstance(details, DFineDetails)
    assert details.intermediate_hidden_states is None  # of different widths
    assert details.last_hidden_state.shape[-1] == 48
    assert details.intermediate_logits.shape[1] == 4  # the boxes to start from, and three layers
    answers = (details.intermediate_logits, details.intermediate_reference_points)
    picked = (details.enc_topk_logits, details.enc_topk_bboxes)
    sum(tensor.sum() for tensor in answers + picked).backward()  # type: ignore[union-attr]
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == {"decoder.bins.reg_scale", "decoder.bins.up", "denoising_labels.weight"}


@torch.inference_mode()
def test_a_new_network_predicts_priors_and_anchors() -> None:
    torch.manual_seed(0)
    network = DFine(published_config("n", ["label"] * 9)).eval()
    outputs = network(images(1, 256, 320).float(), details=True)
    assert isinstance(outputs.details, DFineDetails)
    assert 0.02 < outputs.logits.sigmoid().mean() < 0.3  # one in ten
    assert torch.allclose(outputs.boxes_cxcywh, outputs.details.enc_topk_bboxes, atol=1e-4)


@torch.inference_mode()
def test_dropout_is_active_only_in_training() -> None:
    network = random_network(tiny(dropout=0.5, attention_dropout=0.5))
    pixels = images(1, 64, 64).float()
    assert torch.equal(network(pixels).logits, network(pixels).logits)
    network.train()
    assert not torch.equal(network(pixels).logits, network(pixels).logits)
