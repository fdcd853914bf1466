"""The losses of the averaged weights on the validation images: no augmentation, no dropout, no gradients.

They are the losses of training, so both can be compared. Nothing of training depends on them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detcli.datasets.dataset import Dataset, DatasetSummary
from detcli.evaluation.evaluate_model import common_categories
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.models.empty_weights import empty_weights
from detcli.models.losses.target_boxes import counting_alone
from detcli.runtimes.torch_runtime import device_errors
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.stop_signal import StopSignal
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_bounds import AUGMENTATIONS
from detcli.training.training_job import TrainingJob
from detcli.training.training_setup import make_criterion

_UNAUGMENTED: dict[str, Any] = {
    **dict.fromkeys(AUGMENTATIONS, 0.0),
    "multi_scale_repeat": 0,
    "stop_augmentation_epoch": 0,
    "epochs": 1,
}


@dataclass(frozen=True, slots=True)
class LossSums:
    """Losses by name, each summed over images, and the number of images."""

    by_name: Mapping[str, float]
    images: int


def mean_losses(parts: Sequence[LossSums]) -> dict[str, float]:
    """The mean of each loss over the images of all parts."""
    images = sum(part.images for part in parts)
    names = sorted({name for part in parts for name in part.by_name})
    return {name: sum(part.by_name.get(name, 0.0) for part in parts) / images for name in names} if images else {}


class ValidationLoss:
    """Computes the losses of a job's network on its validation data.

    Each process computes those of its own images, in batches of the size of a micro-batch of training.
    """

    def __init__(self, job: TrainingJob, data: Dataset, preprocessing: Preprocessing, device: torch.device) -> None:
        self._job, self._device = job, device
        self._data = _OwnClasses(data, job.data.labels)
        self._recipe = _without_augmentation(job.recipe)
        self._preprocessor = Preprocessor(preprocessing, device)
        self._criterion = make_criterion(job, device)

    def compute(
        self,
        state: Mapping[str, Tensor],
        indices: range,
        *,
        batch: int,
        workers: int,
        on_images: Callable[[int], None],
        stop: StopSignal | None,
    ) -> LossSums | None:
        """The losses of these images; None if `stop` came first.

        state      of the network; its tensors are not changed
        batch      images of a pass through the network
        on_images  called with the number of images of each pass
        """
        network = self._network(state)
        order = _InOrder(indices, batch, len(self._data))
        loader = DataLoader(
            self._data,
            order,
            self._recipe,
            preprocessor=self._preprocessor,
            divisor=self._job.family.size_divisor,
            device=self._device,
        )
        sums: dict[str, float] = {}
        with loader.running(0, 0, workers) as micro_batches:
            for micro_batch in micro_batches if len(indices) else ():
                count = len(micro_batch.targets)
                for name, value in self._losses(network, micro_batch).items():
                    sums[name] = sums.get(name, 0.0) + value * count
                on_images(count)
                if stop is not None and stop.is_set():
                    return None
        return LossSums(sums, len(indices))

    def _network(self, state: Mapping[str, Tensor]) -> nn.Module:
        with empty_weights():
            network = self._job.family.build(self._job.config)
        network.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, strict=True, assign=True)
        network = network.eval().requires_grad_(False).to(self._device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @torch.no_grad()
    def _losses(self, network: nn.Module, micro_batch: MicroBatch) -> dict[str, float]:
        with device_errors(self._device), counting_alone():
            images = (micro_batch.pixels,) if micro_batch.mask is None else (micro_batch.pixels, micro_batch.mask)
            losses = self._criterion(network(*images, targets=micro_batch.targets), micro_batch.targets)
            values = torch.stack([loss.float() for loss in losses.values()]).tolist()
        return dict(zip(losses, values, strict=True))


def _without_augmentation(recipe: Recipe) -> Recipe:
    edges = recipe.shortest_edges
    return replace(recipe, **_UNAUGMENTED, shortest_edges=(max(edges),) if edges else edges)


@dataclass(frozen=True, slots=True)
class _InOrder:
    """Images one after the other, the last batch smaller: an order of a `DataLoader`.

    The position of an image is its index, so its random numbers are the same in every share of the images.
    """

    indices: range
    batch: int
    images: int

    @property
    def steps(self) -> int:
        return -(-len(self.indices) // self.batch)

    @property
    def micro_batches(self) -> int:
        return 1

    def order(self, epoch: int) -> list[int]:
        return list(range(self.indices.stop))

    def other(self, number: int) -> int:
        return number % self.indices.stop

    def replacements(self, index: int) -> Iterator[int]:
        return ((index + offset) % self.images for offset in range(1, self.images))

    def positions(self, step: int, micro_batch: int) -> range:
        start = self.indices.start + step * self.batch
        return range(start, min(start + self.batch, self.indices.stop))


class _OwnClasses:
    """Validation data with the class ids of the training data; other classes are left out."""

    def __init__(self, data: Dataset, labels: ClassLabels) -> None:
        self._data, self.labels = data, labels
        own_ids = common_categories(labels, data.labels)  # class id of the network -> category id of the data
        ids_by_category = {category_id: class_id for class_id, category_id in own_ids.items()}
        self._own = np.array(
            [ids_by_category.get(category_id, -1) for category_id in data.labels.category_ids], np.int64
        )

    @property
    def report(self) -> DatasetSummary:
        return self._data.report

    def __len__(self) -> int:
        return len(self._data)

    def origin(self, index: int) -> Origin:
        return self._data.origin(index)

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        return self._data.read(index, resize)

    def stored_bytes(self, index: int) -> bytes | None:
        return self._data.stored_bytes(index)

    def size_hw(self, index: int) -> tuple[int, int] | None:
        return self._data.size_hw(index)

    def ground_truth(self, index: int) -> GroundTruth:
        ground_truth = self._data.ground_truth(index)
        class_ids = self._own[ground_truth.class_ids]
        return replace(ground_truth, class_ids=class_ids)[class_ids >= 0]

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        class_ids = self._own[self._data.box_classes(index, crowds=crowds)]
        return class_ids[class_ids >= 0]

    def image_id(self, index: int) -> int:
        return self._data.image_id(index)

    def annotations(self) -> dict[str, Any]:
        return self._data.annotations()
