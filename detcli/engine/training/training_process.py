"""The program of each further process of a training run: it trains along with the first, and ends with it."""

import os
import signal
import threading
from dataclasses import replace
from types import FrameType
from typing import BinaryIO

from detcli.engine.requests.training_request import TrainingPlan
from detcli.engine.training.process_messages import ReadyToTrain, TrainTogether
from detcli.engine.training.train import prepare_training
from detcli.errors import OutputError
from detcli.pipeline.devices.messages import Failed, receive, send
from detcli.pipeline.devices.worker_process import begin
from detcli.runtimes.process import tune_process
from detcli.structures.stop_signal import StopSignal


def main() -> None:
    """Train until the run ends; an error is sent, and ends this process."""
    given, requests, answers = begin()
    tune_process()
    job: TrainTogether | None = receive(requests)
    if job is None:  # the parent has ended
        return
    stop = _stop_on_signals()
    threading.Thread(target=_end_with_parent, args=(requests,), daemon=True).start()
    try:
        plan = plan_together(job, processors=len(given["processors"]))
        send(answers, ReadyToTrain())
        plan.run(place=job.place, stop=stop)
    except Exception as error:  # of any kind: the first process raises it
        send(answers, Failed.of(error))
    os._exit(0)  # threads may still read images


def plan_together(job: TrainTogether, *, processors: int) -> TrainingPlan:
    """The plan of this process, with the recipe of the first one. Raises what `prepare_training` raises, and OutputError.

    processors  that are for this process alone; 0: it shares them with the others
    """
    request = job.request
    if processors and request.workers is None:
        request = replace(request, workers=processors)  # the others' share is taken off already
    plan = prepare_training(request, is_first=False)
    if plan is None:
        raise OutputError(f"'{request.output}' was made by another run in the meantime")
    return replace(plan, recipe=job.recipe)


def _stop_on_signals() -> StopSignal:
    """A stop that SIGTERM and SIGHUP set, which a scheduler sends to every process of a run: all of them stop then."""
    stop = StopSignal()

    def ask(number: int, _: FrameType | None) -> None:
        stop.set(signal.Signals(number).name)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ask)
    return stop


def _end_with_parent(requests: BinaryIO) -> None:
    """End this process once its parent has ended, in whatever way, or closes the pipe."""
    requests.read()
    os._exit(0)


if __name__ == "__main__":
    main()
