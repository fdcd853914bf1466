"""What the process of a run and the processes of its devices send each other, and how.

A message is pickled. Large arrays, which are pixels, follow it as they are, so that they are not copied into it.
"""

import pickle
import struct
import traceback
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from detcli.inference.batches.batching import BatchSettings
from detcli.inference.images.tiling.tile_settings import TileSettings
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_HEADER: Final = struct.Struct("<IQ")  # how many arrays follow, and how long the pickled message is
_LENGTH: Final = struct.Struct("<Q")
_LARGE: Final = 1 << 16  # bytes of an array that follows its message

Result = tuple[Frame | FailedFrame, Detections | FailedFrame]


@dataclass(frozen=True, slots=True)
class LoadModel:
    """To a process: load a model, then report `ModelLoaded`.

    model            as `load_detector` takes it
    settings         its other arguments by name
    decoders         threads that read images
    bytes_in_flight  most bytes of decoded images
    """

    model: str
    settings: dict[str, Any]
    decoders: int
    bytes_in_flight: int


@dataclass(frozen=True, slots=True)
class Images:
    """To a process: detect in these images, and report `Results`.

    items        pickled `SourceItem`s, in the order of the results
    keep_pixels  results have the pixels of their images
    is_last      nothing follows that a batch could wait for
    """

    items: tuple[bytes, ...]
    keep_pixels: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """What is known of the runtime of a process; see `Runtime`."""

    name: str
    device_name: str
    precision: str
    batches_in_flight: int
    fixed_batch: int | None


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """From a process: the model is loaded; what is known of the detector. The names are those of its attributes."""

    model: ModelInfo
    runtime: RuntimeFacts
    preprocessing: Preprocessing
    selection: Selection
    batches: BatchSettings
    batch_size: int
    segmentation: SegmentationSettings | None
    tiles: TileSettings | None


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """From a process, while it loads a model: a method of the listener to call, with its arguments."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """From a process: the next results, in the order of its images.

    results  detections are without labels, and frames without pixels where they were not asked for
    seconds  durations of the batches that ended
    remarks  sentences of the runtime so far, for the end of the run
    """

    results: tuple[Result, ...]
    seconds: tuple[float, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """From a process: a Python warning."""

    message: str
    category: type[Warning]
    filename: str
    line: int


@dataclass(frozen=True, slots=True)
class Failed:
    """From a process, as its last message: the error that ended it; its traceback is a note of it."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> "Failed":
        """The message of an error, which is sent as its text where it cannot be pickled."""
        error.add_note("".join(traceback.format_exception(error)))
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - what this process wrote
            return cls(error)
        except Exception:  # of any kind: classes of libraries are not made for it
            return cls(RuntimeError(f"{type(error).__name__}: {error}"))


def send(stream: BinaryIO, message: object) -> None:
    """Write one message. Raises BrokenPipeError or OSError where the other process is gone."""
    arrays: list[memoryview] = []

    def follows(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _LARGE:
            return True  # in the message
        arrays.append(view)
        return False

    data = pickle.dumps(message, 5, buffer_callback=follows)
    lengths = b"".join(_LENGTH.pack(view.nbytes) for view in arrays)
    stream.write(_HEADER.pack(len(arrays), len(data)) + lengths + data)
    for view in arrays:
        stream.write(view)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message; None where the other process is gone, also in the middle of a message."""
    try:
        count, length = _HEADER.unpack(_read(stream, _HEADER.size))
        lengths = [_LENGTH.unpack(_read(stream, _LENGTH.size))[0] for _ in range(count)]
        data = _read(stream, length)
        arrays = [_read(stream, nbytes) for nbytes in lengths]
    except (EOFError, OSError, ValueError):  # ValueError: it was closed here
        return None
    return pickle.loads(data, buffers=arrays)  # noqa: S301 - of a process that this one started, or that started it


def _read(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return data
