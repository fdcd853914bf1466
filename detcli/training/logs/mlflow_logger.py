"""Experiments in MLflow, in the tracking store that its own settings name."""

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from detcli.structures.frame import Pixels
from detcli.training.logs.logger import Ending, Experiment, OpenedExperiment, flat, missing_package, project_name

_MAX_PARAMS = 100  # of a request
_MAX_TEXT = 500  # characters of a parameter, in all releases
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MlflowLogger:
    """Logs to a run of MLflow: MLFLOW_TRACKING_URI, else MLflow's default. Uses no state of the process but the address."""

    title: ClassVar[str] = "MLflow"
    in_background: ClassVar[bool] = True

    def __init__(self) -> None:
        self._client: Any = None
        self._run = ""

    @staticmethod
    def problem() -> str | None:
        """Why it cannot be used; None if it can: MLflow needs no settings."""
        return missing_package("mlflow")

    def open(self, experiment: Experiment) -> OpenedExperiment:
        """Start a run of MLflow, or continue one."""
        mlflow = _mlflow()
        self._client = mlflow.MlflowClient()
        if experiment.saved_id is not None:
            self._run = experiment.saved_id
            self._client.update_run(self._run, status="RUNNING")
        else:
            group = self._experiment_id(project_name("MLFLOW_EXPERIMENT_NAME"))
            self._run = self._client.create_run(group, run_name=experiment.name).info.run_id
            self._log_parameters(experiment.hyperparameters)
        return OpenedExperiment(self._run, f"{mlflow.get_tracking_uri()}, run {self._run}")

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self._run, metrics=[Metric(allowed_name(tag), value, now, step) for tag, value in values.items()]
        )

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Log images by step."""
        for tag, pixels in images.items():
            self._client.log_image(self._run, pixels, key=allowed_name(tag), step=step)

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        """Log the result as metrics, by which MLflow sorts."""
        self.add_values(values, step)

    def close(self, ending: Ending) -> None:
        """End the run of MLflow."""
        if self._run:
            self._client.set_terminated(self._run, _STATUS[ending])

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)

    def _log_parameters(self, hyperparameters: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        texts = list(flat(hyperparameters).items())
        for first in range(0, len(texts), _MAX_PARAMS):
            part = texts[first : first + _MAX_PARAMS]
            self._client.log_batch(
                self._run, params=[Param(allowed_name(name), text[:_MAX_TEXT]) for name, text in part]
            )


def _mlflow() -> Any:
    """The package, without its telemetry and without its progress on the terminal."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def allowed_name(tag: str) -> str:
    """A name that MLflow accepts: letters, digits and _ - . / and spaces; other tags end in a hash, so that they differ."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-./ ") else "_" for letter in tag)
    return plain if plain == tag else f"{plain}_{hashlib.sha256(tag.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
