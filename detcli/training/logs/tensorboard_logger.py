"""Experiments as events of TensorBoard, in the run folder."""

import warnings
from collections.abc import Mapping
from typing import ClassVar

from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.libraries import problem
from detcli.structures.frame import Pixels
from detcli.training.logs.event_file import EventFile
from detcli.training.logs.logger import Ending, Experiment, OpenedExperiment, flat, missing_package

FOLDER = "tensorboard"  # in the run folder


class TensorBoardLogger:
    """Writes RUN/tensorboard. A resumed run begins a file, whose first event makes TensorBoard drop later steps of others."""

    title: ClassVar[str] = "TensorBoard"
    in_background: ClassVar[bool] = False

    def __init__(self) -> None:
        self._events: EventFile | None = None

    @staticmethod
    def problem() -> str | None:
        """Why it cannot be used; None if it can."""
        missing = missing_package("tensorboard")
        if missing is not None:
            return missing
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # from protobuf and numpy
                import tensorboard.compat.proto.event_pb2
                import tensorboard.summary.writer.record_writer  # noqa: F401 - both are needed
        except ImportError as error:
            return f"tensorboard {problem(error, 'tensorboard')}"
        return None

    def open(self, experiment: Experiment) -> OpenedExperiment:
        """Begin a file. Raises OutputError."""
        folder = experiment.folder / FOLDER
        with os_errors_as_output_errors(folder):
            self._events = EventFile(folder, steps=experiment.steps)
            if not experiment.steps:
                table = [f"| {name} | {value} |" for name, value in flat(experiment.hyperparameters).items()]
                self._events.add_text("recipe", "\n".join(["| field | value |", "|---|---|", *table]), 0)
        return OpenedExperiment()

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        """Add scalars. Raises OSError."""
        if self._events is not None:
            self._events.add_scalars(values, step)

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Add images. Raises OSError."""
        if self._events is not None:
            self._events.add_images(images, step)

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        """Add scalars of the last step. Raises OSError."""
        self.add_values(values, step)

    def close(self, ending: Ending) -> None:
        """Close the file; safe twice."""
        if self._events is not None:
            self._events.close()
            self._events = None
