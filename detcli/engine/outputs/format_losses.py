"""What outputs cannot hold of the results of a run, in one sentence for each output."""

from collections.abc import Callable, Collection, Iterator, Sequence

from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.requests.run_request import OutputSettings
from detcli.io.results.formats import CONTENTS

_TABLE_LOSES = frozenset({"uncertainty"})  # of what a user asks for
_VARIANTS = {"no_scores": " without scores", "rows": " with rows of boxes"}  # of formats, by option


def losses(targets: Sequence[ResultTarget], output: OutputSettings, is_there: Callable[[str], bool]) -> Iterator[str]:
    """A sentence for each output that cannot hold everything.

    is_there  whether the results have what a name in CONTENTS means
    """
    for target in targets:
        title, names = _title(target, output), _lost(target, output)
        lost = [what for name, what in CONTENTS.items() if name in names and is_there(name)]
        if lost:
            yield f"{title} does not hold {_listed(lost)}: '{target.name}' is without"


def losses_of_run(
    targets: Sequence[ResultTarget], output: OutputSettings, *, tracks: bool, uncertainty: bool
) -> Iterator[str]:
    """The same of a run that was asked for tracks or deviations; what every run has is in the documentation of each format."""
    asked: Collection[str] = [name for name, is_asked in (("tracks", tracks), ("uncertainty", uncertainty)) if is_asked]
    yield from losses(targets, output, asked.__contains__)


def _title(target: ResultTarget, output: OutputSettings) -> str:
    if target.record is None:
        return "the table"
    variants = [_VARIANTS[name] for name in _options(output) if name in target.record.loses_with]
    return target.record.title + "".join(variants)


def _lost(target: ResultTarget, output: OutputSettings) -> frozenset[str]:
    return _TABLE_LOSES if target.record is None else target.record.lost(_options(output))


def _options(output: OutputSettings) -> list[str]:
    """The options that are set by which formats hold less."""
    is_set = {"no_scores": output.no_scores, "rows": output.rows == "boxes"}
    return [name for name, value in is_set.items() if value]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
