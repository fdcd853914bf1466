"""Calls a logger: in the training loop, or in a thread of its own where it may wait for a network."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Full, Queue
from typing import Any, Literal, Protocol

from detcli.training.logs.logger import Ending, Experiment, ExperimentLogger
from detcli.training.logs.saved_experiments import SavedExperiments

Kind = Literal["steps", "epoch", "images", "summary"]

_OPEN_S, _CLOSE_S = 20.0, 30.0  # how long the run waits for a logger at its start and at its end
_MAX_WAITING = 200  # entries; later ones are dropped while a server does not answer
_MAX_IMAGES = 4  # of these entries, which take megabytes each


class LoggerQueue(Protocol):
    """Takes the entries of a logger. `news` are sentences for the user, each once."""

    def put(self, kind: Kind, values: Mapping[str, Any], step: int) -> None:
        """Log an entry, now or later; one that the experiment has already is skipped. Raises nothing."""

    def news(self) -> list[str]:
        """Sentences since the last call."""

    def close(self, ending: Ending) -> None:
        """End the experiment. Raises nothing."""


class DirectQueue:
    """Calls a logger at once; its first error ends it. Raises OutputError if it cannot be opened."""

    def __init__(self, name: str, logger: ExperimentLogger, experiment: Experiment, saved: SavedExperiments) -> None:
        self._name, self._logger, self._saved = name, logger, saved
        self._news: list[str] = []
        self._is_open = True
        saved.forget_after(name, experiment.steps)  # these are dropped by readers
        logger.open(experiment)

    def put(self, kind: Kind, values: Mapping[str, Any], step: int) -> None:
        """Log an entry."""
        if not self._is_open or self._saved.has(self._name, kind, step):
            return
        try:
            _method(self._logger, kind)(values, step)
            self._saved.add(self._name, kind, step)
        except (Exception, SystemExit) as error:  # of another package, which can raise anything
            self._news.append(f"no more logs for {self._logger.title}: {_reason(error)}")
            self.close("failed")

    def news(self) -> list[str]:
        """Sentences since the last call."""
        news, self._news = self._news, []
        return news

    def close(self, ending: Ending) -> None:
        """Close the logger; safe twice."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._logger.close(ending)
        except (Exception, SystemExit) as error:  # of another package, which can raise anything
            self._news.append(f"cannot end the logs for {self._logger.title}: {_reason(error)}")


class BackgroundQueue:
    """Calls a logger in a thread; entries that fail are dropped, with one sentence, and later ones are tried again."""

    def __init__(self, name: str, logger: ExperimentLogger, experiment: Experiment, saved: SavedExperiments) -> None:
        self._name, self._logger, self._experiment, self._saved = name, logger, experiment, saved
        self._news: Queue[str] = Queue()
        self._waiting: Queue[tuple[Kind, Mapping[str, Any], int] | None] = Queue(_MAX_WAITING)
        self._room_for_images = threading.Semaphore(_MAX_IMAGES)
        self._ending: Ending = "failed"
        self._has_failed = False
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"detcli-{name}", daemon=True)
        self._thread.start()
        if not self._opened.wait(_OPEN_S):
            self._fail(f"no answer for {_OPEN_S:g} s; the run starts, and its logs wait")

    def put(self, kind: Kind, values: Mapping[str, Any], step: int) -> None:
        """Log an entry later; it is dropped if too many wait, so that the training never does."""
        if not self._thread.is_alive():
            return
        if kind == "images" and not self._room_for_images.acquire(blocking=False):
            self._fail("it does not keep up, and images are dropped")
            return
        try:
            self._waiting.put_nowait((kind, values, step))
        except Full:
            self._fail("it does not keep up, and entries are dropped")
            if kind == "images":
                self._room_for_images.release()

    def news(self) -> list[str]:
        """Sentences since the last call."""
        return [self._news.get_nowait() for _ in range(self._news.qsize())]

    def close(self, ending: Ending) -> None:
        """End the experiment; waits up to 30 seconds for entries that are not logged yet, if it was ever open."""
        self._ending, deadline = ending, time.monotonic() + _CLOSE_S
        with suppress(Full):
            self._waiting.put(None, timeout=_CLOSE_S)
            self._thread.join(max(0.0, deadline - time.monotonic()) if self._opened.is_set() else 0)
        if self._thread.is_alive():
            missing = "not everything" if self._opened.is_set() else "nothing"
            self._news.put(f"{missing} of this run was logged to {self._logger.title}, which did not answer in time")

    def _work(self) -> None:
        try:
            opened = self._logger.open(self._experiment)
            if opened.id is not None:
                self._saved.set_id(self._name, opened.id)
            if opened.where:
                self._news.put(f"{self._logger.title}: {opened.where}")
        except BaseException as error:  # SystemExit too, with which some packages give up
            self._say(f"{_reason(error)}; the run continues without it")
            self._close()
            return
        finally:
            self._opened.set()
        while (entry := self._waiting.get()) is not None:
            self._log(*entry)
        self._close()

    def _log(self, kind: Kind, values: Mapping[str, Any], step: int) -> None:
        try:
            if not self._saved.has(self._name, kind, step):
                _method(self._logger, kind)(values, step)
                self._saved.add(self._name, kind, step)
        except (Exception, SystemExit) as error:  # of another package, which can raise anything
            self._fail(_reason(error))
        finally:
            if kind == "images":
                self._room_for_images.release()

    def _close(self) -> None:
        try:
            self._logger.close(self._ending)
        except (Exception, SystemExit) as error:  # of another package, which can raise anything
            self._fail(_reason(error))

    def _fail(self, reason: str) -> None:
        """Say the first failure."""
        if not self._has_failed:
            self._say(reason)

    def _say(self, reason: str) -> None:
        self._has_failed = True
        self._news.put(f"cannot log to {self._logger.title}: {reason}")


def _method(logger: ExperimentLogger, kind: Kind) -> Callable[[Mapping[str, Any], int], None]:
    if kind == "images":
        return logger.add_images
    return logger.add_summary if kind == "summary" else logger.add_values


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "") or type(error).__name__
    return str(text)[:300].rstrip(".")
