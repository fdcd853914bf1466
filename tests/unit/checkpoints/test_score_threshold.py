"""The score threshold in a model's config.json: read strictly, written without changing anything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.checkpoints.score_threshold import StoredThreshold, read_score_threshold, write_score_threshold
from detcli.errors import DamagedModelError


def test_what_is_written_is_read_and_the_rest_stays(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "model_type": "d_fine",
        "id2label": {"0": "信号灯"},
        "x": 1e-05,
        "n": None,
        "deep": {"a": [1]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    threshold = StoredThreshold(0.43, "the highest F1, 0.861, on 'data.json'", {"信号灯": 0.5})
    write_score_threshold(tmp_path, threshold)
    document = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert list(document) == [*config, "score_threshold"]
    assert {name: document[name] for name in config} == config
    assert read_score_threshold(document) == threshold
    write_score_threshold(tmp_path, StoredThreshold(0.2, "another"))
    assert read_score_threshold(json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))) == StoredThreshold(
        0.2, "another"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("value", [None, 0.5, "0.5", [], True])
def test_a_field_of_another_program_is_not_a_threshold(value: object) -> None:
    assert read_score_threshold({} if value is None else {"score_threshold": value}) is None


@pytest.mark.parametrize("value", [-0.1, 1.01, "0.5", None, True, [0.5]])
def test_numbers_outside_0_to_1_are_named(value: object) -> None:
    with pytest.raises(DamagedModelError, match=r"config\.json: score_threshold\.value must be a number from 0 to 1"):
        read_score_threshold({"score_threshold": {"value": value}})
    with pytest.raises(DamagedModelError, match=r"score_threshold\.classes\['cat'\] must be a number from 0 to 1"):
        read_score_threshold({"score_threshold": {"value": 0.5, "classes": {"cat": value}}})


def test_classes_are_an_object_and_a_long_source_is_cut() -> None:
    with pytest.raises(DamagedModelError, match="must be an object of class names"):
        read_score_threshold({"score_threshold": {"value": 0.5, "classes": [0.5]}})
    read = read_score_threshold({"score_threshold": {"value": 1, "source": "x" * 5000}})
    assert read == StoredThreshold(1.0, "x" * 300)
