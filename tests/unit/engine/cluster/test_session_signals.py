"""Signals while Ray starts: they wait until it has started, and then end the run as ever."""

import signal
import threading

import pytest

from detcli.engine.cluster.session_signals import held_signals, later_signals


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    reached: list[bool] = []

    def hold() -> None:
        with held_signals():
            signal.raise_signal(signal.SIGINT)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        hold()
    assert reached == [True]


def test_handlers_are_restored_after_others_replaced_them() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with later_signals():
        own = signal.getsignal(signal.SIGTERM)
        with held_signals():
            signal.signal(signal.SIGTERM, lambda *_: None)
        assert signal.getsignal(signal.SIGTERM) == own
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_sigterm_becomes_an_exception_with_its_exit_code() -> None:
    with later_signals() as check:
        check()
        with held_signals():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as raised:
            check()
    assert raised.value.code == 143


def test_a_handler_of_the_program_is_called_later() -> None:
    called: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: called.append(number))
    try:
        with later_signals() as check:
            signal.raise_signal(signal.SIGTERM)
            assert called == []
            check()
            check()
        assert called == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_leave_signals_alone() -> None:
    done: list[bool] = []

    def use() -> None:
        with later_signals(), held_signals():
            done.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert done == [True]
