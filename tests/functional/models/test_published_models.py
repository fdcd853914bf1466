"""Every published model of the catalog is built without weights and has the authors' number of parameters."""

import subprocess
import sys

import pytest
from torch import nn

from detcli.checkpoints.catalog import CATALOG, CatalogEntry
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.models.empty_weights import empty_weights
from detcli.models.family import FAMILIES, Family

# Millions of parameters, counted in the networks of Peterande/D-FINE (4a1f73a), facebookresearch/detr (29901c5),
# fundamentalvision/Deformable-DETR (11169a6) and, for tables and RT-DETR (without frozen norms), transformers (5.23.0).
COUNTED = {
    "dfine-n": 3.783,
    "dfine-s": 10.322,
    "dfine-m": 19.590,
    "dfine-l": 31.244,
    "dfine-x": 62.622,
    "dfine-s-obj2coco": 10.322,
    "dfine-m-obj2coco": 19.590,
    "dfine-l-obj2coco": 31.244,
    "dfine-x-obj2coco": 62.622,
    "dfine-s-obj365": 10.689,
    "dfine-m-obj365": 20.031,
    "dfine-l-obj365": 31.832,
    "dfine-x-obj365": 63.209,
    "detr-r50": 41.525,
    "detr-r50-dc5": 41.525,
    "detr-r101": 60.465,
    "detr-r101-dc5": 60.465,
    "detr-r50-panoptic": 42.899,
    "detr-r50-dc5-panoptic": 42.899,
    "detr-r101-panoptic": 61.839,
    "table-detect": 28.799,
    "table-structure": 28.829,
    "table-structure-v1.1-all": 28.829,
    "table-structure-v1.1-pub": 28.829,
    "table-structure-v1.1-fin": 28.829,
    "deformable-detr-single-scale": 34.067,
    "deformable-detr-single-scale-dc5": 34.067,
    "deformable-detr": 40.070,
    "deformable-detr-with-box-refine": 40.850,
    "deformable-detr-with-box-refine-two-stage": 41.182,
    **{f"rtdetr-{version}r18vd": 20.184 for version in ("", "v2-")},
    **{f"rtdetr-{version}r34vd": 31.442 for version in ("", "v2-")},
    **{f"rtdetr-{version}r50vd": 42.891 for version in ("", "v2-")},
    **{f"rtdetr-{version}r101vd": 76.556 for version in ("", "v2-")},
    "rtdetr-r18vd-coco-o365": 20.184,
    "rtdetr-r50vd-coco-o365": 42.891,
    "rtdetr-r101vd-coco-o365": 76.556,
    "docling-layout-heron": 42.762,
    "docling-layout-heron-101": 76.427,
}
PUBLISHED = [entry for entry in CATALOG.values() if entry.repository is not None]


def family_of(entry: CatalogEntry) -> Family:
    return FAMILIES[entry.family]


def published(entry: CatalogEntry) -> object:
    """The configuration of a catalog name."""
    variant = entry.name.removeprefix(entry.family.replace("_", "-")).removeprefix("-")
    return family_of(entry).published_config(variant, [f"class {index}" for index in range(entry.label_count)])


def millions(network: nn.Module, *, norms_learn: bool) -> float:
    """Millions of parameters; with the weights and biases of frozen norms if the authors count them."""
    count = sum(parameter.numel() for parameter in network.parameters())
    frozen = sum(held.numel() for name, held in network.named_buffers() if name.endswith((".weight", ".bias")))
    return (count + (frozen if norms_learn else 0)) / 1e6


def test_every_published_model_has_a_parameter_count() -> None:
    assert COUNTED.keys() == {entry.name for entry in PUBLISHED}


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_published_models_have_the_authors_parameter_count(entry: CatalogEntry) -> None:
    family = family_of(entry)
    with empty_weights():
        network = family.build(published(entry))
    assert all(parameter.is_meta for parameter in network.parameters())
    # The original trains the norms of D-FINE's smaller backbones.
    found = millions(network, norms_learn=entry.name[:7] in ("dfine-n", "dfine-s", "dfine-m"))
    assert found == pytest.approx(COUNTED[entry.name], abs=0.0006)
    assert found == pytest.approx(entry.parameters_millions, rel=0.08), "what the catalog says of it"


def test_building_a_model_does_not_import_the_compiler() -> None:
    """Importing it takes a second and 70 MB; on the meta device some of torch's initializers import it."""
    program = """
import sys
from detcli.models.family import FAMILIES
from detcli.models.empty_weights import empty_weights
for name, variant in (("dfine", "n"), ("detr", "r50-panoptic"), ("deformable_detr", "with-box-refine-two-stage"), ("rtdetr", "v2-r18vd")):
    family = FAMILIES[name]
    with empty_weights():
        family.build(family.published_config(variant, ["cat", "dog"]))
print(sorted({"sympy", "torch._dynamo"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_published_models_agree_with_the_catalog(entry: CatalogEntry) -> None:
    family, config = family_of(entry), published(entry)
    assert family.name == entry.family
    assert len(config.labels) == entry.label_count
    assert family.has_masks(config) == (entry.task == "panoptic")
    sizing = Preprocessing.of({}, family).sizing
    assert sizing == (FixedSize((640, 640)) if entry.family in ("dfine", "rtdetr") else ShortestEdge(800, 1333))


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_published_configurations_survive_writing_and_reading(entry: CatalogEntry) -> None:
    family, config = family_of(entry), published(entry)
    written = family.write_config(config)
    assert written["model_type"] in family.model_types
    assert family.write_config(family.read_config(written)) == written
