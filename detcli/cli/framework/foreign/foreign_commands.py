"""Names of commands that other programs have, and what detcli has instead."""

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from detcli.io.images.formats import IMAGE_SUFFIXES

_EVAL = "'detcli eval' evaluates results or a model"
_DETECT = "'detcli detect' detects objects in images"
_TRAIN = "'detcli train' trains a model"
_BENCHMARK = "'detcli bench' measures speed, latency and memory"
_LIST = "'detcli models list' shows all models"

PROGRAMS = ("yolo", "ultralytics", "yolov5", "yolov8", "rfdetr")

# Word -> what to use instead.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "track": "'detcli video SOURCES --track' tracks objects",
        "stream": "'detcli video' reads streams",
        "webcam": "'detcli video cam0' reads the first camera",
        "camera": "'detcli video cam0' reads the first camera",
        **dict.fromkeys(("infer", "inference", "run", "image", "images", "detection", "annotate", "label"), _DETECT),
        **dict.fromkeys(("val", "validate", "validation", "test", "evaluate", "metrics", "map"), _EVAL),
        **dict.fromkeys(PROGRAMS, _DETECT),
        **dict.fromkeys(("fit", "finetune", "fine-tune", "tune", "learn"), _TRAIN),
        **dict.fromkeys(("seg", "segmentation", "panoptic", "mask", "masks"), "'detcli segment' segments images"),
        **dict.fromkeys(("benchmark", "profile", "speed"), _BENCHMARK),
        "list": _LIST,
        "ls": _LIST,
        "info": "'detcli models info NAME' describes a model",
        "pull": "'detcli download NAME' downloads a model",
        "get": "'detcli download NAME' downloads a model",
        "remove": "'detcli models remove NAME' deletes a downloaded model",
        "verify": "'detcli models verify' checks downloaded models",
        "checks": "'detcli doctor' checks the installation",
        "check": "'detcli doctor' checks the installation",
        "env": "'detcli doctor' checks the installation",
        "settings": "'detcli config show' prints all settings",
        "cfg": "'detcli config show' prints all settings",
        **dict.fromkeys(("dataset", "datasets"), "'detcli data check DATA' checks a dataset"),
        "classify": "there is no image classification",
        "pose": "there is no pose estimation",
        "obb": "there are no oriented boxes",
    }
)
MODES = ("predict", "track", "train", "val", "validate", "test", "export", "benchmark")
TASKS = ("detect", "segment", "classify", "pose", "obb")

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m3u8")
_IMAGE_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)


def command_of_inputs(words: Sequence[str]) -> str | None:
    """The command that was left out before a file, folder, address or camera; None if the word is none of them."""
    word = words[0].lower()
    if word.startswith(("rtsp://", "rtmp://", "udp://", "rtp://", "/dev/video")) or word.endswith(VIDEO_SUFFIXES):
        return "video"
    if "://" in word or word.endswith(_IMAGE_SUFFIXES) or os.path.lexists(words[0]):
        return "detect"
    return None
