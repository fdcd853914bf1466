"""Every published Deformable DETR without dilation, as large as published: the same random weights in transformers and here."""

from pathlib import Path

import pytest

from detcli.models.deformable_detr.published import published_config
from tests.helpers.deformable_detr_parity import NATIVE, assert_equal, transformers_model
from tests.helpers.deformable_detr_samples import padded, random_network
from tests.helpers.dfine_samples import images


@pytest.mark.parametrize("variant", NATIVE)
def test_the_published_sizes_give_the_same_in_float64(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, [f"class {i}" for i in range(91)])
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    # 300 proposals need as many tokens: transformers raises below that.
    assert_equal(network, model, *padded(images(1, 144, 160), [(144, 130)]))
