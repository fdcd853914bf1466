"""Networks that take images of many sizes learn: what they are fed, and that a run is the same after a resume."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.datasets.shapes import ShapesDataset
from detcli.errors import ImageError, UsageError
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.stop_signal import StopSignal
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.data.sampler import Sampler
from detcli.training.optimization.optimizer import MovingAverage
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.model_exporter import training_preprocessing
from detcli.training.training_events import Event, TrainingStep
from detcli.training.training_loop import train
from tests.helpers.detr_training_jobs import job, network, quick_recipe


def parts(
    recipe: Recipe,
    *,
    masks: bool = False,
    data: Dataset | None = None,
    epoch: int = 0,
    step: int = 0,
    workers: int = 2,
    **who: int,
) -> list[MicroBatch]:
    family, _ = network("detr")
    device = torch.device("cpu")
    data = data or open_dataset("shapes:0:12", masks=masks)
    preprocessor = Preprocessor(training_preprocessing(family.preprocessor, family, recipe), device)
    feed = DataLoader(
        data, Sampler.of(recipe, len(data), **who), recipe, preprocessor=preprocessor, divisor=1, device=device
    )
    with feed.running(epoch, step, workers) as running:
        return list(running)


def test_images_of_a_part_are_padded_below_and_to_the_right() -> None:
    seen = set()
    for part in parts(quick_recipe(epochs=2)):
        assert part.mask is not None
        assert part.mask.shape == part.pixels[:, 0].shape
        assert part.mask[:, 0, 0].all()
        assert (part.pixels.permute(0, 2, 3, 1)[~part.mask] == 0).all()
        heights, widths = part.mask[:, :, 0].sum(1), part.mask[:, 0].sum(1)
        assert (part.mask.flatten(1).sum(1) == heights * widths).all(), "rectangles"
        assert (heights.max(), widths.max()) == tuple(part.mask.shape[1:]), "no larger than it must be"
        seen |= set(zip(heights.tolist(), widths.tolist(), strict=True))
    assert len(seen) > 10
    assert max(max(size) for size in seen) <= 96


def test_a_part_of_one_size_has_no_mask() -> None:
    assert all(part.mask is None for part in parts(quick_recipe(epochs=1, batch=1, base_batch=1)))


def test_boxes_are_fractions_of_the_image_and_masks_fill_them() -> None:
    whole = 0
    for part in parts(quick_recipe(epochs=3), masks=True):
        for position, target in enumerate(part.targets):
            assert target.masks is not None
            real = (
                (part.pixels.shape[2:])
                if part.mask is None
                else (int(part.mask[position, :, 0].sum()), int(part.mask[position, 0].sum()))
            )
            assert target.masks.shape == (len(target.class_ids), *real)
            assert target.masks.dtype == torch.bool
            center, half = target.boxes_cxcywh[:, :2], target.boxes_cxcywh[:, 2:] / 2
            assert bool((center - half >= -1e-6).all())
            assert bool((center + half <= 1 + 1e-6).all())
            for mask, box in zip(target.masks, target.boxes_cxcywh, strict=True):
                rows, columns = mask.nonzero(as_tuple=True)
                if not len(rows):
                    continue
                sides = torch.tensor([real[1], real[0]] * 2)
                corners = torch.cat((box[:2] - box[2:] / 2, box[:2] + box[2:] / 2)) * sides
                found = torch.stack((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
                assert bool((found[:2] >= corners[:2] - 1.5).all())
                assert bool((found[2:] <= corners[2:] + 1.5).all())
                whole += bool((found - corners).abs().max() <= 1.5)
    assert whole > 20, "most shapes are seen whole"


def test_masks_are_resized_with_their_batch() -> None:
    recipe = quick_recipe(epochs=4, shortest_edges=[], random_crop=0, image_size=[64, 96], multi_scale_repeat=1)
    sizes = set()
    for part in parts(recipe, masks=True):
        sizes.add(tuple(part.pixels.shape[2:]))
        for target in part.targets:
            assert target.masks is not None
            if len(target.masks):
                assert target.masks.shape[1:] == part.pixels.shape[2:]
    assert len(sizes) > 3


class _WithoutMasks(ShapesDataset):
    """Drawn images, of which the masks of number 2 cannot be read."""

    def ground_truth(self, index: int) -> GroundTruth:
        if index == 2:
            raise ImageError("truncated", "its PNG '2.png' cannot be read: truncated after 3 bytes")
        return super().ground_truth(index)


def test_an_image_whose_masks_cannot_be_read_gives_way_to_another() -> None:
    found = parts(quick_recipe(epochs=1), data=_WithoutMasks("shapes:0:12", masks=True))
    failures = [failure for part in found for failure in part.failures]
    assert [(failure.index, "2.png" in failure.reason) for failure in failures] == [(2, True)]
    assert sum(len(part.targets) for part in found) == 12


@pytest.mark.parametrize(
    "changes", [{}, {"vertical_flip": 0.5, "quarter_turn": 0.5, "rotation": 0.7, "random_crop": 0.5}]
)
def test_threads_processes_and_a_resume_do_not_change_what_is_read(changes: dict[str, Any]) -> None:
    recipe = quick_recipe(**{"epochs": 2, "shortest_edges": [56], "random_crop": 0, "flip": 0.5, **changes})
    every = parts(recipe, masks=True)
    for one, other in zip(every, parts(recipe, masks=True, workers=5), strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert [target.seed for target in one.targets] == [target.seed for target in other.targets]
        for a, b in zip(one.targets, other.targets, strict=True):
            assert torch.equal(a.boxes_cxcywh, b.boxes_cxcywh)
            assert a.masks is not None
            assert b.masks is not None
            assert torch.equal(a.masks, b.masks)
    later = parts(recipe, masks=True, epoch=1, step=1)
    assert len(later) == 2
    for one, other in zip(every[4:], later, strict=True):
        assert torch.equal(one.pixels, other.pixels)
    halves = [parts(recipe, rank=rank, size=2) for rank in range(2)]
    for whole, first, second in zip(every, *halves, strict=True):
        assert whole.files == first.files + second.files


@pytest.mark.parametrize("model", ["detr-panoptic", "table-transformer", "deformable-detr"])
def test_the_loss_falls_and_what_was_trained_is_a_model(tmp_path: Path, model: str) -> None:
    asked = job(
        tmp_path / "run",
        quick_recipe(model, epochs=8, milestone_epochs=[7], gamma=0.1, random_crop=0, flip=0),
        model=model,
        count=8,
    )
    result = train(asked)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "epoch"]
    assert losses[-1] < 0.9 * losses[0]
    assert ("loss_mask" in lines[-1]["losses"]) == (model == "detr-panoptic")
    assert lines[-1]["lr"] == pytest.approx(1e-4)
    assert result.best is not None
    preprocessor = json.loads((tmp_path / "run/best/preprocessor_config.json").read_text())
    assert preprocessor["size"] == {"shortest_edge": 72, "longest_edge": 96}
    config = json.loads((tmp_path / "run/best/config.json").read_text())
    assert config["model_type"] == {"detr-panoptic": "detr", "deformable-detr": "deformable_detr"}.get(model, model)
    assert asked.family.read_config(config).labels == asked.data.labels.names


@pytest.mark.parametrize("model", ["detr-panoptic", "deformable-detr"])
def test_a_run_that_was_interrupted_ends_in_the_same_bytes(tmp_path: Path, model: str) -> None:
    train(job(tmp_path / "one", model=model))
    stop = StopSignal()

    def watch(event: Event) -> None:
        if isinstance(event, TrainingStep) and (event.epoch, event.step) == (1, 1):
            stop.set()

    asked = job(tmp_path / "two", model=model)
    assert train(asked, observer=watch, stop=stop).interrupted is not None
    assert train(replace(asked, resume=True)).interrupted is None
    for name in ("last/model.safetensors", "best/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_what_is_frozen_stays_to_the_last_bit(tmp_path: Path) -> None:
    asked = job(
        tmp_path / "run",
        quick_recipe("detr-panoptic", epochs=1, frozen=["backbone.", "encoder."]),
        model="detr-panoptic",
    )
    train(asked)
    trained = load_file(tmp_path / "run/last/model.safetensors")
    before = asked.family.write_weights(asked.state, asked.config)
    same = {name for name, tensor in trained.items() if torch.equal(tensor, before[name])}
    assert {name for name in trained if "backbone" in name or ".encoder." in name} <= same
    assert not {name for name in trained if name.startswith("mask_head") and name.endswith("weight")} & same


def test_without_an_average_the_weights_themselves_are_kept() -> None:
    layer = torch.nn.Linear(5, 3)
    average = MovingAverage(layer, decay=0.0, warmup_steps=0)
    for _ in range(3):
        with torch.no_grad():
            layer.weight.mul_(-1.7).add_(1e-3)
        average.update()
        assert torch.equal(average.floats["weight"], layer.weight)


def test_images_may_be_stretched_to_one_size_all_the_same(tmp_path: Path) -> None:
    recipe = quick_recipe(shortest_edges=[], random_crop=0, image_size=[48, 64], zoom_out=0.5, iou_crop=0.8, epochs=1)
    train(job(tmp_path / "run", recipe, model="detr-panoptic"))
    preprocessor = json.loads((tmp_path / "run/last/preprocessor_config.json").read_text())
    assert preprocessor["size"] == {"height": 48, "width": 64}


def test_many_sizes_are_refused_where_the_network_takes_one() -> None:
    from detcli.models.family import FAMILIES

    dfine = FAMILIES["dfine"]
    with pytest.raises(UsageError, match="shortest_edges are for networks that take images of many sizes"):
        training_preprocessing(dfine.preprocessor, dfine, quick_recipe())


def test_an_older_preprocessor_file_is_written_in_the_words_of_today() -> None:
    family, _ = network("detr")
    old = {"feature_extractor_type": "DetrFeatureExtractor", "size": 800, "max_size": 1333, "do_normalize": True}
    asked = replace(job(Path("unused"), quick_recipe()), preprocessor=old)
    from detcli.training.state.model_exporter import ModelExporter

    written = ModelExporter(asked, torch.device("cpu")).preprocessor_json()
    assert written["size"] == {"shortest_edge": 72, "longest_edge": 96}
    assert "max_size" not in written
    assert written["image_mean"] == family.preprocessor["image_mean"]
