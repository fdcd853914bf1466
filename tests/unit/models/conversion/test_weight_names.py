"""Names and tensors of a file become a network's complete state, or an error names what is wrong."""

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.conversion.weight_names import NameTable, check_training_form, make_state

TABLE = NameTable(
    prefixes=(
        ("model.layers.", "layers.", (("attn.q_proj.", "attention.query."), ("fc1.", "mlp.first."))),
        ("model.head.", "head.", ()),
    ),
    in_memory=((r"\.mlp\.fc1\.", ".fc1."),),
)
EXPECTED = {"a.weight": torch.zeros(2, 3), "b.weight": torch.zeros(2, 3), "norm.num_batches_tracked": torch.tensor(0)}


def converted(
    tensors: dict[str, Tensor], sources: dict[str, str], unexpected: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    return make_state(tensors, sources, EXPECTED, unexpected=unexpected, hub_name=str.upper, scalars=("scale",))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model.layers.0.attn.q_proj.weight", "layers.0.attention.query.weight"),
        ("model.layers.11.fc1.bias", "layers.11.mlp.first.bias"),
        ("model.layers.0.norm.bias", "layers.0.norm.bias"),
        ("model.head.fc1.bias", "head.fc1.bias"),
    ],
)
def test_names_convert_both_ways(theirs: str, ours: str) -> None:
    assert TABLE.ours(theirs) == ours
    assert TABLE.theirs(ours) == theirs


def test_names_in_memory_become_those_on_disk() -> None:
    assert TABLE.on_disk("model.layers.0.mlp.fc1.bias") == "model.layers.0.fc1.bias"


def test_names_outside_the_table_are_reported() -> None:
    assert TABLE.ours("model.other.weight") is None
    with pytest.raises(ValueError, match=r"'other\.weight' is not a tensor"):
        TABLE.theirs("other.weight")


def test_a_shared_tensor_is_copied_and_counters_begin_at_zero() -> None:
    tensors = {"x": torch.ones(2, 3, dtype=torch.float16)}
    state = converted(tensors, {"a.weight": "x", "b.weight": "x"})
    assert list(state) == list(EXPECTED)
    assert state["a.weight"].dtype == torch.float32
    assert torch.equal(state["a.weight"], state["b.weight"])
    assert state["a.weight"].data_ptr() != state["b.weight"].data_ptr()
    assert state["norm.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("tensors", "sources", "unexpected", "message"),
    [
        ({}, {}, (), "the weights lack 'A.WEIGHT' and 1 more tensors"),
        ({"x": torch.ones(2, 3)}, {"a.weight": "x"}, (), "the weights lack 'B.WEIGHT'$"),
        ({"x": torch.ones(2, 3)}, {"a.weight": "x", "b.weight": "x"}, ("y",), "have no place for 'y'"),
        ({"x": torch.ones(6)}, {"a.weight": "x", "b.weight": "x"}, (), r"'x' of shape \[6\] instead of \[2, 3\]"),
        ({"x": torch.ones(2, 3).int()}, {"a.weight": "x", "b.weight": "x"}, (), "'x' as int32, not as floats"),
    ],
)
def test_the_first_difference_is_named(
    tensors: dict[str, Tensor], sources: dict[str, str], unexpected: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DamagedModelError, match=message):
        converted(tensors, sources, unexpected)


def test_scalars_may_be_integers_of_any_shape() -> None:
    state = make_state(
        {"x": torch.tensor([[4]])},
        {"scale": "x"},
        {"scale": torch.zeros(1)},
        unexpected=(),
        hub_name=str,
        scalars=("scale",),
    )
    assert torch.equal(state["scale"], torch.tensor([4.0]))


def test_only_states_in_training_form_can_be_written() -> None:
    check_training_form(EXPECTED, EXPECTED)
    with pytest.raises(ValueError, match=r"'b\.weight' does not match"):
        check_training_form({name: EXPECTED[name] for name in EXPECTED if name != "b.weight"}, EXPECTED)
