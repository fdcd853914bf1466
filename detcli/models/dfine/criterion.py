"""What D-FINE minimises in training."""

from detcli.models.dfine.config import DFineConfig
from detcli.models.family import Criterion


def criterion(config: DFineConfig) -> Criterion:
    """The losses of a configuration."""
    raise NotImplementedError
