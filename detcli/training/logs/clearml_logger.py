"""Experiments in ClearML, online or offline as its own settings say."""

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

from detcli.structures.frame import Pixels
from detcli.training.logs.logger import Ending, Experiment, OpenedExperiment, flat, missing_package, project_name


class ClearMLLogger:
    """Logs to a task of ClearML, which captures neither frameworks, arguments, terminal output nor resources."""

    title: ClassVar[str] = "ClearML"
    in_background: ClassVar[bool] = True

    def __init__(self) -> None:
        self._task: Any = None

    @staticmethod
    def problem() -> str | None:
        """Why it cannot be used; None if it can."""
        missing = missing_package("clearml")
        if missing is not None:
            return missing
        file = Path(os.environ.get("CLEARML_CONFIG_FILE") or Path("~/clearml.conf").expanduser())
        keys = ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY")
        if _is_offline() or file.is_file() or all(os.environ.get(name) for name in keys):
            return None
        return "there are no credentials: run 'clearml-init', or set CLEARML_OFFLINE_MODE=1 to log to files only"

    def open(self, experiment: Experiment) -> OpenedExperiment:
        """Start a task, or continue one."""
        with redirect_stdout(sys.stderr):  # standard output belongs to results
            from clearml import Task

            logging.getLogger("clearml").setLevel(logging.ERROR)
            saved = None if _is_offline() else experiment.saved_id  # an offline task cannot be continued
            self._task = Task.init(
                project_name=project_name("CLEARML_PROJECT"),
                task_name=experiment.name,
                reuse_last_task_id=saved or False,
                continue_last_task=0 if saved else False,  # 0: steps are counted as before
                auto_connect_arg_parser=False,
                auto_connect_frameworks=False,
                auto_connect_streams=False,
                auto_resource_monitoring=False,
            )
            if not saved:
                self._task.set_parameters(flat(experiment.hyperparameters, "recipe/"))
            where = str(self._task.get_offline_mode_folder()) if _is_offline() else self._task.get_output_log_web_page()
        return OpenedExperiment(self._task.id, where)

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        """Report scalars: a plot for each part of the tags, a line for each rest."""
        logger = self._task.get_logger()
        for tag, value in values.items():
            title, _, series = tag.partition("/")
            logger.report_scalar(title, series or title, value=value, iteration=step)

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Report images."""
        logger = self._task.get_logger()
        for tag, pixels in images.items():
            title, _, series = tag.partition("/")
            logger.report_image(title, series or title, iteration=step, image=pixels)

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        """Report single values."""
        logger = self._task.get_logger()
        for tag, value in values.items():
            logger.report_single_value(tag, value)

    def close(self, ending: Ending) -> None:
        """Upload what is left, and end the task."""
        if self._task is None:
            return
        with redirect_stdout(sys.stderr):
            if ending == "failed":
                self._task.mark_failed(ignore_errors=True, status_reason="training failed")
            self._task.close()


def _is_offline() -> bool:
    return os.environ.get("CLEARML_OFFLINE_MODE", "").lower() in ("1", "true", "yes", "on")
