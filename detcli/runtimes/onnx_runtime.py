"""ONNX Runtime runs an exported network on the CPU; it needs no torch."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.errors import DeviceError
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale, to_outputs
from detcli.runtimes.exported.onnx_files import check_signature, open_session
from detcli.runtimes.runtime import SynchronousRuntime

_NO_MEMORY = ("allocate memory", "bad allocation", "bad_alloc")


class OnnxRuntime(SynchronousRuntime[ArrayBatch, ArrayOutputs]):
    """An ONNX file that detcli exported.

    path   of the file
    facts  its metadata

    Raises ModelError for a file that is damaged, or whose inputs and outputs are not those of its metadata.
    """

    name = "onnx"
    device_name = "cpu"

    def __init__(self, path: Path, facts: ExportedFacts) -> None:
        self.precision = facts.precision
        self.fixed_batch = facts.batch
        self._facts = facts
        self._session = open_session(path)
        check_signature(self._session, facts, path)
        self._scale = PixelScale(facts.preprocessor)

    def __call__(self, batch: ArrayBatch) -> ArrayOutputs:
        """Run the network."""
        pixels = self._scale(batch.pixels)
        return to_outputs(self._run(pixels), self._facts, (pixels.shape[2], pixels.shape[3]))

    def _run(self, pixels: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        try:
            outputs: list[npt.NDArray[Any]] = self._session.run(list(self._facts.output_names), {"pixels": pixels})
        except MemoryError as error:
            raise DeviceError("out of memory on the CPU", out_of_memory=True) from error
        except Exception as error:  # its exceptions have no common class but Exception
            message = " ".join(str(error).split())[:300]
            out_of_memory = any(sign in message.lower() for sign in _NO_MEMORY)
            batch, _, height, width = pixels.shape
            size = f"{batch} x {height} x {width}"
            raise DeviceError(
                f"ONNX Runtime failed for images of {size}: {message}", out_of_memory=out_of_memory
            ) from error
        return outputs
