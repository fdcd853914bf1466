"""How long torch's threads spin between two pieces of work; it has to be said before torch is loaded."""

import os

_FEW = 4  # processors: more of them have room for what runs beside the network
# Some hundredths of a millisecond: what OpenMP takes by itself where it has more threads than processors.
_SPINS = "1000"


def spin_briefly() -> None:
    """Let threads that wait for each other sleep soon, where processors are few and others need them.

    Decoding, drawing and encoding run beside the network. While one of them, or another program, holds a processor that
    torch reckons with, GNU OpenMP's other threads spin for milliseconds at each step, and nobody has the time: on two
    cores with something else to do, frames a second fall to a third or less.

    What the user has set in the environment stays. Of no effect once torch is loaded, and with other OpenMPs.
    """
    is_set = any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"))
    if not is_set and (os.cpu_count() or 1) <= _FEW:
        os.environ["GOMP_SPINCOUNT"] = _SPINS
