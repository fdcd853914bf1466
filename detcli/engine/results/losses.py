"""What results lose in a format that cannot hold it, in one sentence for each output."""

from collections.abc import Iterator, Sequence

from detcli.engine.outputs.output_plan import ResultTarget
from detcli.engine.results.stored_run import StoredRun
from detcli.io.results.formats import CONTENTS


def losses(runs: Sequence[StoredRun], targets: Sequence[ResultTarget], *, no_scores: bool = False) -> Iterator[str]:
    """What the results have and the outputs cannot hold."""
    for target in targets:
        record = target.record
        if record is None:
            continue
        sources = {run.record.name for run in runs}
        lost = [
            what
            for name, what in CONTENTS.items()
            if name in record.loses and any(name not in run.record.loses and run.contents.has(name) for run in runs)
        ]
        if no_scores and "no_scores" in record.options:
            lost.append("scores")
        if lost and sources != {record.name}:
            yield f"{record.title} does not hold {_listed(lost)}: '{target.name}' is without"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
