"""The processors of a worker: those of one machine share its processors without overlap."""

import os
import socket

_SLOTS = 1024  # most workers of one machine


class WorkerProcessors:
    """Some processors of this machine, taken by this process until it ends.

    count  how many
    run    a name of the run: workers of other runs are not considered

    On Linux, the process runs on processors that no other worker of the run has, so that the networks of several workers, which
    use all processors they see, do not disturb each other. Elsewhere, and where there are too few, nothing is changed.
    """

    def __init__(self, count: int, run: str) -> None:
        self.taken: tuple[int, ...] = ()
        if not hasattr(os, "sched_setaffinity") or not hasattr(socket, "AF_UNIX"):
            return
        available = sorted(os.sched_getaffinity(0))
        for slot in range(min(_SLOTS, len(available) // count)):
            self._mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._mark.bind(
                    f"\0detcli-{run}-{slot}"
                )  # a name without a file, which is free again when the process ends
            except OSError:
                self._mark.close()
                continue
            self.taken = tuple(available[slot * count : (slot + 1) * count])
            os.sched_setaffinity(0, self.taken)
            return


def threads_of_one() -> int:
    """The number of threads that a network on the CPU has in this process."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
