"""The models of the catalog, family by family, with the numbers that their authors published."""

from detcli.checkpoints.catalog_entry import CatalogEntry, LabelSet


def catalog_entries() -> tuple[CatalogEntry, ...]:
    """All of them, the bundled one last."""
    return (
        *_dfine(),
        *_detr(),
        *_table_transformer(),
        *_deformable_detr(),
        *_rtdetr(),
        *_dfine_relatives(),
        _shapes(),
    )


def _dfine() -> tuple[CatalogEntry, ...]:
    """D-FINE (Peng et al. 2024): numbers of the authors' README."""
    owner = "ustc-community"
    sizes = {  # letter -> name on the Hub, millions of parameters, GFLOPs
        "n": ("nano", 4, 7),
        "s": ("small", 10, 25),
        "m": ("medium", 19, 57),
        "l": ("large", 31, 91),
        "x": ("xlarge", 62, 202),
    }
    coco = {"n": 42.8, "s": 48.5, "m": 52.3, "l": 54.0, "x": 55.8}
    # Of L two Objects365 files were released; the 44.7 AP are of the other one (25 epochs).
    objects365 = {"s": 31.0, "m": 38.6, "l": None, "x": 49.5}
    both = {"s": 50.7, "m": 55.1, "l": 57.3, "x": 59.3}
    plain = [
        CatalogEntry(f"dfine-{letter}", f"{owner}/dfine-{sizes[letter][0]}-coco", "coco", ap, *sizes[letter][1:])
        for letter, ap in coco.items()
    ]
    large_labels = [
        CatalogEntry(
            f"dfine-{letter}-obj365", f"{owner}/dfine-{sizes[letter][0]}-obj365", "objects365", ap, *sizes[letter][1:]
        )
        for letter, ap in objects365.items()
    ]
    pretrained = [
        CatalogEntry(
            f"dfine-{letter}-obj2coco",
            f"{owner}/dfine-{sizes[letter][0]}-obj2coco" + ("-e25" if letter == "l" else ""),
            "coco",
            ap,
            *sizes[letter][1:],
        )
        for letter, ap in both.items()
    ]
    return (*plain, *large_labels, *pretrained)


def _dfine_relatives() -> tuple[CatalogEntry, ...]:
    """DEIM-D-FINE (Huang et al. 2024) and RT-DETRv4 (Liao et al. 2025): D-FINE's networks, AP of the authors' READMEs."""
    sizes = {"n": (4, 7), "s": (10, 25), "m": (19, 57), "l": (31, 91), "x": (62, 202)}  # as D-FINE
    deim = {"n": 43.0, "s": 49.0, "m": 52.7, "l": 54.7, "x": 56.5}
    rtdetrv4 = {"s": 49.8, "m": 53.7, "l": 55.4, "x": 57.0}
    owners = (
        ("deim", deim, "https://github.com/ShihuaHuang95/DEIM"),
        ("rtdetrv4", rtdetrv4, "https://github.com/RT-DETRs/RT-DETRv4"),
    )
    return tuple(
        CatalogEntry(f"{name}-{letter}", None, "coco", ap, *sizes[letter], published_at=address)
        for name, published, address in owners
        for letter, ap in published.items()
    )


def _detr() -> tuple[CatalogEntry, ...]:
    """DETR (Carion et al. 2020): AP and PQ of the authors' README, GFLOPs of the paper (means over images of COCO)."""
    published = {  # name -> AP, millions of parameters, GFLOPs
        "detr-r50": (42.0, 41, 86),
        "detr-r101": (43.5, 60, 152),
        "detr-r50-dc5": (43.3, 41, 187),
        "detr-r101-dc5": (44.9, 60, 253),
    }
    panoptic = {  # name -> AP of boxes, PQ, millions of parameters
        "detr-r50-panoptic": (38.8, 43.4, 42.9),
        "detr-r50-dc5-panoptic": (40.2, 44.6, 42.9),
        "detr-r101-panoptic": (40.1, 45.1, 61.8),
    }
    boxes = [
        CatalogEntry(name, _detr_repository(name), "coco-91", *numbers, family="detr", threshold=0.7)
        for name, numbers in published.items()
    ]
    masks = [
        CatalogEntry(
            name,
            _detr_repository(name),
            "coco-panoptic",
            ap,
            millions,
            None,
            family="detr",
            task="panoptic",
            panoptic_quality=quality,
            threshold=0.7,
        )
        for name, (ap, quality, millions) in panoptic.items()
    ]
    return (*boxes, *masks)


