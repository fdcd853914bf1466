"""Checks a dataset: from a request to a report of findings."""

from collections.abc import Iterator, Sequence

from detcli.argument_checks import check_instance
from detcli.engine.data.data_parts import wanted_parts
from detcli.engine.data.data_request import CheckRequest, DataObserver, requested_sizing
from detcli.errors import DataError, NoDataError
from detcli.inspection.box_findings import box_findings
from detcli.inspection.box_table import InputSizing, read_boxes
from detcli.inspection.class_findings import class_findings
from detcli.inspection.findings import DataPart, DataReport, Finding
from detcli.inspection.image_files import same_contents
from detcli.inspection.opening_findings import opening_findings
from detcli.inspection.shared_images import same_image_findings
from detcli.inspection.similar_images import similar_image_findings, unreadable_findings
from detcli.inspection.suspicious_boxes import suspicious_boxes
from detcli.inspection.thumbnails import read_thumbnails

_ORDER = ("error", "warning", "note")


def check_data(request: CheckRequest, *, observer: DataObserver | None = None) -> DataReport:
    """Open the parts of the data and check them. A part that cannot be used is an error of the report.

    Raises UsageError, NoDataError if there is no such data, and errors of the model if one is named.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    sizing = requested_sizing(request.model, request.image_size)
    parts, findings = _open(request, observer)
    if parts:
        findings += _findings(request, parts, sizing, observer)
    findings.sort(key=lambda finding: _ORDER.index(finding.level))
    return DataReport(tuple((part.name, part.dataset.report) for part in parts), tuple(findings))


def _open(request: CheckRequest, observer: DataObserver) -> tuple[list[DataPart], list[Finding]]:
    """The parts that can be used, and why others cannot."""
    parts, errors = [], []
    for wanted in wanted_parts(request.data):
        try:
            dataset = wanted.open()
        except DataError as error:
            if wanted.optional:
                observer.on_warning(f"the part '{wanted.name}' is left out: {error}")
                continue
            if isinstance(error, NoDataError):
                raise
            errors.append(Finding("unusable", "error", (wanted.name,), str(error), 1))
            continue
        observer.on_dataset(wanted.name, dataset.report)
        parts.append(DataPart(wanted.name, dataset))
    return parts, errors


def _findings(
    request: CheckRequest, parts: Sequence[DataPart], sizing: InputSizing, observer: DataObserver
) -> Iterator[Finding]:
    for part in parts:
        yield from opening_findings(part, images_are_read=request.decode != "none")
        table = read_boxes(part.dataset)
        yield from box_findings(part, table, sizing)
        yield from suspicious_boxes(part, table)
    yield from class_findings(parts)
    workers, total = request.data.workers, sum(len(part.dataset) for part in parts)
    same = same_contents(parts, workers=workers)
    yield from same_image_findings(parts, same)
    if request.decode == "none":
        return
    images = read_thumbnails(
        parts,
        full=request.decode == "full",
        workers=workers,
        on_progress=lambda done: observer.on_progress("reading images", done, total),
    )
    observer.on_progress("comparing images", total, total)
    yield from unreadable_findings(parts, images)
    yield from similar_image_findings(parts, images, same)
