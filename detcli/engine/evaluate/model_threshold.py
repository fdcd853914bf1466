"""Writes the best score threshold of an evaluation into a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from detcli.checkpoints.model_files import CONFIG, is_exported, is_original
from detcli.errors import DataError, OutputError, UsageError
from detcli.structures.class_labels import plain_name

if TYPE_CHECKING:
    from detcli.checkpoints.score_threshold import StoredThreshold
    from detcli.evaluation.report import EvaluationReport
    from detcli.structures.class_labels import ClassLabels

_COPY = "copy its files into a folder of your own, and name that folder"


def folder_to_set(model: str) -> Path:
    """The folder of a model whose threshold can be written, checked before the evaluation.

    Raises UsageError for a model of the Hub or bundled with detcli, and for an exported or original file, ModelError for
    a folder that is no model, and OutputError for one that cannot be written.
    """
    from detcli.checkpoints.hub.locate_model import bundled_model, locate, repository_of
    from detcli.io.atomic_write import AtomicFile

    if repository_of(model) is not None:
        raise UsageError(
            f"`set_threshold`: '{model}' is a model of the Hub, whose downloaded files are verified and stay as they are; "
            f"{_COPY}"
        )
    if bundled_model(model) is not None:
        raise UsageError(f"`set_threshold`: '{model}' is bundled with detcli and stays as it is; {_COPY}")
    if is_exported(model):
        raise UsageError(
            f"`set_threshold`: '{model}' is an exported file, whose threshold is fixed; set that of its checkpoint, and "
            "export it again"
        )
    files = locate(model)
    weights = files.folder / files.weights
    if is_original(weights) and not files.is_pickled:
        raise UsageError(
            f"`set_threshold`: '{model}' has no {CONFIG}; 'detcli models convert {model} -o FOLDER' makes a model folder"
        )
    config = files.folder / CONFIG
    if config.is_symlink():
        raise UsageError(f"`set_threshold`: '{config}' is a link into another folder, such as the Hub's cache; {_COPY}")
    try:
        AtomicFile(config).discard()
    except OutputError as error:
        raise OutputError(f"{error}: the threshold of '{model}' cannot be set; {_COPY}") from error
    return files.folder


def set_model_threshold(folder: Path, report: "EvaluationReport") -> "StoredThreshold":
    """Write the thresholds of a report into a model folder; classes that the model does not have are left out.

    Raises DataError if no detection matches or the model has none of the evaluated classes, DamagedModelError and
    OutputError.
    """
    from detcli.checkpoints.score_threshold import StoredThreshold, write_score_threshold
    from detcli.evaluation.analysis.stored_threshold import stored_threshold

    details = report.details
    found = (
        None if details is None else stored_threshold(details.thresholds, report.metrics.classes, _data_name(report))
    )
    if found is None:
        in_range = details is None or details.thresholds.curve.in_range
        reason = "no detection matches the ground truth" if in_range else "scores of the results are not from 0 to 1"
        raise DataError(f"the threshold of '{folder}' is not set: {reason}")
    own = {plain_name(name): name for name in _labels(folder).names}
    known = {own[plain_name(name)]: value for name, value in found.classes.items() if plain_name(name) in own}
    evaluated = {plain_name(each.name) for each in report.metrics.classes if each.ground_truth}
    if not evaluated & own.keys():
        raise DataError(f"the threshold of '{folder}' is not set: it has none of the classes that were evaluated")
    threshold = StoredThreshold(found.value, found.source, known)
    write_score_threshold(folder, threshold)
    return threshold


def _data_name(report: "EvaluationReport") -> str:
    """The name of the ground truth or the dataset, without its folders."""
    name = str(report.settings.get("gt") or report.settings.get("data") or "")
    return Path(name).name or name


def _labels(folder: Path) -> "ClassLabels":
    from detcli.checkpoints.model_files import ModelFiles
    from detcli.engine.model_files.local_checkpoints import describe_files

    return describe_files(ModelFiles.in_folder(str(folder), folder)).labels
