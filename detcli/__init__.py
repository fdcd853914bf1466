"""detcli: every frame of a source goes through a detector to every sink.

The public face, lazy, so that importing the package costs nothing:

    from detcli import load_detector, open_source, SourceSettings

    detector = load_detector("dfine-s")
    frames = [read() for read in open_source(["street.jpg"], SourceSettings())]
    for frame, detections in zip(frames, detector(frames), strict=True):
        print(frame.origin.file, detections)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detcli.version import __version__

if TYPE_CHECKING:
    from detcli.errors import DetcliError
    from detcli.inference.detector import Detector
    from detcli.inference.load import load_detector
    from detcli.sources.source import SourceSettings, open_source
    from detcli.sources.video.video_source import VideoSettings, open_moving
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame

__all__ = [
    "DetcliError",
    "Detections",
    "Detector",
    "FailedFrame",
    "Frame",
    "SourceSettings",
    "VideoSettings",
    "__version__",
    "load_detector",
    "open_moving",
    "open_source",
]

_ROOMS = {
    "DetcliError": "detcli.errors",
    "Detections": "detcli.structures.detections",
    "Detector": "detcli.inference.detector",
    "Frame": "detcli.structures.frame",
    "VideoSettings": "detcli.sources.video.video_source",
    "SourceSettings": "detcli.sources.source",
    "FailedFrame": "detcli.structures.frame",
    "load_detector": "detcli.inference.load",
    "open_moving": "detcli.sources.video.video_source",
    "open_source": "detcli.sources.source",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'detcli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
