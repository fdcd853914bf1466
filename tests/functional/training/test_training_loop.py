"""A run learns, evaluates, keeps the best, says what happens, and refuses what would go wrong later."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.errors import DataError, DivergedError, OutputError, UsageError
from detcli.inference.load import load_detector
from detcli.models.dfine import DFineFamily
from detcli.models.dfine.config import DFineConfig
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.stop_signal import StopSignal
from detcli.training.training_events import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Event,
    TrainingNote,
    TrainingStarted,
    TrainingStep,
)
from detcli.training.training_job import TrainingJob, TrainingResult
from detcli.training.training_loop import train
from tests.helpers.training_jobs import Rectangles, job, overflowing_family, quick_recipe


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]


def watched(job: TrainingJob, **more: Any) -> tuple[TrainingResult, list[Event]]:
    events: list[Event] = []
    return train(job, observer=events.append, **more), events


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, list[Event]]:
    """Three epochs of two steps, the last one without augmentation."""
    torch.set_num_threads(1)
    return watched(job(tmp_path_factory.mktemp("run") / "run"))


def test_events_report_the_run_in_order(finished: tuple[TrainingResult, list[Event]]) -> None:
    _, events = finished
    kinds = [
        type(event) for event in events if isinstance(event, TrainingStarted | TrainingStep | Evaluated | EpochEnded)
    ]
    assert kinds == [TrainingStarted, *[TrainingStep, TrainingStep, Evaluated, EpochEnded] * 3]
    started = next(event for event in events if isinstance(event, TrainingStarted))
    assert (started.epochs, started.steps_per_epoch, started.images, started.val_images) == (3, 2, 10, 4)
    steps = [event for event in events if isinstance(event, TrainingStep)]
    assert [(event.epoch, event.step) for event in steps] == [(epoch, step) for epoch in range(3) for step in range(2)]
    assert all(event.loss > 0 and event.images_per_second > 0 for event in steps)
    assert isinstance(events[-1], CheckpointSaved)


def test_metrics_have_a_line_an_epoch_and_lines_of_steps(finished: tuple[TrainingResult, list[Event]]) -> None:
    result, events = finished
    written = lines(result.run)
    assert [(line["kind"], line["epoch"], line["step"]) for line in written] == [
        (kind, epoch, 2 * epoch + 2) for epoch in range(3) for kind in ("steps", "epoch")
    ]
    steps = [event for event in events if isinstance(event, TrainingStep)]
    assert written[1]["loss"] == pytest.approx((steps[0].loss + steps[1].loss) / 2)
    assert written[-1]["metrics"] == result.metrics
    assert set(written[1]["metrics"]) >= {"AP", "AP50", "APs", "AR100"}


def test_last_and_best_are_models(finished: tuple[TrainingResult, list[Event]]) -> None:
    result, _ = finished
    image = Rectangles(1).read(0)
    for name in ("last", "best"):
        detector = load_detector(str(result.run / name), threshold=0.0)
        assert detector.labels.names == ("red", "green", "blue")
        assert detector.preprocessor.preprocessing.size_hw == (64, 64)
        assert isinstance(detector.detect_frames([image])[0], Detections)
    assert (result.run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (result.run / "restart.safetensors").exists()


def test_the_evaluated_model_is_the_saved_model(finished: tuple[TrainingResult, list[Event]]) -> None:
    from detcli.evaluation.evaluate_model import evaluate_model

    result, _ = finished
    evaluation = evaluate_model(load_detector(str(result.run / "last"), threshold=0.0), Rectangles(4, seed=1))
    assert evaluation is not None
    assert evaluation.metrics.by_name == result.metrics


def test_a_model_that_finds_nothing_has_no_threshold_of_its_own(finished: tuple[TrainingResult, list[Event]]) -> None:
    result, _ = finished
    assert result.best == 0
    detector = load_detector(str(result.run / "best"))
    assert (detector.threshold, detector.model.stored_threshold) == (0.4, None)


def test_transformers_finds_the_same_with_what_was_trained(finished: tuple[TrainingResult, list[Event]]) -> None:
    transformers = pytest.importorskip("transformers")
    result, _ = finished
    model = transformers.AutoModelForObjectDetection.from_pretrained(result.run / "last").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(result.run / "last")
    detector = load_detector(str(result.run / "last"), threshold=0.0, optimize=False)
    image = Rectangles(1, size_hw=(48, 80)).read(0)
    ours = detector.detect_frames([image])[0]
    assert isinstance(ours, Detections)
    with torch.no_grad():
        inputs = processor(images=image.pixels, return_tensors="pt")  # type: ignore[union-attr]
        outputs = model(**inputs)
    found = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(48, 80)])[0]
    assert [model.config.id2label[i] for i in range(3)] == ["red", "green", "blue"]
    theirs = torch.cat((found["boxes"].clamp(min=0), found["scores"][:, None]), dim=1)
    theirs[:, :4] = theirs[:, :4].minimum(torch.tensor([80.0, 48.0, 80.0, 48.0]))
    mine = torch.cat((torch.from_numpy(ours.boxes_xyxy), torch.from_numpy(ours.scores)[:, None]), dim=1).float()
    keep = (theirs[:, 2] > theirs[:, 0]) & (theirs[:, 3] > theirs[:, 1])
    theirs, labels = theirs[keep], found["labels"][keep]
    assert len(mine) == len(theirs) > 0
    nearest = torch.cdist(torch.cat((mine, 100 * torch.from_numpy(ours.class_ids)[:, None]), 1),
                          torch.cat((theirs, 100 * labels[:, None]), 1)).min(dim=1)  # fmt: skip
    assert nearest.indices.unique().numel() == len(mine)
    assert float(nearest.values.max()) < 0.01


def test_category_ids_of_the_data_travel_with_the_model(tmp_path: Path) -> None:
    labels = ClassLabels(("red", "green", "blue"), (7, 3, 90))
    run = tmp_path / "run"
    train(job(run, quick_recipe(epochs=1), data=Rectangles(4, labels=labels)))
    assert load_detector(str(run / "best")).labels == labels
    assert json.loads((run / "last" / "config.json").read_text())["category_ids"] == [7, 3, 90]


def test_ids_as_their_names_would_be_given_are_not_written(finished: tuple[TrainingResult, list[Event]]) -> None:
    assert "category_ids" not in json.loads((finished[0].run / "last" / "config.json").read_text())


def test_a_stop_finishes_the_step_and_can_be_resumed(tmp_path: Path) -> None:
    stop = StopSignal()
    events: list[Event] = []

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, TrainingStep) and (event.epoch, event.step) == (1, 0):
            stop.set("SIGTERM")

    asked = job(tmp_path / "run", val=None)
    result = train(asked, observer=watch, stop=stop)
    assert (result.interrupted, result.epochs, result.steps) == ("SIGTERM", 1, 4)
    assert isinstance(events[-1], CheckpointSaved)
    result, events = watched(replace(asked, resume=True))
    assert (result.interrupted, result.epochs, result.steps) == (None, 3, 6)
    assert sum(isinstance(event, TrainingStep) for event in events) == 2


def test_a_finished_run_has_nothing_to_go_on_with(finished: tuple[TrainingResult, list[Event]]) -> None:
    result, _ = finished
    again, events = watched(replace(job(result.run), resume=True))
    assert again == result
    assert not any(isinstance(event, TrainingStep) for event in events)


def test_training_goes_back_to_the_best_where_augmentation_stops(tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=4, stop_augmentation_epoch=2, lr=1e-9, backbone_lr=1e-9)
    result, events = watched(job(tmp_path / "run", recipe))
    best = [event.epoch for event in events if isinstance(event, Evaluated) and event.best]
    notes = [
        event.sentence
        for event in events
        if isinstance(event, TrainingNote) and "restarts from epoch" in event.sentence
    ]
    assert best
    assert notes
    assert result.best_epoch == best[-1]


def test_an_image_that_cannot_be_read_is_named_once_and_replaced(tmp_path: Path) -> None:
    recipe = quick_recipe(max_failed_fraction=0.5)
    result, events = watched(job(tmp_path / "run", recipe, data=Rectangles(8, broken={3, 4}), val=None))
    notes = [event.sentence for event in events if isinstance(event, TrainingNote)]
    assert sorted(note for note in notes if "cannot read" in note) == [
        f"cannot read '{i}.png': truncated after 3 bytes; another image replaces it" for i in (3, 4)
    ]
    assert result.failed_files == {f"{i}.png": "truncated after 3 bytes" for i in (3, 4)}
    assert lines(result.run)[-1]["failed"] == 2


def test_too_many_images_that_cannot_be_read_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of the 8 images .* max_failed_fraction = 0.2 allows: '.\.png'"):
        train(job(tmp_path / "run", quick_recipe(max_failed_fraction=0.2), data=Rectangles(8, broken={3, 4})))
    with pytest.raises(DataError, match="none of the 8 images can be read"):
        train(job(tmp_path / "other", quick_recipe(max_failed_fraction=1), data=Rectangles(8, broken=range(8))))


def test_numbers_that_are_not_finite_end_the_run_and_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = job(run, val=None, family=overflowing_family(4))  # after the first epoch, which is saved
    with pytest.raises(
        DivergedError, match=r"training diverged in epoch \d+, step \d.*; the batch has '\d\.png'"
    ) as caught:
        train(asked)
    assert "'" + str(run / "last") + "' is a model" in str(caught.value)
    load_detector(str(run / "last"))


def test_a_loss_that_is_not_finite_is_named(tmp_path: Path) -> None:
    asked = job(tmp_path / "run", val=None)

    class WithNan(DFineFamily):
        def criterion(self, config: DFineConfig) -> Any:
            plain = super().criterion(config)

            def losses(outputs: Any, targets: Any) -> dict[str, torch.Tensor]:
                computed = plain(outputs, targets)
                return computed | {"loss_vfl_aux_0": computed["loss_vfl_aux_0"] * float("nan")}

            return losses

    with pytest.raises(DivergedError, match="in epoch 1, step 1: loss_vfl_aux_0 is nan; the batch has"):
        train(replace(asked, family=WithNan()))


def test_a_folder_that_holds_a_run_is_not_touched(finished: tuple[TrainingResult, list[Event]]) -> None:
    run = finished[0].run
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=r"has a run already: use `resume` .* `overwrite`"):
        train(job(run))
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_folder_that_holds_something_else_is_asked_about_too(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is not empty: use `overwrite`"):
        train(job(tmp_path))
    train(job(tmp_path, quick_recipe(epochs=1), val=None, if_exists="overwrite"))
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_what_does_not_fit_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 3 classes"):
        train(replace(job(tmp_path / "a"), data=Rectangles(4, labels=ClassLabels(("x", "y", "z"), (1, 2, 3)))))
    with pytest.raises(DataError, match="no class in common"):
        train(replace(job(tmp_path / "b"), val=Rectangles(4, labels=ClassLabels(("x", "y", "z"), (1, 2, 3)))))
    with pytest.raises(UsageError, match="`precision=fp16` is for GPUs"):
        train(job(tmp_path / "c", quick_recipe(precision="fp16")))
    with pytest.raises(UsageError, match="is not a multiple of 32"):
        train(job(tmp_path / "d", quick_recipe(image_size=[64, 65])))
    with pytest.raises(UsageError, match="leaves no parameter"):
        train(
            job(
                tmp_path / "e",
                quick_recipe(frozen=["backbone.", "encoder.", "decoder.", "query_selection.", "denoising"]),
            )
        )


def test_bf16_and_micro_batches_train_too(tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=1, precision="bf16", accumulate=2, images_per_epoch=4)
    result, events = watched(job(tmp_path / "run", recipe, val=None))
    assert result.steps == 1
    assert next(event for event in events if isinstance(event, TrainingStep)).loss > 0


def test_frozen_parameters_stay_as_they_were(tmp_path: Path) -> None:
    asked = job(tmp_path / "run", quick_recipe(epochs=1, frozen=["decoder."], lr=1e-2), val=None)
    train(asked)
    from detcli.checkpoints.safetensors_files import read_tensors

    trained = read_tensors(tmp_path / "run" / "state.safetensors")
    moved = {
        name: not torch.equal(trained[f"network.{name}"], tensor)
        for name, tensor in asked.state.items()
        if name.endswith("weight")
    }
    assert not any(changed for name, changed in moved.items() if name.startswith("decoder."))
    assert any(changed for name, changed in moved.items() if name.startswith("encoder."))
