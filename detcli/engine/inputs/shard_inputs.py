"""What a run over a shard of the input has to say: that it is empty, or that it fills batches badly."""

import math
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.pipeline.statistics import RunStats

if TYPE_CHECKING:
    from detcli.inference.detector import Detector


def is_empty_shard(request: RunRequest, stats: RunStats) -> bool:
    """Whether the input is shared out among shards, and nothing of it is in the one of this run."""
    if not isinstance(request, ImageRequest | VideoRequest) or request.input.shard is None:
        return False
    return stats.images + stats.failed == 0 and stats.interrupted is None


def warn_of_partial_batches(request: RunRequest, detector: "Detector", observer: Observer) -> None:
    """Warn where the images of a shard, each at its position in a deterministic batch, leave positions empty."""
    shard = request.input.shard if isinstance(request, ImageRequest) else None
    if shard is None or not detector.deterministic or detector.tiles is not None:
        return
    size = detector.batch_size
    common = math.gcd(size, shard.count)
    if common > 1:
        observer.on_warning(
            f"`deterministic` fixes the position of an image in its batch: {shard.count} shards fill {size // common} of "
            f"{size} positions; a number of shards that has no common divisor with the batch size is faster"
        )
