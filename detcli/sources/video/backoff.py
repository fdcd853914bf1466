"""How a lost stream is taken up again: attempts further and further apart, at once when its server is back."""

import socket
import threading
import time
from dataclasses import dataclass

_LOOK_EVERY_S = 2.0
_KNOCK_S = 1.0


class BackoffClock:
    """The time of the world, and waiting in it."""

    def now(self) -> float:
        """Seconds; only differences mean something."""
        return time.monotonic()

    def wait(self, closed: threading.Event, seconds: float) -> None:
        """Wait so long, or until it is closed."""
        closed.wait(seconds)


@dataclass(slots=True)
class BackOff:
    """Pauses between attempts: each twice as long as the one before.

    first_s    the shortest
    longest_s  the longest
    held_s     a stream that came for so long is no trouble any more: pauses begin again
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    held_s: float = 3.0
    _next_s: float | None = None

    def pause_s(self) -> float:
        """Before the next attempt."""
        pause = self.first_s if self._next_s is None else self._next_s
        self._next_s = min(2 * pause, self.longest_s)
        return pause

    def came(self, seconds: float) -> None:
        """The stream was there for so long."""
        if seconds >= self.held_s:
            self._next_s = None


def wait_for_server(
    server: tuple[str, int] | None, seconds: float, clock: BackoffClock, closed: threading.Event
) -> None:
    """Wait so long, or until a server that did not take connections takes them again: that is asked every two seconds.

    The pauses are there to spare a server that answers; one that is not there is spared by nobody's waiting.
    """
    end = clock.now() + seconds
    was_there = seconds <= _LOOK_EVERY_S or server is None or _answers(server)
    while (left := end - clock.now()) > 0 and not closed.is_set():
        clock.wait(closed, min(left, _LOOK_EVERY_S) if not was_there else left)
        if not was_there and server is not None and not closed.is_set() and _answers(server):
            return


def _answers(server: tuple[str, int]) -> bool:
    try:
        socket.create_connection(server, timeout=_KNOCK_S).close()
    except OSError:
        return False
    return True
