"""docs/reference/models.md: every model of the catalog."""

from collections.abc import Callable, Iterator, Sequence

from detcli.checkpoints.catalog import CATALOG, CatalogEntry
from detcli.cli.docs.reference.markdown import page, table

_TABLES = "table_transformer"
_FAMILIES = {  # folder in detcli/models, or a series of its own -> name and source
    "dfine": ("D-FINE", "Peng et al. 2024, [arXiv:2410.13842](https://arxiv.org/abs/2410.13842)"),
    "detr": ("DETR", "Carion et al. 2020, [arXiv:2005.12872](https://arxiv.org/abs/2005.12872)"),
    _TABLES: (
        "Table Transformer",
        "A DETR with norms before attention, for pages and tables: Smock et al. 2022, "
        "[arXiv:2110.00061](https://arxiv.org/abs/2110.00061), and 2023, [arXiv:2303.00716](https://arxiv.org/abs/2303.00716)",
    ),
    "deformable_detr": ("Deformable DETR", "Zhu et al. 2021, [arXiv:2010.04159](https://arxiv.org/abs/2010.04159)"),
    "rtdetr": (
        "RT-DETR and RT-DETRv2",
        "Zhao et al. 2023, [arXiv:2304.08069](https://arxiv.org/abs/2304.08069); Lv et al. 2024, "
        "[arXiv:2407.17140](https://arxiv.org/abs/2407.17140)",
    ),
}
_DATASETS = {
    "coco": "COCO",
    "coco-91": "COCO",
    "coco-panoptic": "COCO panoptic",
    "objects365": "Objects365",
    "docling": "document layouts",
    "shapes": "synthetic shapes",
}
_TASKS = {"detection": "detect", "panoptic": "detect, segment"}
_NUMBERS = ("AP", "PQ", "parameters", "GFLOPs", "threshold")


def model_page() -> str:
    """The text of the page."""
    return page(_lines())


def _lines() -> Iterator[str]:
    yield "# Models"
    yield "`--model` takes one of these names, or a Hub repository, a folder or a file. `detcli models list` shows which models"
    yield "are downloaded, and `detcli models info NAME` the classes of one."
    yield ""
    yield "The task says which commands a model runs with: `detect` includes `video`. AP is the average precision of boxes and PQ"
    yield "the panoptic quality, both in percent and as the authors published them, on the validation set of the dataset that"
    yield "the model was last trained on, of PubTables-1M on the test set; `-` means not published."
    yield ""
    published = [entry for entry in CATALOG.values() if entry.repository is not None]
    for family in dict.fromkeys(map(_series, published)):
        entries = [entry for entry in published if _series(entry) == family]
        name, paper = _FAMILIES[family]
        yield from (f"## {name}", "", f"{paper}. {_shared(entries)}", "")
        yield from _table(entries)
        yield ""
    relatives = [entry for entry in CATALOG.values() if entry.published_at is not None]
    yield from (
        "## To convert",
        "",
        "DEIM (Huang et al. 2024) and RT-DETRv4 (Liao et al. 2025) train D-FINE's networks with other activations, in other ways. "
        + _shared(relatives),
        "Their authors publish `.pth` files. `detcli models convert FILE -o NAME/ --variant deim` makes a folder of one, which",
        "`-m NAME/` uses.",
        "",
    )
    yield from _table(relatives)
    yield ""
    bundled = [entry for entry in CATALOG.values() if entry.is_bundled]
    yield from (
        "## Bundled",
        "",
        "A small D-FINE that needs no download, for tests and `detcli demo`. " + _shared(bundled),
    )
    yield from ("Its AP is on `shapes:1:1000`; `detcli eval -m shapes --data shapes:1:1000` computes it again.", "")
    yield from _table(bundled)


def _series(entry: CatalogEntry) -> str:
    return _TABLES if entry.labels.startswith("pubtables-") else entry.family


def _shared(entries: Sequence[CatalogEntry]) -> str:
    """What is equal for all models of a table, and therefore no column of it."""
    facts = {
        "License": {entry.license for entry in entries},
        "default threshold": {f"{entry.threshold:g}" for entry in entries},
    }
    if any(entry.nms is not None for entry in entries):
        facts["default `--nms`"] = {"off" if entry.nms is None else f"{entry.nms:g}" for entry in entries}
    equal = [f"{name} {values.pop()}" for name, values in facts.items() if len(values) == 1]
    return ", ".join(equal) + "." if equal else ""


def _table(entries: Sequence[CatalogEntry]) -> Iterator[str]:
    where = "published at" if entries[0].published_at else "Hub repository"
    columns: dict[str, Callable[[CatalogEntry], str]] = {
        "name": lambda entry: f"`{entry.name}`",
        "task": lambda entry: _TASKS[entry.task],
        "trained on": _dataset,
        "AP": lambda entry: _number(entry.average_precision, ".1f"),
        "PQ": lambda entry: _number(entry.panoptic_quality, ".1f"),
        "parameters": lambda entry: f"{entry.parameters_millions:g} M",
        "GFLOPs": lambda entry: _number(entry.gflops, "g"),
        "threshold": lambda entry: f"{entry.threshold:g}",
        "license": lambda entry: entry.license,
        where: lambda entry: f"`{entry.repository}`" if entry.repository else entry.published_at or "bundled",
    }
    if all(entry.panoptic_quality is None for entry in entries):
        del columns["PQ"]
    for name in ("threshold", "license"):
        if len({columns[name](entry) for entry in entries}) == 1:
            del columns[name]
    yield from table(list(columns), [[cell(entry) for cell in columns.values()] for entry in entries], right=_NUMBERS)


def _dataset(entry: CatalogEntry) -> str:
    if entry.trained_on is not None:
        return entry.trained_on
    after = " after Objects365" if entry.name.endswith(("obj2coco", "coco-o365")) else ""
    return _DATASETS[entry.labels] + after


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
