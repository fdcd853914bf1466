"""Training with a teacher: resumed to the same bytes, without an effect at weight 0, and refused where it does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.errors import UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.models.family import family_of
from detcli.training.teacher_model import TeacherModel, check_teacher
from detcli.training.training_events import TrainingStep
from detcli.training.training_job import TrainingJob
from detcli.training.training_loop import train
from tests.helpers import dfine_samples, rtdetr_samples
from tests.helpers.training_jobs import PREPROCESSOR, job, quick_recipe

MODELS = ("best/model.safetensors", "last/model.safetensors")
NAMES = ("blue", "other", "Red", "green")  # those of the data, in another order and case, and one more


def teacher(version: str = "dfine", *, seed: int = 3, **changes: Any) -> TeacherModel:
    samples: Any = dfine_samples if version == "dfine" else rtdetr_samples
    names = changes.pop("names", NAMES)
    document = samples.tiny_json(num_queries=9, id2label={str(i): name for i, name in enumerate(names)}, **changes)
    family = family_of(document)
    config = family.read_config(document)
    state = samples.random_network(config, seed).state_dict()
    return TeacherModel("big", family, config, state, Preprocessing.of(PREPROCESSOR, family))


def models(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in MODELS]


@pytest.mark.parametrize("version", ["dfine", "rtdetr"])
def test_a_resumed_run_has_the_same_bytes(tmp_path: Path, version: str) -> None:
    recipe, taught_by = quick_recipe(epochs=2), teacher(version)
    before = {name: tensor.clone() for name, tensor in taught_by.state.items()}
    losses: list[set[str]] = []

    def watch(event: object) -> None:
        if isinstance(event, TrainingStep):
            losses.append({name for name in event.losses if "teacher" in name})

    train(job(tmp_path / "whole", recipe, teacher=taught_by), observer=watch)
    layers = [f"loss_teacher_{what}_{layer}" for what in ("classes", "boxes") for layer in range(3)]
    assert losses == [{"loss_teacher_tokens", "loss_teacher_token_boxes", *layers}] * 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in taught_by.state.items())
    train(job(tmp_path / "parts", recipe, teacher=taught_by, max_hours=1e-9))
    train(job(tmp_path / "parts", recipe, teacher=taught_by, resume=True))
    assert models(tmp_path / "parts") == models(tmp_path / "whole")
    train(job(tmp_path / "alone", recipe))
    assert models(tmp_path / "alone") != models(tmp_path / "whole")


def test_a_teacher_without_weight_changes_nothing(tmp_path: Path) -> None:
    train(job(tmp_path / "taught", quick_recipe(epochs=2, teacher_weight=0.0), teacher=teacher()))
    train(job(tmp_path / "alone", quick_recipe(epochs=2)))
    assert models(tmp_path / "taught") == models(tmp_path / "alone")


def test_a_network_of_rtdetr_learns_from_dfine(tmp_path: Path) -> None:
    document = rtdetr_samples.tiny_json(id2label={"0": "red", "1": "green", "2": "blue"})
    family = family_of(document)
    config = family.read_config(document)
    learner = {"family": family, "config": config, "state": rtdetr_samples.random_network(config).state_dict()}
    recipe = replace(quick_recipe(epochs=1), network={})
    result = train(job(tmp_path / "run", recipe, teacher=teacher(), **learner))
    assert result.steps == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "another teacher: there was some, and now there is none"),
        (teacher(seed=4), "another teacher: weights was"),
    ],
)
def test_a_run_is_resumed_with_its_teacher_only(tmp_path: Path, other: TeacherModel | None, message: str) -> None:
    recipe = quick_recipe(epochs=2)
    train(job(tmp_path / "run", recipe, teacher=teacher(), max_hours=1e-9))
    with pytest.raises(UsageError, match=message):
        train(job(tmp_path / "run", recipe, teacher=other, resume=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("Blue", "green")}, "`teacher` 'big' does not have the class 'red' of the data"),
        ({"names": ("cat", "dog")}, "does not have the classes 'red', 'green', 'blue' of the data"),
        (
            {"num_feature_levels": 4, "decoder_n_points": [3, 6, 3, 3]},
            "the strides 8, 16, 32, 32, and the model 8, 16, 32",
        ),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        checked(job(tmp_path / "run"), teacher(**changes))
    assert message in str(error.value)


def test_pixels_of_both_are_scaled_alike(tmp_path: Path) -> None:
    normalized = {**PREPROCESSOR, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    other = replace(teacher(), preprocessing=Preprocessing.from_json(normalized))
    with pytest.raises(UsageError) as error:
        checked(job(tmp_path / "run"), other)
    assert str(error.value).startswith(
        "`teacher` 'big' takes pixels with factor 0.00392157, mean 0.5, 0.5, 0.5 and std 0.25, 0.25, 0.25, and the model with "
        "factor 0.00392157 and no normalization"
    )


def checked(learner: TrainingJob, by: TeacherModel) -> None:
    check_teacher(
        by,
        family=learner.family,
        config=learner.config,
        labels=learner.data.labels.names,
        preprocessing=Preprocessing.of(PREPROCESSOR, learner.family),
    )
