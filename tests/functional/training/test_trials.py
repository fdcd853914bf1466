"""Learning rate and batch size from short trials: nothing of the job changes, and the choice follows what was measured."""

import copy
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.errors import DeviceError, UsageError
from detcli.structures.stop_signal import StopSignal
from detcli.training.training_job import TrainingJob
from detcli.training.trials.batch_search import largest_batch, search_batch
from detcli.training.trials.rate_plot import plot_rate_search
from detcli.training.trials.rate_search import HIGHEST, LOWEST, RateSearch, search_rate
from tests.helpers.training_jobs import job, quick_recipe, scripted_family

linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    torch.set_num_threads(1)
    return job(tmp_path_factory.mktemp("trials") / "run", quick_recipe(batch=4, accumulate=2), fresh=True)


@pytest.fixture(scope="module")
def found(asked: TrainingJob) -> RateSearch:
    return search_rate(asked, steps=40)


def test_rates_rise_by_the_same_factor(found: RateSearch) -> None:
    factors = np.array(found.rates[1:]) / np.array(found.rates[:-1])
    assert found.rates[0] == pytest.approx(LOWEST)
    assert found.rates[-1] <= HIGHEST * (1 + 1e-9)
    np.testing.assert_allclose(factors, factors[0])
    assert found.suggested == pytest.approx(found.rates[found.lowest] / 10, rel=0.05)


def test_the_search_follows_the_loss_until_it_has_doubled(asked: TrainingJob) -> None:
    """Losses fall until the 20th step, and rise by half a step after it; each is smoothed over about ten steps."""
    losses = [10.0 - 0.4 * step for step in range(20)] + [2.4 * 1.5**step for step in range(1, 21)]
    smoothed, average = [], 0.0
    for step, loss in enumerate(losses, 1):
        average = 0.9 * average + 0.1 * loss
        smoothed.append(average / (1 - 0.9**step))
    lowest = int(np.argmin(smoothed))
    doubled = next(step for step, loss in enumerate(smoothed) if loss > 2 * min(smoothed[: step + 1]))
    assert 0 < lowest < doubled < len(losses) - 1
    scripted = scripted_family(np.repeat(losses, asked.recipe.accumulate).tolist())
    found = search_rate(replace(asked, family=scripted), steps=len(losses))
    np.testing.assert_allclose(found.losses, smoothed[: doubled + 1], rtol=1e-6)
    assert found.lowest == lowest
    assert found.rates[lowest] == pytest.approx(LOWEST * (HIGHEST / LOWEST) ** (lowest / 39))
    assert found.suggested == pytest.approx(found.rates[lowest] / 10, rel=0.05)


def test_a_search_is_the_same_each_time_and_changes_nothing(asked: TrainingJob, found: RateSearch) -> None:
    before = copy.deepcopy(dict(asked.state))
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    again = search_rate(asked, steps=40)
    assert torch.equal(torch.rand(1), drawn)
    assert (again.rates[:5], again.losses[:5]) == (found.rates[:5], found.losses[:5])
    assert all(torch.equal(tensor, before[name]) for name, tensor in asked.state.items())
    assert not asked.run.exists()


def test_a_search_stops_when_it_is_asked_to(asked: TrainingJob) -> None:
    stop = StopSignal()
    seen = []

    def watch(step: int, rate: float) -> None:
        seen.append(step)
        if step == 3:
            stop.set()

    assert len(search_rate(asked, on_step=watch, stop=stop).rates) == 3
    assert seen == [1, 2, 3]


def test_the_plot_is_an_image_with_the_suggested_rate(found: RateSearch) -> None:
    png = plot_rate_search(found)
    assert png == plot_rate_search(found)
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (960, 600)


def test_a_recipe_without_a_rate_is_refused(asked: TrainingJob) -> None:
    with pytest.raises(UsageError, match="lr = 0"):
        search_rate(replace(asked, recipe=quick_recipe(lr=0.0)))


@pytest.mark.parametrize(
    ("available", "batch"), [(1 << 40, 50), (20_000, 50), (5_000, 32), (3_000, 16), (1_100, 8), (600, 4), (200, 1)]
)
def test_the_batch_is_the_largest_that_fits(available: int, batch: int) -> None:
    peaks = [(2, 320), (4, 420), (8, 820)]  # 20 bytes at once and 100 for each image, by the last two
    found = largest_batch(peaks, 50, available=available)
    assert (found.batch, found.bytes) == (batch, 20 + 100 * batch)
    assert found.bytes <= 0.8 * available


def test_an_image_that_does_not_fit_is_told() -> None:
    with pytest.raises(DeviceError, match=r"a training step with one image needs about .* use a smaller `image_size`"):
        largest_batch([(2, 3_000_000_000), (4, 5_000_000_000)], 50, available=1_000_000_000)


@linux
def test_the_batch_is_no_larger_than_the_data(tmp_path: Path) -> None:
    asked = job(tmp_path / "run", quick_recipe(batch=64, base_batch=64), count=5)
    assert search_batch(asked).batch == 5


def test_a_batch_is_not_searched_with_accumulation(asked: TrainingJob) -> None:
    with pytest.raises(UsageError, match="`batch_size` 'auto' and `accumulate` exclude each other"):
        search_batch(asked)
