"""The program of each further process of a training run: it trains along with the first, and ends with it."""

import os
import threading
from typing import BinaryIO

from detcli.engine.training.process_messages import ReadyToTrain, TrainTogether
from detcli.engine.training.train import prepare_training
from detcli.errors import OutputError
from detcli.pipeline.devices.messages import Failed, receive, send
from detcli.pipeline.devices.worker_process import begin
from detcli.runtimes.process import tune_process


def main() -> None:
    """Train until the run ends; an error is sent, and ends this process."""
    _, requests, answers = begin()
    tune_process()
    job: TrainTogether = receive(requests)
    threading.Thread(target=_end_with_parent, args=(requests,), daemon=True).start()
    try:
        plan = prepare_training(job.request)
        if plan is None:
            raise OutputError(f"'{job.request.output}' was made by another run in the meantime")
        send(answers, ReadyToTrain())
        plan.run(place=job.place)
    except Exception as error:  # of any kind: the first process raises it
        send(answers, Failed.of(error))
    os._exit(0)  # threads may still read images


def _end_with_parent(requests: BinaryIO) -> None:
    """End this process once its parent has ended, in whatever way, or closes the pipe."""
    requests.read()
    os._exit(0)


if __name__ == "__main__":
    main()
