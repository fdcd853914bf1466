"""The moving average of the weights as what users take away: a model in a folder, and a detector to judge it by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detcli.checkpoints.files import write_checkpoint
from detcli.checkpoints.layout import ModelFiles
from detcli.inference.batching import automatic_batch
from detcli.inference.detector import Detector
from detcli.inference.postprocess import Selection
from detcli.inference.preprocess import Preprocessing, Preprocessor
from detcli.models.skeleton import skeleton
from detcli.runtimes.eager import Eager
from detcli.training.job import Job
from detcli.values.labels import Labels


class Keeper:
    """Turns the average's tensors into a model on the disk, or one that detects.

    preprocessing  how pictures are prepared, in training and ever after
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        self._job, self._device = job, device
        divisor = job.family.size_divisor
        asked = Preprocessing.from_json(job.preprocessor, size_divisor=divisor)
        self.preprocessing = asked.with_size(job.recipe.image_size_hw, divisor)
        self.labels = job.data.labels

    def write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        """Write the model. Raises OutputError; an older one is whole then."""
        family, config = self._job.family, self._job.config
        write_checkpoint(folder, self.config_json(), self.preprocessor_json(), family.write_weights(state, config))

    def config_json(self) -> dict[str, Any]:
        """config.json, with the data's category ids where they are not those that its names would be given."""
        written = self._job.family.write_config(self._job.config)
        if self.labels.category_ids != Labels.from_names(self.labels.names).category_ids:
            written["category_ids"] = list(self.labels.category_ids)
        return written

    def preprocessor_json(self) -> dict[str, Any]:
        """preprocessor_config.json, with the size of this training."""
        return {**self._job.preprocessor, "size": self.preprocessing.sizing.as_json()}

    def detector(self, state: Mapping[str, Tensor], folder: Path) -> Detector:
        """A detector in its inference form that keeps every score; the tensors stay as they are."""
        family = self._job.family
        with skeleton():
            network = family.build(self._job.config)
        network.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, strict=True, assign=True)
        return Detector(
            files=ModelFiles(str(folder), folder),
            labels=self.labels,
            runtime=Eager(family.optimize(network), device=self._device),
            preprocessor=Preprocessor(self.preprocessing, self._device),
            selection=Selection(0.0, scores=family.scores),
            batch_size=automatic_batch(self._device.type, self.preprocessing.size_hw or self.preprocessing.imgsz),
            device_name=str(self._device),
            precision="fp32",
            # A resumed run has to come to the same figures; on GPUs a batch that is too large is rather halved.
            deterministic=self._device.type == "cpu",
        )
