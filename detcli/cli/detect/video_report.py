"""What a run over videos says of its sources: what they are, why they cannot be read, what of them was nothing."""

import sys

from detcli.cli.detect.dry_run import machine_of, say_machine, say_outputs
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted, duration
from detcli.engine.outputs import OutputPlan
from detcli.engine.request import VideoRequest
from detcli.errors import SourceError
from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.video_source import VideoInfo


def open_all(console: Console, source: Multiplexer) -> None:
    """Open the sources; where none of several can be, each is named before the error is raised."""
    try:
        source.open()
    except SourceError:
        if len(source.parts) > 1:
            _tell_failures(console, source)
        raise


def tell(console: Console, wish: VideoRequest, source: Multiplexer) -> None:
    """What the sources say of themselves, for `--verbose`."""
    for part in source.parts:
        if (facts := source.known(part.place)) is not None:
            console.note(f"'{part.file}': {_in_words(facts, wish, live=part.source.live)}")


def dry_run(console: Console, wish: VideoRequest, plan: OutputPlan, source: Multiplexer) -> int:
    """Name the sources on standard output, and say what would be done; no network is run and nothing is written."""
    machine = machine_of(wish)
    output = open_output(sys.stdout.buffer, in_place=True)
    for part in source.parts:
        output.write(to_bytes(escape(part.file) if is_terminal(sys.stdout) else part.file) + b"\n")
    output.commit()
    for part in source.parts:
        if (facts := source.known(part.place)) is not None:
            console.say(f"would look at '{part.file}': {_in_words(facts, wish, live=part.source.live)}")
    _tell_failures(console, source)
    say_machine(console, machine)
    say_outputs(console, wish, plan)
    return 0


def warn_of_nothing(console: Console, wish: VideoRequest, source: Multiplexer) -> None:
    """Say which sources were over before a frame of them was looked at."""
    for part in source.parts:
        if source.last_index(part.place) == -1:
            facts = source.known(part.place)
            long = f" is {duration(facts.duration_s)} long and" if facts is not None and facts.duration_s else ""
            start = f" after --start {wish.start:g}" if wish.start else ""
            console.warning(f"'{part.file}'{long} has no frame to look at{start}")


def _tell_failures(console: Console, source: Multiplexer) -> None:
    for part in source.parts:
        if (error := source.error(part.place)) is not None:
            console.failure(part.file, error.code, str(error))


def _in_words(facts: VideoInfo, wish: VideoRequest, *, live: bool) -> str:
    parts = []
    if facts.size_hw is not None:
        parts.append(f"{facts.size_hw[1]} x {facts.size_hw[0]}")
    if facts.rate is not None:
        parts.append(f"{facts.rate:.4g} frames a second")
    if facts.frames is not None:
        parts.append(counted(facts.frames, "frame"))
    if facts.duration_s is not None:
        parts.append(duration(facts.duration_s))
    if facts.sound:
        parts.append("sound")
    parts.append("live" if live else "every frame" if wish.stride == 1 and wish.fps is None else "not live")
    return ", ".join(parts)
