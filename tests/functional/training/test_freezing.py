"""Parts of the network that are not trained: they keep their bits, and everything else learns."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from detcli.errors import UsageError
from detcli.models.family import FAMILIES, Family
from detcli.training.optimization.freezing import check_freeze, frozen_parameters
from detcli.training.training_loop import train
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.training_jobs import job, quick_recipe

NETWORKS = {
    "dfine": lambda: dfine_samples.random_network(dfine_samples.tiny()),
    "rtdetr": lambda: rtdetr_samples.random_network(rtdetr_samples.tiny(2)),
    "detr": lambda: detr_samples.random_network(detr_samples.tiny(**detr_samples.SEGMENTING)),
    "deformable_detr": lambda: deformable_detr_samples.random_network(
        deformable_detr_samples.tiny("with-box-refine-two-stage")
    ),
}


@pytest.mark.parametrize(
    ("frozen", "still"),
    [
        (("backbone",), "backbone."),
        (("encoder",), "encoder."),
        (("decoder.layers.0.", "backbone"), "decoder.layers.0."),
    ],
)
def test_frozen_tensors_keep_their_bits_and_the_rest_learns(
    tmp_path: Path, frozen: tuple[str, ...], still: str
) -> None:
    recipe = quick_recipe(frozen=list(frozen), epochs=1, stop_augmentation_epoch=0, weight_decay=0.1)
    asked = job(tmp_path / "run", recipe, val=None)
    train(asked)
    after = load_file(tmp_path / "run" / "last" / "model.safetensors")
    state = asked.family.read_weights(after, asked.config)
    assert state.keys() == asked.state.keys()
    assert all(bool((x == asked.state[name]).all()) for name, x in state.items() if name.startswith(still))
    learned = [name for name, x in state.items() if not bool((x == asked.state[name]).all())]
    assert any(name.startswith("decoder.class_heads.") for name in learned)
    if "backbone" not in frozen:
        assert any(name.startswith("backbone.") and "running" in name for name in learned)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_all_but_heads_leaves_the_heads_of_every_family(family: str) -> None:
    network = NETWORKS[family]()
    names = [name for name, _ in network.named_parameters()]
    frozen = frozen_parameters(["all-but-heads"], FAMILIES[family], names)
    left = {name for name in names if name not in frozen}
    assert left
    assert all("head" in name or name.startswith(("denoising_labels.", "decoder.bins.")) for name in left)
    assert {name for name in names if name.startswith(FAMILIES[family].class_heads)} <= left


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_prefix_of_a_family_is_in_one_of_its_networks(family: str) -> None:
    made: Family = FAMILIES[family]
    names = [name for name, _ in NETWORKS[family]().named_parameters()]
    for prefix in (*made.heads, *made.encoder):
        assert any(name.startswith(prefix) for name in names), prefix


def test_a_part_that_is_not_there_is_refused_with_what_was_meant() -> None:
    names = [name for name, _ in NETWORKS["dfine"]().named_parameters()]
    with pytest.raises(UsageError, match=r"`freeze` has 'bakbone', .*backbone"):
        check_freeze(["bakbone"], FAMILIES["dfine"], names)
    with pytest.raises(UsageError, match=r"the recipe field frozen has 'bakbone', "):
        check_freeze(["bakbone"], FAMILIES["dfine"], names, where="the recipe field frozen")
    with pytest.raises(UsageError, match="the network has backbone, decoder, denoising_labels, encoder"):
        check_freeze(["qqqqqq"], FAMILIES["dfine"], names)
