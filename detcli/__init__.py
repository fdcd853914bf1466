"""detcli: detect, segment and track objects; train and evaluate models.

The public functions and classes; importing the package imports none of them:

    import detcli

    model = detcli.load_detector("dfine-s", threshold=0.5)
    result = model("street.jpg")
    for detection in result:
        print(detection.label, detection.score, detection.xyxy)
    result[result.scores > 0.7].plot().save("out.jpg")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detcli.version import __version__

if TYPE_CHECKING:
    from detcli.api.benchmark import benchmark
    from detcli.api.count_results import count_results
    from detcli.api.data import check_dataset, dataset_statistics
    from detcli.api.detect import detect
    from detcli.api.evaluate import evaluate
    from detcli.api.export_model import export_model
    from detcli.api.open_source import open_source, open_video
    from detcli.api.results import (
        convert_results,
        draw_results,
        filter_results,
        merge_results,
        report_results,
    )
    from detcli.api.segment import segment
    from detcli.api.track_video import track_video
    from detcli.api.train import find_lr, show_batch, train
    from detcli.api.write_data import convert_dataset, split_dataset, view_dataset
    from detcli.counting.frame_counts import CountEvent, FrameCounts, LineCount, ZoneCount
    from detcli.counting.run_counter import CountTotals
    from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult
    from detcli.engine.benchmark.run_benchmark import BenchmarkObserver
    from detcli.engine.data.convert_request import ConvertedPart, ConvertReport
    from detcli.engine.data.data_request import DataObserver
    from detcli.engine.data.split_request import SplitPart, SplitReport
    from detcli.engine.observer import Observer
    from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationResult
    from detcli.engine.requests.export_request import ExportObserver, ExportResult
    from detcli.engine.requests.training_request import TrainingObserver
    from detcli.errors import (
        AccessError,
        DamagedModelError,
        DataError,
        DetcliError,
        DeviceError,
        DivergedError,
        GateError,
        HubError,
        ImageError,
        InputError,
        LibraryError,
        LostProcessError,
        ModelError,
        NoDataError,
        NotCachedError,
        OutputError,
        SourceError,
        StoreError,
        StreamAccessError,
        TooManyFailuresError,
        UnknownClassError,
        UnknownModelError,
        UnsupportedModelError,
        UsageError,
    )
    from detcli.inference.detection_result import DetectionResult
    from detcli.inference.detector import Detector
    from detcli.inference.load import load_detector
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
    from detcli.inspection.dataset_statistics import DataStatistics
    from detcli.inspection.findings import DataReport, Finding
    from detcli.pipeline.statistics import RunStats
    from detcli.sources.frames import ImageFrames, VideoFrames
    from detcli.structures.class_labels import ClassLabels
    from detcli.structures.detections import Detection, Detections
    from detcli.structures.frame import FailedFrame, Frame
    from detcli.structures.stop_signal import StopSignal
    from detcli.training.training_job import TrainingResult
    from detcli.training.trials.batch_preview import BatchPreview
    from detcli.training.trials.rate_search import RateSearch

__all__ = [
    "AccessError",
    "BatchPreview",
    "BenchmarkObserver",
    "BenchmarkReport",
    "CaseResult",
    "ClassLabels",
    "ConvertReport",
    "ConvertedPart",
    "CountEvent",
    "CountTotals",
    "DamagedModelError",
    "DataError",
    "DataObserver",
    "DataReport",
    "DataStatistics",
    "DetcliError",
    "Detection",
    "DetectionResult",
    "Detections",
    "Detector",
    "DeviceError",
    "DivergedError",
    "EvaluationObserver",
    "EvaluationResult",
    "ExportObserver",
    "ExportResult",
    "FailedFrame",
    "Finding",
    "Frame",
    "FrameCounts",
    "GateError",
    "HubError",
    "ImageError",
    "ImageFrames",
    "InputError",
    "LibraryError",
    "LineCount",
    "LostProcessError",
    "ModelError",
    "NoDataError",
    "NotCachedError",
    "Observer",
    "OutputError",
    "RateSearch",
    "RunStats",
    "SegmentationSettings",
    "SourceError",
    "SplitPart",
    "SplitReport",
    "StopSignal",
    "StoreError",
    "StreamAccessError",
    "TooManyFailuresError",
    "TrainingObserver",
    "TrainingResult",
    "UnknownClassError",
    "UnknownModelError",
    "UnsupportedModelError",
    "UsageError",
    "VideoFrames",
    "ZoneCount",
    "__version__",
    "benchmark",
    "check_dataset",
    "convert_dataset",
    "convert_results",
    "count_results",
    "dataset_statistics",
    "detect",
    "draw_results",
    "evaluate",
    "export_model",
    "filter_results",
    "find_lr",
    "load_detector",
    "merge_results",
    "open_source",
    "open_video",
    "report_results",
    "segment",
    "show_batch",
    "split_dataset",
    "track_video",
    "train",
    "view_dataset",
]

# Public name -> module that defines it.
_MODULES = {
    "AccessError": "detcli.errors",
    "BatchPreview": "detcli.training.trials.batch_preview",
    "BenchmarkObserver": "detcli.engine.benchmark.run_benchmark",
    "BenchmarkReport": "detcli.engine.benchmark.benchmark_report",
    "CaseResult": "detcli.engine.benchmark.benchmark_report",
    "ClassLabels": "detcli.structures.class_labels",
    "ConvertReport": "detcli.engine.data.convert_request",
    "ConvertedPart": "detcli.engine.data.convert_request",
    "CountEvent": "detcli.counting.frame_counts",
    "CountTotals": "detcli.counting.run_counter",
    "DamagedModelError": "detcli.errors",
    "DataError": "detcli.errors",
    "DataObserver": "detcli.engine.data.data_request",
    "DataReport": "detcli.inspection.findings",
    "DataStatistics": "detcli.inspection.dataset_statistics",
    "DetcliError": "detcli.errors",
    "Detection": "detcli.structures.detections",
    "DetectionResult": "detcli.inference.detection_result",
    "Detections": "detcli.structures.detections",
    "Detector": "detcli.inference.detector",
    "DeviceError": "detcli.errors",
    "DivergedError": "detcli.errors",
    "EvaluationObserver": "detcli.engine.requests.evaluation_request",
    "EvaluationResult": "detcli.engine.requests.evaluation_request",
    "ExportObserver": "detcli.engine.requests.export_request",
    "ExportResult": "detcli.engine.requests.export_request",
    "FailedFrame": "detcli.structures.frame",
    "Finding": "detcli.inspection.findings",
    "Frame": "detcli.structures.frame",
    "FrameCounts": "detcli.counting.frame_counts",
    "GateError": "detcli.errors",
    "HubError": "detcli.errors",
    "ImageError": "detcli.errors",
    "ImageFrames": "detcli.sources.frames",
    "InputError": "detcli.errors",
    "LibraryError": "detcli.errors",
    "LineCount": "detcli.counting.frame_counts",
    "LostProcessError": "detcli.errors",
    "ModelError": "detcli.errors",
    "NoDataError": "detcli.errors",
    "NotCachedError": "detcli.errors",
    "Observer": "detcli.engine.observer",
    "OutputError": "detcli.errors",
    "RateSearch": "detcli.training.trials.rate_search",
    "RunStats": "detcli.pipeline.statistics",
    "SegmentationSettings": "detcli.inference.segmentation.segmentation_settings",
    "SourceError": "detcli.errors",
    "SplitPart": "detcli.engine.data.split_request",
    "SplitReport": "detcli.engine.data.split_request",
    "StoreError": "detcli.errors",
    "StreamAccessError": "detcli.errors",
    "StopSignal": "detcli.structures.stop_signal",
    "TooManyFailuresError": "detcli.errors",
    "TrainingObserver": "detcli.engine.requests.training_request",
    "TrainingResult": "detcli.training.training_job",
    "UnknownClassError": "detcli.errors",
    "UnknownModelError": "detcli.errors",
    "UnsupportedModelError": "detcli.errors",
    "UsageError": "detcli.errors",
    "VideoFrames": "detcli.sources.frames",
    "ZoneCount": "detcli.counting.frame_counts",
    "benchmark": "detcli.api.benchmark",
    "check_dataset": "detcli.api.data",
    "convert_dataset": "detcli.api.write_data",
    "convert_results": "detcli.api.results",
    "count_results": "detcli.api.count_results",
    "dataset_statistics": "detcli.api.data",
    "detect": "detcli.api.detect",
    "draw_results": "detcli.api.results",
    "evaluate": "detcli.api.evaluate",
    "export_model": "detcli.api.export_model",
    "filter_results": "detcli.api.results",
    "find_lr": "detcli.api.train",
    "merge_results": "detcli.api.results",
    "load_detector": "detcli.inference.load",
    "open_source": "detcli.api.open_source",
    "open_video": "detcli.api.open_source",
    "report_results": "detcli.api.results",
    "segment": "detcli.api.segment",
    "split_dataset": "detcli.api.write_data",
    "show_batch": "detcli.api.train",
    "track_video": "detcli.api.track_video",
    "train": "detcli.api.train",
    "view_dataset": "detcli.api.write_data",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'detcli' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
