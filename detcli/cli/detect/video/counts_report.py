"""What was counted, as the last lines of a run."""

from collections.abc import Sequence

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration
from detcli.counting.run_counter import CountTotals

_MOST = 20  # lines and zones that are named


def show_counts(console: Console, totals: Sequence[CountTotals]) -> None:
    """Show a line for each line and zone; with several sources, the name of the source first."""
    several = len({one.file for one in totals}) > 1
    for one in totals[:_MOST]:
        source = f"'{one.file}', " if several else ""
        console.say(f"{source}{one.kind} '{one.name}': {_in_words(one)}", **_facts(one))
    if len(totals) > _MOST:
        console.say(f"and {len(totals) - _MOST} more lines and zones: --counts FILE has all")


def _in_words(one: CountTotals) -> str:
    if one.kind == "line":
        return f"{one.into:,} in, {one.out:,} out"
    most = f"at most {one.maximum:,} at a time"
    if not one.tracks:
        return most
    over = one.left + one.ended
    stay = f", {duration(one.dwell_s / over)} on average" if over else ""
    return f"{counted(one.entered, 'visit')}{stay}, {most}"


def _facts(one: CountTotals) -> dict[str, object]:
    facts: dict[str, object] = {"file": one.file, one.kind: one.name}
    if one.kind == "line":
        return facts | {"in": one.into, "out": one.out}
    facts |= {"maximum": one.maximum}
    if not one.tracks:
        return facts
    return facts | {"entered": one.entered, "left": one.left, "ended": one.ended, "dwell_s": round(one.dwell_s, 3)}
