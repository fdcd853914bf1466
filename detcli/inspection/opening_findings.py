"""Findings of the opening of a dataset: entries that were dropped, clipped or skipped."""

from collections.abc import Iterator

from detcli.inspection.findings import DataPart, Finding

_ADVICE = "correct or remove these entries of the annotations"


def opening_findings(part: DataPart, *, images_are_read: bool) -> Iterator[Finding]:
    """What the opening of a dataset found and tolerated, without what other checks tell in more detail.

    images_are_read  all images are read later, and those that cannot be read are told then
    """
    for issue in part.dataset.report.details:
        if issue.about == "classes" or (issue.about == "images" and images_are_read):
            continue
        yield Finding(
            "annotations",
            "note" if issue.harmless else "warning",
            (part.name,),
            issue.message,
            issue.count or 1,
            advice="" if issue.harmless else _ADVICE,
        )
