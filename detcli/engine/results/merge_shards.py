"""Parts that say which shard of an input they are: whether they are all of it, each once."""

from collections.abc import Iterator, Sequence
from math import lcm

from detcli.engine.results.stored_run import StoredRun
from detcli.errors import InputError, UsageError
from detcli.shard import Shard

_MAX_SHARDS = 100_000  # whose completeness is checked before that of the images


def check_shards(runs: Sequence[StoredRun]) -> None:
    """Check that the shards of parts, where all of them have one, make up the input. Shards may be of different counts.

    Raises InputError for a shard that is missing, or in two parts.
    """
    shards = list(_shards(runs))
    count = lcm(*(shard.count for shard in shards))
    if len(shards) < len(runs) or count > _MAX_SHARDS:
        return
    owners: dict[int, StoredRun] = {}
    for run, shard in zip(runs, shards, strict=True):
        for position in range(shard.number - 1, count, shard.count):
            other = owners.setdefault(position, run)
            if other is not run:
                raise InputError(
                    f"cannot merge: '{other.path}' is the shard {other.arguments['shard']} of the input, and '{run.path}' is "
                    f"the shard {shard}: both have the same images; leave one of them out"
                )
    missing = next((position for position in range(count) if position not in owners), None)
    if missing is not None:
        raise InputError(
            f"cannot merge: no part is the shard {missing + 1}/{count} of the input; a part is missing "
            "(`renumber` merges without it)"
        )


def _shards(runs: Sequence[StoredRun]) -> Iterator[Shard]:
    """The shards of the parts that say a valid one."""
    for run in runs:
        try:
            yield Shard.of(run.arguments.get("shard"))
        except (TypeError, UsageError):
            continue
