"""The catalog: whole, consistent and forgiving of slips."""

import pytest

from detcli.checkpoints import catalog
from detcli.checkpoints.catalog import CATALOG, bundled_entry, entry_of_repository, suggest

PUBLISHED = [name for name, entry in CATALOG.items() if entry.repository is not None]


def test_the_published_models_are_in_the_catalog() -> None:
    assert [*PUBLISHED] == [
        *(f"dfine-{size}" for size in "nsmlx"),
        *(f"dfine-{size}-obj365" for size in "smlx"),
        *(f"dfine-{size}-obj2coco" for size in "smlx"),
        *(f"detr-{variant}" for variant in ("r50", "r101", "r50-dc5", "r101-dc5")),
        *(f"detr-{variant}-panoptic" for variant in ("r50", "r50-dc5", "r101")),
        *("table-detect", "table-structure", *(f"table-structure-v1.1-{part}" for part in ("all", "pub", "fin"))),
        "deformable-detr",
        *(f"deformable-detr-{variant}" for variant in ("single-scale", "single-scale-dc5")),
        *(f"deformable-detr-with-box-refine{variant}" for variant in ("", "-two-stage")),
        *(f"rtdetr-r{size}vd" for size in (18, 34, 50, 101)),
        *(f"rtdetr-r{size}vd-coco-o365" for size in (18, 50, 101)),
        *(f"rtdetr-v2-r{size}vd" for size in (18, 34, 50, 101)),
        "docling-layout-heron",
        "docling-layout-heron-101",
    ]
    assert len({CATALOG[name].repository for name in PUBLISHED}) == len(PUBLISHED) == 43


def test_one_model_is_bundled() -> None:
    assert [name for name in CATALOG if bundled_entry(name)] == ["shapes"]
    assert CATALOG["shapes"].folder == catalog.BUNDLED_MODELS / "shapes"
    assert CATALOG["dfine-s"].folder is None
    assert bundled_entry("no such name") is None
    assert entry_of_repository("") is None


def test_the_one_repository_with_an_odd_name_is_right() -> None:
    assert CATALOG["dfine-l-obj2coco"].repository == "ustc-community/dfine-large-obj2coco-e25"
    assert CATALOG["dfine-n"].repository == "ustc-community/dfine-nano-coco"


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("detr-r50", "facebook/detr-resnet-50"),
        ("detr-r101-dc5", "facebook/detr-resnet-101-dc5"),
        ("detr-r50-dc5-panoptic", "facebook/detr-resnet-50-dc5-panoptic"),
        ("table-detect", "microsoft/table-transformer-detection"),
        ("table-structure", "microsoft/table-transformer-structure-recognition"),
        ("table-structure-v1.1-all", "microsoft/table-transformer-structure-recognition-v1.1-all"),
        ("deformable-detr-with-box-refine-two-stage", "SenseTime/deformable-detr-with-box-refine-two-stage"),
        ("rtdetr-r18vd", "PekingU/rtdetr_r18vd"),
        ("rtdetr-r101vd-coco-o365", "PekingU/rtdetr_r101vd_coco_o365"),
        ("rtdetr-v2-r34vd", "PekingU/rtdetr_v2_r34vd"),
        ("docling-layout-heron-101", "docling-project/docling-layout-heron-101"),
    ],
)
def test_repositories_are_those_of_the_hub(name: str, repository: str) -> None:
    assert CATALOG[name].repository == repository


