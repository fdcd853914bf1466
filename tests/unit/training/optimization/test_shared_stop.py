"""A stop that is set in one process is seen by all, each of which asks the store now and then."""

import time

import pytest
from torch import distributed

from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.shared_stop import SharedStop


class _Lost(distributed.HashStore):
    """The store of a process that has ended."""

    def check(self, keys: list[str]) -> bool:
        raise RuntimeError("Connection reset by peer")


def test_a_stop_of_one_process_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    store, own = distributed.HashStore(), StopSignal()
    mine, theirs = SharedStop(own, store), SharedStop(StopSignal(), store)
    assert not mine.is_set()
    assert not theirs.is_set()
    own.set("SIGTERM")
    assert mine.is_set()
    assert not theirs.is_set(), "it has asked just now"
    clock[0] += 1
    assert theirs.is_set()
    assert (mine.signal, theirs.signal) == ("SIGTERM", "SIGTERM")


def test_a_lost_store_stops_nothing() -> None:
    own = StopSignal()
    stop = SharedStop(own, _Lost())
    assert not stop.is_set()
    own.set()
    assert stop.is_set()
    assert stop.signal == "SIGINT"
