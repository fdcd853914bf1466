"""Findings of the opening of a dataset: entries that were dropped, clipped or skipped."""

from collections.abc import Iterator

from detcli.inspection.findings import DataPart, Finding

_ADVICE = "correct or remove these entries of the annotations"


def opening_findings(part: DataPart) -> Iterator[Finding]:
    """What the opening of a dataset found and tolerated."""
    for issue in part.dataset.report.details:
        if issue.about == "classes":  # see class_findings
            continue
        yield Finding(
            "annotations",
            "note" if issue.harmless else "warning",
            (part.name,),
            issue.message,
            issue.count or 1,
            advice="" if issue.harmless else _ADVICE,
        )
