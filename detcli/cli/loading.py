"""The model loaded, as the flags of `detect` and `segment` ask."""

from detcli.cli.console import Console
from detcli.cli.plan import Plan
from detcli.cli.progress import DownloadProgress
from detcli.cli.wish import Wish
from detcli.inference.detector import Detector, load_detector
from detcli.inference.segmenting import Segmenting


def load(console: Console, wish: Wish, plan: Plan) -> Detector:
    """The detector; what it is goes to whoever asked with `--verbose`."""
    threshold = wish.threshold
    if threshold is None and plan.needs_all_scores:
        threshold = 0.0
        if plan.folders:
            console.warning("coco-results keeps every score, and so do the pictures drawn: --threshold sets a limit")
    progress = DownloadProgress(console)
    try:
        detector = load_detector(
            wish.model,
            revision=wish.revision,
            offline=wish.offline,
            cache_dir=wish.cache_dir,
            threshold=threshold,
            max_detections=wish.max_det,
            classes=wish.classes or (),
            device=wish.device,
            precision=wish.precision,
            compile=wish.compile,
            optimize=not wish.no_optimize,
            image_size_hw=wish.imgsz,
            deterministic=wish.deterministic,
            batch_size=wish.batch,
            pad=wish.pad,
            segmenting=_segmenting(wish),
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
        f"scores above {least_score(detector):g}"
    )
    return detector


def _segmenting(wish: Wish) -> Segmenting | None:
    """What segments are asked for; None for boxes. The model tells its classes, and which of them are stuff."""
    if wish.task is None:
        return None
    return Segmenting(
        wish.task,
        wish.rule,
        mask_threshold=wish.mask_threshold,
        overlap_threshold=wish.overlap_threshold,
        max_detections=wish.max_det,
    )


def least_score(detector: Detector) -> float:
    """What the scores of a run are above: boxes and segments have a limit each."""
    return detector.threshold if detector.segmenting is None else detector.segmenting.least_score
