"""A checkpoint changed to other classes keeps the rows of the same classes; others are new."""

import math

import pytest
import torch

from detcli.models.dfine import FAMILY
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.network import DFine
from detcli.models.family import ReplacedClassHead
from tests.helpers.dfine_samples import images, random_network, tiny

OLD = ("person", "dog", "Traffic Light", "dog", "cat")
HEADS = ("query_selection.class_head", "decoder.class_heads.0", "decoder.class_heads.1")


def learned(**changes: object) -> tuple[DFine, DFineConfig]:
    config = tiny(id2label={str(index): name for index, name in enumerate(OLD)}, **changes)
    return random_network(config), config


def relabelled(*names: str, seed: int = 0, **changes: object) -> tuple[DFine, ReplacedClassHead]:
    network, config = learned(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network, FAMILY.replace_class_head(network.state_dict(), config, names)


def test_rows_of_same_names_are_kept_in_any_order_and_case() -> None:
    network, made = relabelled("zebra", "traffic light", "Dog ")
    assert made.kept == (1, 2)
    old = network.state_dict()
    for head in HEADS:
        for kind in ("weight", "bias"):
            assert torch.equal(made.state[f"{head}.{kind}"][1:], old[f"{head}.{kind}"][[2, 1]])
    assert torch.equal(made.state["denoising_labels.weight"][1:3], old["denoising_labels.weight"][[2, 1]])


def test_of_two_classes_with_one_name_the_first_counts() -> None:
    network, made = relabelled("dog")
    row = network.state_dict()["query_selection.class_head.weight"][1]
    assert torch.equal(made.state["query_selection.class_head.weight"][0], row)


def test_other_parameters_are_unchanged() -> None:
    network, made = relabelled("zebra", "dog")
    for name, tensor in network.state_dict().items():
        if not name.startswith(HEADS) and name != "denoising_labels.weight":
            assert torch.equal(made.state[name], tensor), name


def test_new_rows_have_the_prior_probability() -> None:
    _, made = relabelled("zebra", "dog", "yak")
    chance = torch.tensor(-math.log(3.0))  # one in four: three classes and none
    for head in HEADS:
        torch.testing.assert_close(made.state[f"{head}.bias"][[0, 2]], chance.expand(2))
        assert made.state[f"{head}.weight"][[0, 2]].std() > 0


def test_new_rows_depend_on_the_seed() -> None:
    (_, one), (_, same), (_, other) = (relabelled("zebra", seed=seed) for seed in (1, 1, 2))
    weights = [made.state["query_selection.class_head.weight"] for made in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    "changes", [{}, {"num_denoising": 0}, {"decoder_layers": 4, "eval_idx": 1, "layer_scale": 1.5}]
)
def test_the_state_fits_the_new_configuration(changes: dict[str, object]) -> None:
    _, made = relabelled("zebra", "dog", **changes)
    assert made.config.labels == ("zebra", "dog")
    network = DFine(made.config)
    network.load_state_dict(made.state, strict=True)


def test_the_same_classes_in_another_order_score_as_before() -> None:
    config = tiny()
    network = random_network(config)
    order = [3, 0, 4, 2, 1]
    made = FAMILY.replace_class_head(network.state_dict(), config, [config.labels[index] for index in order])
    again = DFine(made.config).eval()
    again.load_state_dict(made.state)
    pixels = images(1, 64, 96).float()
    with torch.inference_mode():
        old, new = network(pixels), again(pixels)
    torch.testing.assert_close(new.logits, old.logits[..., order])
    torch.testing.assert_close(new.boxes_cxcywh, old.boxes_cxcywh)
