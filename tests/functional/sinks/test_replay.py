"""A run that was interrupted and resumed writes the same bytes as one that was not, wherever it was cut."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detcli.io.journal import Journal
from detcli.io.results.formats import writable_formats
from detcli.sinks.sink import Sink, SinkSettings, sink_class
from detcli.structures.json_records import Result, from_record

NAMES_OF = {"results": writable_formats(boxes=True), "segments": writable_formats(masks=True)}


def sinks_in(folder: Path, settings: SinkSettings, kind: str = "results") -> list[Sink]:
    return [sink_class(name)(folder / f"{name}.json", settings) for name in NAMES_OF[kind]]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(sinks: list[Sink], results: list[Result]) -> None:
    for result in results:
        for sink in sinks:
            sink.write(*result)
    for sink in sinks:
        sink.flush()


def close(sinks: list[Sink], *, complete: bool) -> None:
    for sink in sinks:
        sink.close(complete=complete)


@pytest.mark.parametrize("ending", ["interrupted", "killed"])
@pytest.mark.parametrize("done", [1, 4, 13])
@pytest.mark.parametrize("kind", ["results", "segments"])
def test_a_resumed_run_is_the_same_to_the_byte(
    tmp_path: Path, settings: SinkSettings, request: pytest.FixtureRequest, done: int, ending: str, kind: str
) -> None:
    labels, results = settings.info.labels, request.getfixturevalue(kind)
    whole = sinks_in(tmp_path / "whole", settings, kind)
    write(whole, results)
    close(whole, complete=True)

    again, path = tmp_path / "again", tmp_path / "again" / "journal"
    journal = Journal.open(path, {}, labels=labels)
    sinks = [*sinks_in(again, settings, kind), journal]
    write(sinks, results[:done])
    if ending == "interrupted":
        close(sinks, complete=False)
    else:
        for sink in sinks:
            sink.abort()

    journal = Journal.open(path, {}, labels=labels, resume=True)
    assert journal.done == done
    sinks = sinks_in(again, settings, kind)
    write(sinks, [from_record(record, relative=relative, stem=stem) for record, relative, stem in journal.replay()])
    sinks = [*sinks, journal]
    write(sinks, results[done:])
    close(sinks, complete=True)
    assert tree(again) == tree(tmp_path / "whole")


def test_a_journal_keeps_numbers_exactly(
    tmp_path: Path, settings: SinkSettings, many: Callable[[int], Iterator[Result]]
) -> None:
    journal = Journal.open(tmp_path / "journal", {}, labels=settings.info.labels)
    direct = sink_class("csv")(tmp_path / "direct", settings)
    for result in many(1500):
        journal.write(*result)
        direct.write(*result)
    close([journal, direct], complete=False)
    journal = Journal.open(tmp_path / "journal", {}, labels=settings.info.labels, resume=True)
    replayed = sink_class("csv")(tmp_path / "replayed", settings)
    for record, relative, stem in journal.replay():
        replayed.write(*from_record(record, relative=relative, stem=stem))
    close([journal, replayed], complete=True)
    assert (tmp_path / "replayed").read_bytes() == (tmp_path / "direct").read_bytes()
