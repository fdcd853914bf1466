"""Deformable attention: both implementations equal a loop over points."""

import math

import pytest
import torch
from torch import Tensor

from detcli.models.layers import sampling
from detcli.models.layers.deformable_attention import DeformableAttention, ReferenceCells
from detcli.models.layers.sampling import gather

SHAPES = ((5, 7), (3, 4), (2, 2))
BATCH, QUERIES, HEADS, POINTS, WIDTH = 2, 6, 4, 3, 16


def drawn(
    shapes: tuple[tuple[int, int], ...] = SHAPES, dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Values, cells (many at the border or outside), and weights."""
    generator = torch.Generator().manual_seed(seed)
    positions = sum(height * width for height, width in shapes)
    values = torch.randn(BATCH, positions, WIDTH, generator=generator, dtype=dtype)
    cells = torch.rand(BATCH, QUERIES, 2, HEADS, len(shapes), POINTS, generator=generator, dtype=dtype) * 10 - 2
    cells[:, 0] = cells[:, 0].round()  # on cells, and on the border
    weights = torch.rand(BATCH, QUERIES, HEADS, len(shapes), POINTS, generator=generator, dtype=dtype)
    return values, cells, weights


def looped(values: Tensor, shapes: tuple[tuple[int, int], ...], cells: Tensor, weights: Tensor) -> Tensor:
    """The definition, point by point."""
    sums = torch.zeros(BATCH, QUERIES, HEADS, WIDTH // HEADS, dtype=values.dtype)
    starts = [sum(h * w for h, w in shapes[:level]) for level in range(len(shapes))]
    for b, q, m, level, p in torch.cartesian_prod(*(torch.arange(n) for n in weights.shape)).tolist():
        height, width = shapes[level]
        x, y = cells[b, q, :, m, level, p].tolist()
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < height and 0 <= column < width:
                    share = (1 - abs(y - row)) * (1 - abs(x - column)) * weights[b, q, m, level, p]
                    features = values[b, starts[level] + row * width + column].view(HEADS, -1)[m]
                    sums[b, q, m] += share * features
    return sums.flatten(2)


@pytest.mark.parametrize("learning", [False, True])
def test_sampling_equals_a_loop_over_points(learning: bool) -> None:
    values, cells, weights = drawn()
    gathered = gather(values.requires_grad_(learning), SHAPES, cells, weights)
    torch.testing.assert_close(gathered, looped(values.detach(), SHAPES, cells, weights))


def ways(values: Tensor, shapes: tuple[tuple[int, int], ...], cells: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    return sampling._by_bags(values, shapes, cells, weights), sampling._by_grids(values, shapes, cells, weights)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shapes", [SHAPES, ((2, 9),), ((40, 30), (20, 15), (10, 8), (5, 4))])
def test_embedding_bags_and_grid_sampling_give_the_same(
    shapes: tuple[tuple[int, int], ...], dtype: torch.dtype
) -> None:
    bags, grids = ways(*(lambda v, c, w: (v, shapes, c, w))(*drawn(shapes, dtype)))
    torch.testing.assert_close(bags, grids, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("shapes", [((1, 1),), ((1, 6), (2, 2)), ((4, 1),)])
def test_maps_of_a_single_row_or_column_are_sampled(shapes: tuple[tuple[int, int], ...]) -> None:
    values, cells, weights = drawn(shapes)
    torch.testing.assert_close(gather(values, shapes, cells, weights), looped(values, shapes, cells, weights))


def test_points_far_outside_the_maps_give_zeros() -> None:
    values, cells, weights = drawn()
    for far in (1e6, 1e12, math.inf):
        for way in ways(values, SHAPES, torch.full_like(cells, far), weights)[:1]:
            assert not way.any()


def test_nan_points_affect_only_their_own_output() -> None:
    values, cells, weights = drawn()
    cells[0, 2] = math.nan
    gathered = gather(values, SHAPES, cells, weights)
    assert gathered[0, 2].isnan().all()
    gathered[0, 2] = 0
    assert gathered.isfinite().all()


def test_chunked_sampling_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values, cells, weights = drawn()
    complete = sampling._by_grids(values, SHAPES, cells, weights)
    monkeypatch.setattr(sampling, "_MAX_SAMPLED", 2 * BATCH * WIDTH * POINTS)  # two queries at a time
    with torch.no_grad():
        torch.testing.assert_close(sampling._by_grids(values, SHAPES, cells, weights), complete)


def test_gradients_match_finite_differences() -> None:
    values, cells, weights = drawn()
    cells = cells[:, 1:, :, :2] + 0.01  # away from the cells themselves, where the slope jumps
    weights = weights[:, 1:, :2]
    inputs = tuple(x.clone().requires_grad_() for x in (values[..., :4], cells, weights))
    assert torch.autograd.gradcheck(lambda v, c, w: gather(v, SHAPES, c, w), inputs, fast_mode=True)


def lively_attention(levels: int = 3, seed: int = 0) -> DeformableAttention:
    attention = DeformableAttention(WIDTH, HEADS, levels, POINTS).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in attention.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3
    return attention.requires_grad_(False)


@pytest.mark.parametrize("coordinates", [2, 4])
def test_folded_attention_gives_the_same(coordinates: int) -> None:
    attention, generator = lively_attention(), torch.Generator().manual_seed(1)
    queries = torch.randn(BATCH, QUERIES, WIDTH, generator=generator, dtype=torch.float64)
    references = torch.rand(BATCH, QUERIES, 3, coordinates, generator=generator, dtype=torch.float64)
    tokens, _, _ = drawn()
    aim = ReferenceCells.from_references(references, SHAPES)
    plain, weights = attention(queries, aim, attention.values(tokens, None), SHAPES)
    attention.fold()
    folded, again = attention(queries, aim, attention.values(tokens, None), SHAPES)
    torch.testing.assert_close(folded, plain)
    torch.testing.assert_close(again, weights)


def test_expanded_reference_cells_give_the_same() -> None:
    attention, generator = lively_attention(), torch.Generator().manual_seed(1)
    queries = torch.randn(BATCH, QUERIES, WIDTH, generator=generator, dtype=torch.float64)
    aim = ReferenceCells.from_references(torch.rand(1, QUERIES, 3, 2, generator=generator, dtype=torch.float64), SHAPES)
    values = drawn()[0]
    plain, _ = attention(queries, aim, values, SHAPES)
    spread, _ = attention(queries, aim.expanded(HEADS, POINTS), values, SHAPES)
    assert torch.equal(plain, spread)


def test_padding_is_never_attended_to() -> None:
    attention = lively_attention()
    tokens, _, _ = drawn()
    padding = torch.rand(tokens.shape[:2], generator=torch.Generator().manual_seed(2)) < 0.4
    values = attention.values(tokens, padding)
    assert not values[padding].any()
    torch.testing.assert_close(values[~padding], attention.values(tokens, None)[~padding])


def test_heads_start_with_different_directions() -> None:
    attention = DeformableAttention(WIDTH, HEADS, 2, POINTS)
    offsets = attention.offsets.bias.view(HEADS, 2, POINTS, 2)
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    for step in range(POINTS):
        torch.testing.assert_close(offsets[:, 1, step], expected * (step + 1), atol=1e-6, rtol=0)