def _detr_repository(name: str) -> str:
    return "facebook/" + name.replace("-r50", "-resnet-50").replace("-r101", "-resnet-101")


def _table_transformer() -> tuple[CatalogEntry, ...]:
    """Table Transformer (Smock et al. 2022), a DETR with norms before attention: AP of the authors' README.

    Their thresholds are 0.5 for every class. AP of the versions 1.1 was not published.
    """
    structure = "microsoft/table-transformer-structure-recognition"
    both = "PubTables-1M and FinTabNet.c"
    known: tuple[tuple[str, str, LabelSet, float | None, str], ...] = (  # name, repository, labels, AP, training data
        ("table-detect", "microsoft/table-transformer-detection", "pubtables-detection", 97.0, "PubTables-1M"),
        ("table-structure", structure, "pubtables-structure", 90.2, "PubTables-1M"),
        ("table-structure-v1.1-all", f"{structure}-v1.1-all", "pubtables-structure", None, both),
        ("table-structure-v1.1-pub", f"{structure}-v1.1-pub", "pubtables-structure", None, "PubTables-1M"),
        ("table-structure-v1.1-fin", f"{structure}-v1.1-fin", "pubtables-structure", None, "FinTabNet.c"),
    )
    return tuple(
        CatalogEntry(
            name, repository, labels, ap, 28.8, None, family="detr", threshold=0.5, license="MIT", trained_on=data
        )
        for name, repository, labels, ap, data in known
    )


def _deformable_detr() -> tuple[CatalogEntry, ...]:
    """Deformable DETR (Zhu et al. 2021): numbers of the authors' README."""
    published = {  # name -> AP, millions of parameters, GFLOPs
        "deformable-detr": (44.5, 40, 173),
        "deformable-detr-single-scale": (39.4, 34, 78),
        "deformable-detr-single-scale-dc5": (41.5, 34, 128),
        "deformable-detr-with-box-refine": (46.2, 41, 173),
        "deformable-detr-with-box-refine-two-stage": (46.9, 41, 173),
    }
    return tuple(
        CatalogEntry(name, f"SenseTime/{name}", "coco-91", *numbers, family="deformable_detr")
        for name, numbers in published.items()
    )


def _rtdetr() -> tuple[CatalogEntry, ...]:
    """RT-DETR (Zhao et al. 2023) and RT-DETRv2 (Lv et al. 2024): numbers of the authors' READMEs, GFLOPs of the papers.

    The layout models are those of Livathinos et al. 2025, whose AP is of other images; their parameters are counted.
    """
    sizes = {"r18vd": (20, 60), "r34vd": (31, 92), "r50vd": (42, 136), "r101vd": (76, 259)}  # millions, GFLOPs
    published = {  # name on the Hub, size -> AP
        **{f"rtdetr_{size}": (size, ap) for size, ap in zip(sizes, (46.4, 48.9, 53.1, 54.3), strict=True)},
        "rtdetr_r18vd_coco_o365": ("r18vd", 49.0),
        "rtdetr_r50vd_coco_o365": ("r50vd", 55.2),
        "rtdetr_r101vd_coco_o365": ("r101vd", 56.2),
        **{f"rtdetr_v2_{size}": (size, ap) for size, ap in zip(sizes, (47.9, 49.9, 53.4, 54.3), strict=True)},
    }
    detectors = [
        CatalogEntry(name.replace("_", "-"), f"PekingU/{name}", "coco", ap, *sizes[size], family="rtdetr")
        for name, (size, ap) in published.items()
    ]
    layouts = [
        CatalogEntry(name, f"docling-project/{name}", "docling", None, millions, None, family="rtdetr")
        for name, millions in (("docling-layout-heron", 42.8), ("docling-layout-heron-101", 76.4))
    ]
    return (*detectors, *layouts)


def _shapes() -> CatalogEntry:
    """The small bundled model; parameters and GFLOPs are for its classes and input size."""
    return CatalogEntry(
        "shapes",
        None,
        "shapes",
        86.4,  # detcli eval -m shapes --data shapes:1:1000
        0.7,
        0.36,
        nms=0.7,  # docs/guides/detect.md#duplicates has the measurement
        sha256="777c59cfb60ee87efab6f4bdf67b9a885cff132d1210ffa47aed9227ff41c8f2",
    )
