"""Every published DETR, as large as published: the same random weights in transformers and here."""

import dataclasses
from pathlib import Path

import pytest

from detcli.models.detr.published import published_config
from tests.helpers.detr_parity import assert_equal, dilate, names, transformers_model
from tests.helpers.detr_samples import padded, random_network


@pytest.mark.parametrize(
    "variant", ["r50", "r101", "r50-dc5", "r101-dc5", "r50-panoptic", "r50-dc5-panoptic", "r101-panoptic"]
)
def test_every_published_variant_gives_the_same(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, names(250 if "panoptic" in variant else 91))
    network = random_network(config)
    backbone = dataclasses.replace(config.backbone, dilation=False, timm_name=None)
    model = transformers_model(network, dataclasses.replace(config, backbone=backbone), tmp_path)
    if "dc5" in variant:
        dilate(model)
    assert_equal(network, model, *padded((64, 96), (96, 70)))
