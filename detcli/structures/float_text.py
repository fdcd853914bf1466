"""Numbers with the fewest digits that read back as the same float32."""

from typing import Any

import numpy as np
import numpy.typing as npt


def shortest(numbers: npt.NDArray[Any]) -> list[float]:
    """Convert to Python floats with the fewest digits that still read back as the same float32."""
    return [float(text) for text in numbers.astype(np.float32).astype(str)]
