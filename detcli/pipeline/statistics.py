"""What a run counts, when it gives up, and how it is asked to end."""

import signal
import threading
from dataclasses import dataclass

from detcli.errors import TooManyFailuresError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_SIGNALLED = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@dataclass(slots=True)
class RunStats:
    """The counts of a run; `exit_code` is what they mean.

    images     processed, whether or not anything was found
    failed       not read, or not answered by the device; each is named in the results
    boxes        found
    interrupted  name of the signal that ended the run, or None
    """

    images: int = 0
    failed: int = 0
    boxes: int = 0
    interrupted: str | None = None

    def add(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count one result."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            self.failed += 1
        else:
            self.images += 1
            self.boxes += len(detections)

    @property
    def exit_code(self) -> int:
        """0 all processed, 3 some failed, 4 nothing processed, or 128 + the signal's number."""
        if self.interrupted is not None:
            return _SIGNALLED[self.interrupted]
        if self.images == 0:
            return 4
        return 3 if self.failed else 0


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """When failed images end the run.

    strict        at the first
    max_failures  at the first beyond so many; None: never
    """

    strict: bool = False
    max_failures: int | None = None

    def check(self, tally: RunStats) -> None:
        """Raise TooManyFailuresError where the tally is beyond the limit."""
        if self.strict and tally.failed:
            raise TooManyFailuresError("--strict: the first failure ended the run")
        if self.max_failures is not None and tally.failed > self.max_failures:
            raise TooManyFailuresError(
                f"--max-failures {self.max_failures}: {tally.failed} {'input' if tally.failed == 1 else 'inputs'} failed"
            )


class StopSignal:
    """Asks a run to end after the batch in hand; may be set by a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: str | None = None

    def set(self, signal_name: str = "SIGINT") -> None:
        """Ask to end, as that signal would."""
        self.signal = self.signal or signal.Signals[signal_name].name
        self._event.set()

    def is_set(self) -> bool:
        """Whether the run was asked to end."""
        return self._event.is_set()
