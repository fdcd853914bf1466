"""The model loaded, as the flags of `detect`, `segment` and `eval` ask."""

from collections.abc import Sequence

from detcli.cli.evaluate.evaluate_options import EvaluateRequest
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import DownloadProgressBar
from detcli.engine.outputs import OutputPlan
from detcli.engine.request import DetectRequest
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.process import keep_freed_memory
from detcli.runtimes.torch_runtime import choose_device, use_deterministic_kernels


def load(console: Console, wish: DetectRequest, plan: OutputPlan) -> Detector:
    """The detector of a run over images."""
    threshold = wish.threshold
    if threshold is None and plan.needs_all_scores:
        threshold = 0.0
        if plan.folders:
            console.warning("coco-results keeps every score, and so do the images drawn: --threshold sets a limit")
    return loaded(
        console, wish, wish.model, threshold=threshold, classes=wish.classes or (), segmenting=_segmenting(wish)
    )


def loaded(
    console: Console,
    wish: DetectRequest | EvaluateRequest,
    model: str,
    *,
    threshold: float | None,
    classes: Sequence[str] = (),
    segmenting: SegmentationSettings | None = None,
) -> Detector:
    """A model as the flags have it that all commands share; its notes are warnings, and what it is goes to `--verbose`."""
    keep_freed_memory()  # before the first large tensor
    if wish.deterministic:
        use_deterministic_kernels(choose_device(wish.device))
    progress = DownloadProgressBar(console)
    try:
        detector = load_detector(
            model,
            revision=wish.revision,
            offline=wish.offline,
            cache_dir=wish.cache_dir,
            threshold=threshold,
            max_detections=wish.max_det,
            classes=classes,
            device=wish.device,
            precision=wish.precision,
            compile=wish.compile,
            optimize=not wish.no_optimize,
            image_size=wish.imgsz,
            deterministic=wish.deterministic,
            batch_size=wish.batch,
            pad=wish.pad,
            segmentation=segmenting,
            progress=progress,
        )
    finally:
        progress.finish()
    for note in detector.notes:
        console.warning(note)
    files = detector.files
    console.note(f"model {files.name} from '{files.folder}'", commit=files.commit, sha256=files.sha256)
    console.note(
        f"{detector.device_name}, {detector.precision}, batches of {detector.batch_size}, "
        f"scores above {detector.threshold:g}"
    )
    return detector


def _segmenting(wish: DetectRequest) -> SegmentationSettings | None:
    """What segments are asked for; None for boxes. The model tells its classes, and which of them are stuff."""
    if wish.task is None:
        return None
    return SegmentationSettings(
        wish.task,
        wish.rule,
        mask_threshold=wish.mask_threshold,
        overlap_threshold=wish.overlap_threshold,
        max_detections=wish.max_det,
    )
