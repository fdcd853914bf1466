"""Loggers that fail, end their thread or do not answer: the run goes on, and its memory stays small."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import OutputError
from detcli.training.logs.experiment_logs import ExperimentLogs
from detcli.training.logs.logger import LOGGERS, Experiment, OpenedExperiment
from detcli.training.logs.logger_queues import BackgroundQueue, DirectQueue
from detcli.training.logs.saved_experiments import SavedExperiments
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.run_folder import RunFolder
from tests.helpers.experiments import MemoryLogger


def queue_of(logger: MemoryLogger, folder: Path) -> BackgroundQueue:
    return BackgroundQueue("memory", logger, *_opening(folder))


def _opening(folder: Path) -> tuple[Experiment, SavedExperiments]:
    MemoryLogger.calls.clear()
    experiment = Experiment(folder=folder, hyperparameters={}, steps=0, saved_id=None)
    return experiment, SavedExperiments(folder / "experiments.json")


class Exiting(MemoryLogger):
    """Ends its program at the first step and at the end, as some packages do."""

    def _add(self, kind: str, values: Mapping[str, Any], step: int) -> None:
        if step == 1:
            raise SystemExit("no quota left")
        super()._add(kind, values, step)

    def close(self, ending: Any) -> None:
        super().close(ending)
        raise SystemExit(1)


def test_a_logger_that_ends_its_program_is_told_and_tried_again(tmp_path: Path) -> None:
    queue = queue_of(Exiting(), tmp_path)
    for step in (1, 2):
        queue.put("steps", {"steps/loss": 1.0}, step)
    queue.close("finished")
    assert queue.news() == ["Memory: memory:id-1", "cannot log to Memory: no quota left"]
    assert MemoryLogger.calls == [("open", None), ("values", (2, {"steps/loss": 1.0})), ("close", "finished")]


def test_a_logger_in_the_training_loop_never_ends_the_run(tmp_path: Path) -> None:
    queue = DirectQueue("memory", Exiting(), *_opening(tmp_path))
    for step in (1, 2):
        queue.put("steps", {"steps/loss": 1.0}, step)
    queue.close("finished")
    assert queue.news() == ["no more logs for Memory: no quota left", "cannot end the logs for Memory: 1"]
    assert MemoryLogger.calls == [("open", None), ("close", "failed")]


class Silent(MemoryLogger):
    """Does not answer until `answer` is set."""

    answer: threading.Event

    def _add(self, kind: str, values: Mapping[str, Any], step: int) -> None:
        self.answer.wait(60)
        super()._add(kind, values, step)


def test_few_images_wait_for_a_server_that_does_not_answer(tmp_path: Path) -> None:
    logger = Silent()
    logger.answer = threading.Event()
    queue = queue_of(logger, tmp_path)
    for step in range(30):
        queue.put("epoch", {"epoch/loss": 1.0}, step)
        queue.put("images", {"validation/1": None}, step)
    logger.answer.set()
    queue.close("finished")
    kinds = [kind for kind, _ in MemoryLogger.calls]
    assert (kinds.count("values"), kinds.count("images")) == (30, 4)
    assert "cannot log to Memory: it does not keep up, and images are dropped" in queue.news()


def test_a_run_that_ends_before_its_logs_are_sent_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.training.logs.logger_queues._CLOSE_S", 0.01)
    logger = Silent()
    logger.answer = threading.Event()
    queue = queue_of(logger, tmp_path)
    queue.put("epoch", {"epoch/loss": 1.0}, 1)
    queue.close("finished")
    logger.answer.set()
    queue._thread.join(60)
    assert queue.news() == [
        "Memory: memory:id-1",
        "not everything of this run was logged to Memory, which did not answer in time",
    ]


def test_a_server_that_refuses_late_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Silent):
        def open(self, experiment: Experiment) -> OpenedExperiment:
            self.answer.wait(60)
            raise ConnectionError("no route to host")

    monkeypatch.setattr("detcli.training.logs.logger_queues._OPEN_S", 0.01)
    logger = Late()
    logger.answer = threading.Event()
    queue = queue_of(logger, tmp_path)
    assert queue.news() == ["cannot log to Memory: no answer for 0.01 s; the run starts, and its logs wait"]
    logger.answer.set()
    queue._thread.join(60)
    assert queue.news() == ["cannot log to Memory: no route to host; the run continues without it"]
    queue.close("finished")
    assert queue.news() == []


def test_images_are_logged_again_once_the_server_answers(tmp_path: Path) -> None:
    logger = Silent()
    logger.answer = threading.Event()
    logger.answer.set()
    queue = queue_of(logger, tmp_path)
    logged = threading.Semaphore(0)
    logger.add_images = lambda images, step: logged.release()
    for step in range(9):
        queue.put("images", {"validation/1": None}, step)
        assert logged.acquire(timeout=60)
    queue.close("finished")
    assert queue.news() == ["Memory: memory:id-1"]


class Unwritable(MemoryLogger):
    """Cannot write its file."""

    in_background = False

    def open(self, experiment: Experiment) -> OpenedExperiment:
        raise OutputError("cannot write 'run/log': no permission")


def test_open_experiments_are_closed_if_the_next_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOGGERS._entries, "memory", MemoryLogger)
    monkeypatch.setitem(LOGGERS._entries, "unwritable", Unwritable)
    MemoryLogger.calls.clear()
    with pytest.raises(OutputError, match="no permission"):
        ExperimentLogs(["memory", "unwritable"], RunFolder(tmp_path), Recipe(), steps=0, notify=lambda event: None)
    assert MemoryLogger.calls == [("open", None), ("close", "failed")]
