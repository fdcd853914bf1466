"""Checks a dataset: from a request to a report of findings."""

from collections.abc import Iterator, Sequence

from detcli.argument_checks import check_instance
from detcli.engine.data.data_parts import open_parts
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.inspection.findings import DataPart, DataReport, Finding
from detcli.inspection.image_files import same_contents
from detcli.inspection.opening_findings import opening_findings
from detcli.inspection.shared_images import same_image_findings


def check_data(request: DataRequest, *, observer: DataObserver | None = None) -> DataReport:
    """Open the parts of the data and check them.

    Raises UsageError, NoDataError or DataError if the data cannot be opened.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    parts = open_parts(request, observer)
    findings = sorted(_findings(request, parts), key=lambda finding: finding.level != "warning")
    return DataReport(tuple((part.name, part.dataset.report) for part in parts), tuple(findings))


def _findings(request: DataRequest, parts: Sequence[DataPart]) -> Iterator[Finding]:
    for part in parts:
        yield from opening_findings(part)
    yield from same_image_findings(parts, same_contents(parts, workers=request.workers))
