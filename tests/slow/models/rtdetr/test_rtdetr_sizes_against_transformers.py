"""Every published RT-DETR and RT-DETRv2, as large as published: the same random weights in transformers and here."""

from pathlib import Path

import pytest

from detcli.models.rtdetr.published import published_config
from tests.helpers.dfine_samples import images
from tests.helpers.rtdetr_parity import assert_equal, names, transformers_model
from tests.helpers.rtdetr_samples import random_network


@pytest.mark.parametrize("variant", ["r34vd", "r50vd", "r101vd", "v2-r34vd", "v2-r50vd", "v2-r101vd"])
def test_the_published_sizes_give_the_same_in_float64(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, names(80))
    network = random_network(config)
    # 300 queries need as many tokens: transformers raises below that.
    assert_equal(network, transformers_model(network, config, tmp_path), images(1, 160, 192))


@pytest.mark.parametrize("name", ["docling-layout-heron", "docling-layout-heron-101"])
def test_layout_models_give_the_same_in_float64(name: str, tmp_path: Path) -> None:
    config = published_config(name, names(17))
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), images(1, 160, 192))
