"""The largest D-FINE with images of full size: the same random weights in transformers and here."""

from pathlib import Path

from detcli.models.dfine.published import published_config
from tests.helpers.dfine_parity import assert_equal, names, transformers_model
from tests.helpers.dfine_samples import images, random_network


def test_the_largest_at_full_size_gives_the_same_in_float64(tmp_path: Path) -> None:
    config = published_config("x", names(80))
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    assert_equal(network, model, images(1, 640, 640))
