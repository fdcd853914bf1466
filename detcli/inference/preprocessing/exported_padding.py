"""Which padding an exported network can have: it takes pixels before normalization, and no mask."""

from detcli.errors import UnsupportedModelError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize


def check_padding(preprocessing: Preprocessing) -> None:
    """Check that padding with black pixels is the padding of the model. Raises UnsupportedModelError."""
    size, sizing = preprocessing.pad_size_hw, preprocessing.sizing
    if size is None or (isinstance(sizing, FixedSize) and sizing.size_hw == size):
        return
    if preprocessing.has_mask:
        reason = "and marks the padding for the network"
    elif preprocessing.mean is not None:
        reason = "with zeros after normalization"
    else:
        return
    raise UnsupportedModelError(
        f"the model pads every image to {size[0]} x {size[1]} {reason}, which an exported network cannot have: "
        "run its checkpoint with torch"
    )
