"""Fewer queries and decoder layers give what the network of such a config.json gives, with fewer operators."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from detcli.errors import UnsupportedModelError, UsageError
from detcli.models.inference_form import optimize
from detcli.models.reduced_network import reduce_network
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples


def dfine(**changes: Any) -> nn.Module:
    return dfine_samples.random_network(dfine_samples.tiny(**{"decoder_layers": 3} | changes))


def detr(**changes: Any) -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny(**{"decoder_layers": 3} | changes))


def deformable(variant: str = "", **changes: Any) -> nn.Module:
    config = deformable_detr_samples.tiny(variant, **{"decoder_layers": 3} | changes)
    return deformable_detr_samples.random_network(config)


def refining(**changes: Any) -> nn.Module:
    return deformable("with-box-refine", **changes)


def two_stage(**changes: Any) -> nn.Module:
    return deformable("with-box-refine-two-stage", **changes)


def segmenting(**changes: Any) -> nn.Module:
    return detr(**detr_samples.SEGMENTING, **changes)


def ending_early(**changes: Any) -> nn.Module:
    """A D-FINE that predicts after layer 2 of 4; the later layers, of another width, are for training."""
    return dfine(**{"decoder_layers": 4, "eval_idx": 1, "layer_scale": 1.5} | changes)


Make = Callable[..., nn.Module]
EVERY_FAMILY = [dfine, ending_early, detr, segmenting, deformable, refining, two_stage]


class Operators(TorchDispatchMode):
    """Counts the operators of a forward pass."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def outputs(network: nn.Module) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        found = network(dfine_samples.images(2, 64, 96).float())
    return tuple(x for x in (found.logits, found.boxes_cxcywh, found.masks) if x is not None)


def operators(network: nn.Module) -> int:
    with torch.inference_mode(), Operators() as counted:
        network(dfine_samples.images(1, 64, 96).float())
    return counted.count


def configured(make: Make, source: nn.Module, **changes: Any) -> nn.Module:
    """The network of a config.json with other numbers, with the weights of `source` that it has."""
    network = make(**changes)
    state = source.state_dict()
    network.load_state_dict(
        {name: state[name][: len(x)] if x.ndim else state[name] for name, x in network.state_dict().items()}
    )
    return network


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_fewer_layers_equal_the_network_of_such_a_config(make: Make, layers: int, form: str) -> None:
    network = make()
    changes = {"eval_idx": layers - 1} if make is ending_early else {}
    expected = configured(make, network, decoder_layers=layers, **changes)
    reduce_network(network, "m", queries=None, decoder_layers=layers)
    network, expected = (optimize(x) if form == "folded" else x for x in (network, expected))
    for ours, theirs in zip(outputs(network), outputs(expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize(("make", "field"), [(dfine, "num_queries"), (two_stage, "two_stage_num_proposals")])
def test_fewer_queries_equal_the_network_of_such_a_config(make: Make, field: str, form: str) -> None:
    network = make()
    expected = configured(make, network, **{field: 5})
    reduce_network(network, "m", queries=5, decoder_layers=None)
    network, expected = (optimize(x) if form == "folded" else x for x in (network, expected))
    assert outputs(network)[0].shape[1] == 5
    for ours, theirs in zip(outputs(network), outputs(expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_each_layer_less_runs_fewer_operators(make: Make) -> None:
    most = 2 if make is ending_early else 3
    counts = []
    for layers in range(1, most + 1):
        network = make()
        reduce_network(network, "m", queries=None, decoder_layers=layers)
        counts.append(operators(optimize(network)))
    assert counts == sorted(set(counts))
    assert counts[-1] == operators(optimize(make()))


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_layers_that_do_not_run_are_removed_from_memory(make: Make) -> None:
    network = make()
    reduce_network(network, "m", queries=None, decoder_layers=1)
    few, many = (sum(x.numel() for x in optimize(each).parameters()) for each in (network, make()))
    assert few < many


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_all_queries_and_layers_change_nothing(make: Make) -> None:
    network = make()
    count = outputs(network)[0].shape[1]
    reduce_network(network, "m", queries=count, decoder_layers=2 if make is ending_early else 3)
    for ours, theirs in zip(outputs(network), outputs(make()), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_more_than_the_model_has_is_refused_with_its_number(make: Make) -> None:
    layers = 2 if make is ending_early else 3
    with pytest.raises(UsageError, match=f"`decoder_layers` must be at most {layers}, not 4: 'm' has {layers} decoder"):
        reduce_network(make(), "m", queries=None, decoder_layers=4)
    with pytest.raises(UsageError, match=r"`queries` must be at most 1[12], not 13: 'm' has 1[12] queries"):
        reduce_network(make(), "m", queries=13, decoder_layers=None)


@pytest.mark.parametrize("make", [detr, segmenting, deformable, refining])
def test_fewer_learned_queries_are_refused(make: Make) -> None:
    network = make()
    with pytest.raises(UsageError, match="the 12 queries of 'm' are learned and have no rank"):
        reduce_network(network, "m", queries=11, decoder_layers=None)
    assert outputs(network)[0].shape[1] == 12


def test_a_network_of_a_family_without_reduction_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="`decoder_layers`: the family of 'm' cannot be reduced"):
        reduce_network(nn.Linear(1, 1), "m", queries=None, decoder_layers=1)
    reduce_network(nn.Linear(1, 1), "m", queries=None, decoder_layers=None)
