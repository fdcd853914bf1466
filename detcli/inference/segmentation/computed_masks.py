"""Which masks the network of one or several detectors computes: those that any of them keeps."""

from torch import nn

from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.family import SegmentationNetwork


class ComputedMasks:
    """Configures a network for settings, of which more may be added; a network without masks is left alone.

    segmentation  None: no masks are computed
    """

    def __init__(self, network: nn.Module, segmentation: SegmentationSettings | None) -> None:
        self._network = network if isinstance(network, SegmentationNetwork) else None
        self._threshold: float | None = None
        if self._network is not None:
            self._network.configure_masks(enabled=False)
        if segmentation is not None:
            self.include(segmentation)

    def include(self, segmentation: SegmentationSettings) -> None:
        """Compute the masks of these settings, too; the segments of all earlier ones stay the same."""
        # Semantic segmentation combines the masks of all queries.
        needed = 0.0 if segmentation.task == "semantic" else segmentation.least_threshold
        if self._network is not None and (self._threshold is None or needed < self._threshold):
            self._network.configure_masks(enabled=True, score_threshold=needed)
            self._threshold = needed
