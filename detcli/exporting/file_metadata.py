"""Metadata of exported files beside detcli's own document: a few entries that other tools read."""

from detcli.runtimes.exported.exported_facts import ExportedFacts


def readable_entries(facts: ExportedFacts) -> dict[str, str]:
    """Class names by index, input size and batch size, under the names and in the form that ultralytics has them.

    Axes that are free are left out.
    """
    entries = {"names": str(dict(enumerate(facts.labels.names)))}
    if facts.size_hw is not None:
        entries["imgsz"] = str(list(facts.size_hw))
    if facts.batch is not None:
        entries["batch"] = str(facts.batch)
    return entries
