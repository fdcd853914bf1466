"""Why a run of several processes ended: the reason of the process that ended first, not those of the others."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from detcli.engine.requests.training_request import TrainingPlan
from detcli.engine.training import training_processes
from detcli.engine.training.training_processes import TrainingProcesses
from detcli.errors import DataError, DeviceError, LostProcessError
from detcli.pipeline.devices.messages import Failed
from detcli.training.optimization.distributed import Processes

FOLLOWS = LostProcessError("another process of this run has ended or does not respond: Connection closed by peer")
CAUSE = DataError("none of the images can be read")
MEMORY = DeviceError("out of memory", out_of_memory=True)
LOST = "process 3 was lost: it was killed by SIGKILL; `resume` continues the run"


class Other:
    """Another process, as the first one sees it."""

    def __init__(self, number: int) -> None:
        self.label = f"process {number}"

    def wait(self) -> str:
        return "it was killed by SIGKILL"

    def end(self) -> None:
        """It has ended."""


def raised(error: BaseException, *messages: tuple[int, Any]) -> BaseException:
    """What a run of three processes raises for an error in the first one and messages of the others."""
    run = TrainingProcesses(cast("TrainingPlan", SimpleNamespace(devices=("cpu",) * 3)))
    others = {number: cast("Any", Other(number)) for number in (2, 3)}
    run._workers, run._threads = list(others.values()), 1
    for number, message in messages:
        run._events.put((others[number], message))
    try:
        run.__exit__(type(error), error, None)
    except Exception as reason:
        return reason
    return error


@pytest.mark.parametrize(
    "messages",
    [
        [(3, Failed(CAUSE))],
        [(2, Failed(FOLLOWS)), (2, None), (3, Failed(CAUSE)), (3, None)],
        [(3, Failed(CAUSE)), (2, Failed(FOLLOWS))],
    ],
)
def test_the_error_of_the_process_that_ended_first_is_raised(messages: list[tuple[int, Any]]) -> None:
    assert raised(FOLLOWS, *messages) is CAUSE


def test_a_process_that_was_killed_is_named() -> None:
    assert str(raised(FOLLOWS, (2, Failed(FOLLOWS)), (2, None), (3, None))) == LOST
    assert str(raised(FOLLOWS, (3, None))) == LOST


def test_memory_that_is_full_here_is_the_reason() -> None:
    assert raised(MEMORY, (2, Failed(FOLLOWS)), (3, Failed(FOLLOWS))) is MEMORY
    assert raised(FOLLOWS, (2, Failed(FOLLOWS)), (3, Failed(MEMORY))) is MEMORY


def test_without_a_reason_the_own_error_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert raised(FOLLOWS, (2, Failed(FOLLOWS)), (2, None), (3, Failed(FOLLOWS))) is FOLLOWS
    monkeypatch.setattr(training_processes, "_REPORT_S", 0.0)
    assert raised(FOLLOWS, (2, Failed(FOLLOWS))) is FOLLOWS


def test_the_error_of_a_lost_connection_is_known_as_one() -> None:
    with pytest.raises(LostProcessError, match="closed by peer"), Processes(0, 2).computing():
        raise RuntimeError("[pair.cc:1] Connection closed by peer [127.0.0.1]:1. Good luck")
