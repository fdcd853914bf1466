"""The table of models: what it shows, and what it says about columns without room."""

from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.models.models_view import model_facts, model_page, model_rows, model_table

TITLES = ("name", "task", "AP %", "PQ %", "params", "GFLOPs", "labels", "license", "downloaded")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_a_narrow_table_names_the_columns_that_it_hides(width: int) -> None:
    rows = model_rows(None)
    every, none = model_table(rows, width=10_000, bold=False)
    lines, hidden = model_table(rows, width=width, bold=False)
    assert none == []
    for title in TITLES:
        assert title in every[0]
        assert (title in lines[0]) != (title in hidden)
    assert max(map(len, lines)) <= max(width, max(map(len, CATALOG)))
    assert len(lines) == len(rows) + 1


def test_tasks_and_licenses_are_told() -> None:
    lines, _ = model_table(model_rows(None), width=10_000, bold=False)
    rows = {line.split()[0]: line for line in lines[1:]}
    for name, entry in CATALOG.items():
        assert ("segment" in rows[name]) == (entry.task == "panoptic")
        assert "detect" in rows[name]
        assert entry.license in rows[name]


def test_a_long_value_has_its_own_line_only_on_a_terminal() -> None:
    facts = model_facts("dfine-s", revision=None, cache_dir=Path("nowhere"))
    wrapped = list(model_page(facts, width=30, wraps=True))
    assert wrapped[1:3] == ["repository", "  ustc-community/dfine-small-coco"]
    assert list(model_page(facts, width=30))[1] == "repository  ustc-community/dfine-small-coco"
