"""Calls that run in threads of their own, a limited number at once: connections that wait, while processors work."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BackgroundCalls:
    """Runs calls in the order in which they were submitted, at most `most` at once.

    Threads start with the calls and end when none is left. They are daemons: a call that hangs never holds the process.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._changing = threading.Lock()

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Run a call; returns its future."""
        future: Future[T] = Future()
        with self._changing:
            self._waiting.append((future, call))
            if self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name="connection", daemon=True).start()
        return future

    def __reduce__(self) -> tuple[type["BackgroundCalls"], tuple[int]]:
        """In another process, which reads the same addresses, calls have threads of their own."""
        return BackgroundCalls, (self._most,)

    def _run(self) -> None:
        while True:
            with self._changing:
                if not self._waiting:
                    self._threads -= 1
                    return
                future, call = self._waiting.popleft()
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)


class AheadCall(Generic[T]):
    """A call whose result is needed once, later: `start` lets it run meanwhile."""

    def __init__(self, call: Callable[[], T], calls: BackgroundCalls) -> None:
        self._call, self._calls = call, calls
        self._future: Future[T] | None = None

    def start(self) -> None:
        """Run it in the background; once."""
        if self._future is None:
            self._future = self._calls.submit(self._call)

    def __call__(self) -> T:
        """The result, or the exception of the call; runs it here if it was not started."""
        future, self._future = self._future, None
        return self._call() if future is None else future.result()
