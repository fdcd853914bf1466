"""The layers, each against a plain implementation."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.backbones.hgnetv2 import HGNetV2, _largest_of_four
from detcli.models.dfine.box_distribution import EdgeBins, LocationQualityEstimator
from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.deformable_attention import BoxSampling, SamplingMethod, sample
from detcli.models.layers.norm import Clamp, ConvNorm, FrozenBatchNorm2d, GroupNorm, LearnableAffine, sum_of
from detcli.models.layers.position import inverse_sigmoid, sine_grid
from detcli.models.layers.query_selection import anchor_grid
from detcli.models.layers.sampling import split_values
from tests.helpers.dfine_samples import tiny

CPU = torch.device("cpu")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_sine_grid_runs_along_rows_first() -> None:
    grid = sine_grid(2, 3, channels=8, temperature=100.0, device=CPU, dtype=torch.float64)
    assert grid.shape == (6, 8)
    for row in range(2):
        for column in range(3):
            expected = []
            for at in (row, column):
                angles = [at / 100.0 ** (k / 2) for k in range(2)]
                expected += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            assert grid[row * 3 + column].tolist() == pytest.approx(expected)


def test_inverse_sigmoid_undoes_sigmoid_and_is_bounded() -> None:
    x = torch.linspace(-5, 5, 11, dtype=torch.float64)
    assert torch.allclose(inverse_sigmoid(x.sigmoid()), x)
    assert inverse_sigmoid(torch.tensor([-1.0, 0.0, 1.0, 2.0])).abs().max() < 12


def test_frozen_norm_is_batch_norm_in_evaluation() -> None:
    frozen, norm = FrozenBatchNorm2d(3).double(), nn.BatchNorm2d(3).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert tensor is not None
        tensor.copy_(drawn(3).abs() + 0.1)
    frozen.load_state_dict({k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"})
    x = drawn(2, 3, 4, 5)
    assert torch.allclose(frozen(x), norm(x))
    assert not list(frozen.parameters())


def test_group_norm_is_pytorchs_and_the_bias_for_single_values() -> None:
    norm = GroupNorm(4, 8).double()
    alone = GroupNorm(8, 8).double()
    for one in (norm, alone):
        nn.init.normal_(one.weight)
        nn.init.normal_(one.bias)
    map_ = drawn(2, 8, 3, 5)
    torch.testing.assert_close(norm(map_), F.group_norm(map_, 4, norm.weight, norm.bias))
    torch.testing.assert_close(alone(drawn(1, 8, 1, 1)), alone.bias.reshape(1, 8, 1, 1))


@pytest.mark.parametrize("scale", [0.7, -0.7, 0.0])
@pytest.mark.parametrize("activation", ["relu", "silu", None])
def test_a_folded_convolution_equals_its_parts(scale: float, activation: str | None) -> None:
    norm = FrozenBatchNorm2d(6)
    norm.running_mean.copy_(drawn(6))
    norm.running_var.copy_(drawn(6).abs() + 0.1)
    norm.weight.copy_(drawn(6, seed=1))
    norm.bias.copy_(drawn(6, seed=2))
    block = ConvNorm(4, 6, 3, 2, norm=norm, groups=2, activation=activation, affine=True).double()
    assert isinstance(block.affine, LearnableAffine)
    nn.init.constant_(block.affine.scale, scale)
    nn.init.constant_(block.affine.bias, 0.3)
    x = drawn(2, 4, 7, 9)
    with torch.inference_mode():
        before = block(x)
        block.fold()
        block.fold()
        assert torch.allclose(block(x), before)
    assert isinstance(block.activation, Clamp) == (activation == "relu")


def test_two_convolutions_of_different_kernels_are_summed() -> None:
    large, small = nn.Conv2d(3, 4, 3, padding=1).double(), nn.Conv2d(3, 4, 1).double()
    x = drawn(1, 3, 5, 6)
    assert torch.allclose(sum_of(large, small)(x), large(x) + small(x))


@pytest.mark.parametrize("with_weights", [False, True])
@pytest.mark.parametrize("folded", [False, True])
def test_self_attention_is_that_of_torch(with_weights: bool, folded: bool) -> None:
    ours, theirs = SelfAttention(8, 2).double(), nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        nn.init.normal_(theirs.in_proj_bias)
        for i, part in enumerate((ours.query, ours.key, ours.value)):
            part.weight.copy_(theirs.in_proj_weight[8 * i : 8 * i + 8])
            part.bias.copy_(theirs.in_proj_bias[8 * i : 8 * i + 8])
        ours.output.load_state_dict(theirs.out_proj.state_dict())
    if folded:
        ours.fold()
    tokens, positions = drawn(2, 5, 8), drawn(5, 8, seed=1)
    mixed, weights = ours(tokens, positions, with_weights=with_weights)
    placed = tokens + positions
    expected, expected_weights = theirs(placed, placed, tokens, average_attn_weights=False)
    assert torch.allclose(mixed, expected)
    assert (weights is not None) == with_weights
    assert weights is None or torch.allclose(weights, expected_weights)


@pytest.mark.parametrize("method", ["default", "discrete"])
def test_sampling_is_the_weighted_sum_at_the_points(method: SamplingMethod) -> None:
    batch, queries, heads, width = 2, 3, 2, 6
    shapes, points = ((4, 5), (2, 3)), (2, 1)
    tokens = drawn(batch, 4 * 5 + 2 * 3, width)
    places = torch.rand((batch, queries, heads, 3, 2), dtype=torch.float64) * 1.4 - 0.2  # some outside
    weights = drawn(batch, queries, heads, 3, seed=3)
    found = sample(split_values(tokens, shapes, heads), places, weights, points, method)
    maps = [
        tokens[:, start : start + h * w].view(batch, h, w, heads, width // heads)
        for start, (h, w) in ((0, shapes[0]), (20, shapes[1]))
    ]
    level_of_point = (0, 0, 1)
    for b in range(batch):
        for q in range(queries):
            for m in range(heads):
                expected = torch.zeros(width // heads, dtype=torch.float64)
                for p in range(3):
                    grid = maps[level_of_point[p]][b, :, :, m]
                    x, y = (float(v) for v in places[b, q, m, p])
                    expected += weights[b, q, m, p] * look_up(grid, x, y, method)
                assert torch.allclose(found[b, q, m * 3 : m * 3 + 3], expected)


def look_up(grid: Tensor, x: float, y: float, method: SamplingMethod) -> Tensor:
    """The value at x and y as fractions of a map [H, W, C], cell by cell."""
    height, width = grid.shape[:2]
    if method == "discrete":
        column, row = math.trunc(x * width + 0.5), math.trunc(y * height + 0.5)
        return grid[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    x, y = x * width - 0.5, y * height - 0.5
    value = torch.zeros(grid.shape[2], dtype=grid.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * grid[row, column]
    return value


def test_initial_sampling_points_and_folding() -> None:
    sampling = BoxSampling(8, 4, (2, 3)).double()
    steps = sampling.offsets.bias.view(4, 5, 2).abs().amax(-1)
    assert torch.allclose(steps, torch.tensor([1.0, 2, 1, 2, 3], dtype=torch.float64).expand(4, -1))
    nn.init.normal_(sampling.offsets.weight)
    nn.init.normal_(sampling.weights.weight)
    queries, boxes = drawn(1, 3, 8), torch.rand((1, 3, 4), dtype=torch.float64)
    values = split_values(drawn(1, 10, 8, seed=1), ((2, 3), (2, 2)), 4)
    plain = sampling(queries, boxes, values)
    sampling.fold()
    sampling.fold()
    for one, other in zip(plain, sampling(queries, boxes, values), strict=True):
        assert torch.allclose(one, other, atol=1e-6)  # 1 / 3 is a float32 in a checkpoint


def test_bins_are_symmetric_and_the_middle_bin_keeps_the_box() -> None:
    bins = EdgeBins(32, reg_scale=4.0, up=0.5).double()
    offsets = bins.bin_offsets()
    assert offsets.shape == (33,)
    assert torch.allclose(offsets, -offsets.flip(0))
    assert offsets[-1] == 4.0
    assert offsets[16] == 0.0
    assert (offsets.diff() > 0).all()
    corners = torch.full((1, 1, 4, 33), -1e3, dtype=torch.float64)
    corners[..., 16] = 0.0
    box = torch.tensor([[[0.5, 0.4, 0.2, 0.1]]], dtype=torch.float64)
    assert torch.allclose(bins(corners.flatten(2), box), box)
    corners[..., 2, 32] = 2e3  # the right edge goes out by 4 / reg_scale = 1 width
    assert torch.allclose(bins(corners.flatten(2), box), torch.tensor([[[0.6, 0.4, 0.4, 0.1]]], dtype=torch.float64))
    bins.fold()
    bins.fold()
    assert torch.allclose(bins.offsets, offsets)  # type: ignore[arg-type]


def test_location_quality_is_zero_before_training() -> None:
    assert LocationQualityEstimator(8, top=3, hidden=4, layers=2)(torch.randn(2, 5, 36)).abs().max() == 0


def test_anchors_are_in_their_cells_and_invalid_at_the_border() -> None:
    logits, valid = anchor_grid(((100, 50), (2, 1)), device=CPU, dtype=torch.float64)
    boxes = logits.sigmoid()
    assert boxes[101].tolist() == pytest.approx([1.5 / 50, 2.5 / 100, 0.05, 0.05])
    assert boxes[-1].tolist() == pytest.approx([0.5, 0.75, 0.1, 0.1])
    used = valid[:5000, 0].view(100, 50)
    assert not used[0].any()  # 0.005 from the edge
    assert not used[:, 0].any()  # 0.01, which is not more than 0.01
    assert used[1:-1, 1:-1].all()
    assert (logits[0] == torch.finfo(torch.float64).max).all()


def test_pooling_is_max_pooling() -> None:
    x = drawn(2, 3, 7, 9)
    assert torch.equal(_largest_of_four(x), F.max_pool2d(x, 2, 1, ceil_mode=True))


def test_the_backbone_returns_the_configured_maps() -> None:
    config = tiny(backbone={"out_indices": [1, 2, 3]}, encoder_in_channels=[16, 24, 32]).backbone
    assert config.out_strides == ((4, 4), (8, 8), (16, 16))
    maps = HGNetV2(config)(torch.zeros(1, 3, 64, 96))
    assert [tuple(x.shape) for x in maps] == [(1, 16, 16, 24), (1, 24, 8, 12), (1, 32, 4, 6)]