def test_panoptic_models_have_things_stuff_and_quality() -> None:
    panoptic = [entry for entry in CATALOG.values() if entry.task == "panoptic"]
    assert [entry.name for entry in panoptic] == [f"detr-{one}-panoptic" for one in ("r50", "r50-dc5", "r101")]
    for entry in panoptic:
        assert (entry.labels, entry.label_count) == ("coco-panoptic", 250)
        assert entry.panoptic_quality is not None
        assert 40 < entry.panoptic_quality < 50


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_entry_is_complete(name: str) -> None:
    entry = CATALOG[name]
    assert entry.name == name
    table = name.startswith("table-")
    assert entry.license == ("MIT" if table else "Apache-2.0")
    assert entry.revision == "main", "no commit is known before a download"
    threshold = 0.5 if table else 0.7 if entry.family == "detr" else 0.4
    assert entry.threshold == threshold, "as the authors' demonstrations have it"
    rows = {
        "dfine": 366 if "obj365" in name else 80,
        "detr": 250 if "panoptic" in name else 91,
        "deformable_detr": 91,
        "rtdetr": 17 if "docling" in name else 80,
    }
    assert entry.label_count == ((2 if name == "table-detect" else 6) if table else rows[entry.family])
    assert entry.average_precision is None or 25 < entry.average_precision < (98 if table else 65)
    assert entry.repository is not None
    assert entry_of_repository(entry.repository.upper()) == entry


@pytest.mark.parametrize(
    ("owner", "published"),
    [
        ("ShihuaHuang95/DEIM", {"deim-n": 43.0, "deim-s": 49.0, "deim-m": 52.7, "deim-l": 54.7, "deim-x": 56.5}),
        ("RT-DETRs/RT-DETRv4", {"rtdetrv4-s": 49.8, "rtdetrv4-m": 53.7, "rtdetrv4-l": 55.4, "rtdetrv4-x": 57.0}),
    ],
)
def test_files_to_convert_are_in_the_catalog(owner: str, published: dict[str, float]) -> None:
    entries = [entry for entry in CATALOG.values() if entry.published_at == f"https://github.com/{owner}"]
    assert {entry.name: entry.average_precision for entry in entries} == published
    for entry in entries:
        assert (entry.repository, entry.folder, entry.is_bundled) == (None, None, False)
        assert (entry.family, entry.labels, entry.license) == ("dfine", "coco", "Apache-2.0")
        assert bundled_entry(entry.name) is None
        like = CATALOG[f"dfine-{entry.name[-1]}"]
        assert (entry.parameters_millions, entry.gflops) == (like.parameters_millions, like.gflops)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("dfin-s", "dfine-s"),
        ("dfine_x", "dfine-x"),
        ("D-FINE-M", "dfine-m"),
        ("dfine-nano", "dfine-n"),
        ("dfine-large-obj2coco", "dfine-l-obj2coco"),
        ("ustc-community/dfine-xlarge-obj365", "dfine-x-obj365"),
        ("ustc/dfine-small", "dfine-s"),
        ("shape", "shapes"),
        ("deim_s", "deim-s"),
        ("rt-detrv4-x", "rtdetrv4-x"),
        ("detr-resnet-50", "detr-r50"),
        ("detr-resnet-50-panoptic", "detr-r50-panoptic"),
        ("detr_resnet_101_dc5", "detr-r101-dc5"),
        ("DETR-R50", "detr-r50"),
        ("facebook/detr-r101", "detr-r101"),
        ("table-detection", "table-detect"),
        ("microsoft/table-transformer-structure", "table-structure"),
        ("table_structure_v1.1_al", "table-structure-v1.1-all"),
        ("deformable_detr", "deformable-detr"),
        ("deformable-detr-single", "deformable-detr-single-scale"),
        ("SenseTime/deformable-detr-with-box-refine-two", "deformable-detr-with-box-refine-two-stage"),
        ("rtdetr_r18vd", "rtdetr-r18vd"),
        ("PekingU/rtdetr_v2_r50", "rtdetr-v2-r50vd"),
        ("docling-layout-hero", "docling-layout-heron"),
    ],
)
def test_a_misspelled_name_gets_a_suggestion(slip: str, meant: str) -> None:
    assert suggest(slip)[0] == meant


@pytest.mark.parametrize("word", ["", "yolo", "vgg", "x" * 3000])
def test_a_name_unlike_all_others_gets_no_suggestion(word: str) -> None:
    assert suggest(word) == ()
