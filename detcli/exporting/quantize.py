"""Post-training quantization of a graph of OpenVINO to int8, with NNCF."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from detcli.errors import UnsupportedModelError, UsageError
from detcli.extras import install_command
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale
from detcli.runtimes.exported.graph_cut import decoding_nodes
from detcli.structures.frame import FailedFrame, Frame

if TYPE_CHECKING:
    import openvino

MAX_IMAGES = 300  # more images hardly change the ranges


def quantize(
    graph: "openvino.Model", facts: ExportedFacts, frames: Sequence[Frame | FailedFrame], *, limit: int = MAX_IMAGES
) -> "openvino.Model":
    """Return a graph whose backbone and encoder compute in int8; box decoding stays in float.

    graph   takes normalized pixels, as exported
    facts   its metadata: preprocessing and batch size
    frames  images like those that the model will see; failed ones are left out, and those after `limit`

    Raises UnsupportedModelError if the package nncf is missing or the graph cannot be quantized, and UsageError without images.
    """
    nncf = _nncf()
    readable = [frame for frame in frames if isinstance(frame, Frame)][:limit]
    if not readable:
        raise UsageError("`calibrate`: there is no readable image to calibrate with")
    inputs = list(_inputs(facts, readable))
    try:
        return nncf.quantize(
            graph,
            nncf.Dataset(inputs),
            preset=nncf.QuantizationPreset.MIXED,  # activations may be negative after SiLU
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=sorted(decoding_nodes(graph)), validate=False),
        )
    except (RuntimeError, nncf.errors.ValidationError) as error:
        lines = str(error).strip().splitlines()
        raise UnsupportedModelError(f"NNCF cannot quantize this network: {lines[0][:200] if lines else ''}") from error


def _inputs(facts: ExportedFacts, frames: Sequence[Frame]) -> Iterator[npt.NDArray[np.float32]]:
    """Normalized pixels [B, 3, H, W] of the images; the last batch of a fixed size is filled up."""
    preprocessor = ArrayPreprocessor(Preprocessing.from_json(facts.preprocessor, size_divisor=facts.size_divisor))
    scale = PixelScale(facts.preprocessor)
    size = facts.batch or 1
    for start in range(0, len(frames), size):
        batch = list(frames[start : start + size])
        batch += [batch[-1]] * (size - len(batch))
        yield scale(preprocessor.batch(batch).pixels)


def _nncf() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise UnsupportedModelError(f"int8 needs the package nncf: {install_command('int8')} ({error})") from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
