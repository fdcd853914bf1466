"""Experiments in Weights & Biases, online or offline as its own settings say."""

import logging
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from detcli.structures.frame import Pixels
from detcli.training.logs.logger import Ending, Experiment, OpenedExperiment, missing_package, project_name

_OPEN_S = 30.0  # after which the server counts as unreachable
_FLUSH_S = 1.0  # wandb's 15 s would be lost when the run is killed


class WandbLogger:
    """Logs to a run of wandb; its files are in RUN/wandb unless WANDB_DIR says otherwise.

    Code, git state and terminal output are not captured, and wandb sends no reports of its own errors.
    """

    title: ClassVar[str] = "Weights & Biases"
    in_background: ClassVar[bool] = True

    def __init__(self) -> None:
        self._run: Any = None

    @staticmethod
    def problem() -> str | None:
        """Why it cannot be used; None if it can."""
        missing = missing_package("wandb")
        if missing is not None:
            return missing
        if os.environ.get("WANDB_MODE") in ("offline", "dryrun", "disabled"):
            return None
        if any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")):
            return None
        settings = _wandb().setup().settings
        if settings.mode in ("offline", "dryrun", "disabled") or settings.api_key or _netrc_key(settings.base_url):
            return None
        return (
            "there is no API key: run 'wandb login', set WANDB_API_KEY, or set WANDB_MODE=offline to log to files only"
        )

    def open(self, experiment: Experiment) -> OpenedExperiment:
        """Start a run of wandb, or continue one."""
        wandb = _wandb()
        flush = "x_transaction_log_flush_interval"  # not in older releases
        more = {flush: _FLUSH_S} if flush in wandb.Settings.model_fields else {}
        self._run = wandb.init(
            project=project_name("WANDB_PROJECT"),
            name=os.environ.get("WANDB_NAME") or experiment.name,
            dir=os.environ.get("WANDB_DIR") or str(experiment.folder),
            config=dict(experiment.hyperparameters),
            id=experiment.saved_id,
            resume=None if experiment.saved_id is None else "allow",
            settings=wandb.Settings(
                console="off", disable_code=True, disable_git=True, silent=True, init_timeout=_OPEN_S, **more
            ),
        )
        return OpenedExperiment(self._run.id, self._run.dir if self._run.offline else self._run.url)

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        """Log a row; wandb joins rows of one step."""
        self._run.log(dict(values), step=step)

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Log images."""
        wandb = _wandb()
        self._run.log({tag: wandb.Image(pixels) for tag, pixels in images.items()}, step=step)

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        """Set the summary."""
        self._run.summary.update(dict(values))

    def close(self, ending: Ending) -> None:
        """Finish the run of wandb, which waits for its uploads."""
        if self._run is not None:
            self._run.finish(exit_code=0 if ending == "finished" else 1)


def _wandb() -> Any:
    """The package, without reports of its errors to its makers and without lines on the terminal."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")  # this terminal belongs to detcli
    import wandb

    logging.getLogger("wandb").setLevel(logging.ERROR)
    return wandb


def _netrc_key(base_url: str) -> bool:
    """Whether a netrc file has a key for the server."""
    import netrc
    from pathlib import Path
    from urllib.parse import urlsplit

    host = urlsplit(base_url).hostname or ""
    names = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    for name in names:
        try:
            if netrc.netrc(Path(name).expanduser()).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError, RuntimeError):  # RuntimeError: there is no home
            continue
    return False
