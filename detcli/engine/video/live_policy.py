"""How a run keeps close to its sources: batch size and frames in flight, decided once, before the run."""

from collections.abc import Sequence
from dataclasses import dataclass

_BYTES_WAITING = 1 << 29  # of decoded video frames between source and sinks


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """What a run over videos does for low latency and bounded memory.

    live              some source is live: late frames are dropped by the sources, and the latency is measured
    batch_size        of the detector
    frames_in_flight  most frames between source and sinks; None: as many as keep the device busy
    """

    live: bool
    batch_size: int
    frames_in_flight: int | None

    @classmethod
    def of(
        cls,
        *,
        live: bool,
        source_count: int,
        sizes_hw: Sequence[tuple[int, int]],
        batch_size: int,
        batch_size_is_given: bool,
    ) -> "LivePolicy":
        """The policy for these sources.

        source_count         number of sources
        sizes_hw             sizes of the frames, where they are known
        batch_size           of the detector as it was loaded
        batch_size_is_given  the user chose it
        """
        if live:
            # A larger batch would only hold back the first frame of it.
            fitted = batch_size if batch_size_is_given else min(batch_size, source_count)
            return cls(True, fitted, 2 * source_count)  # one frame in the network, one that waits for it
        if not sizes_hw:
            return cls(False, batch_size, None)
        largest = max(height * width * 3 for height, width in sizes_hw)
        return cls(False, batch_size, max(2 * batch_size, _BYTES_WAITING // largest))
