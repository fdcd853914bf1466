"""The command group, and the border where an error becomes a message and an exit code: here and nowhere else.

The table below names every command with its help, so that the overview imports none of them.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from detcli.cli.framework.command import Entry, Group, Option, UsageExample
from detcli.cli.framework.console import Console
from detcli.errors import DetcliError, DeviceError, OutputError
from detcli.version import __version__

COMMANDS = {
    "detect": Entry("detcli.cli.detect.detect:detect", "Find objects in images.", "Detect"),
    "video": Entry("detcli.cli.detect.video.video:video", "Find objects in videos, cameras and streams.", "Detect"),
    "segment": Entry(
        "detcli.cli.detect.segment:segment", "Segment images: panoptic, instance or semantic masks.", "Detect"
    ),
    "train": Entry("detcli.cli.train.train:train", "Fine-tune a model on annotated images.", "Train"),
    "eval": Entry(
        "detcli.cli.evaluate.evaluate:evaluate", "Evaluate results or a model against the ground truth.", "Judge"
    ),
    "download": Entry(
        "detcli.cli.models.download:download", "Fetch models now, for later use without a network.", "Models"
    ),
    "models": Entry("detcli.cli.models.models:models", "Look after the models on this machine.", "Models"),
    "demo": Entry(
        "detcli.cli.setup.demo:demo", "Draw a few images, find what is in them, and show the results.", "Set-up"
    ),
    "doctor": Entry("detcli.cli.setup.doctor:doctor", "Look at what this machine can do, and what to mend.", "Set-up"),
    "completion": Entry("detcli.cli.setup.completion:completion", "Print the completion script of a shell.", "Set-up"),
}
ALIASES = {"predict": "detect"}

OUT_OF_MEMORY = DeviceError.exit_code
BROKEN_PIPE = 141
# What file systems refuse of a named file: not a bug, wherever it comes up.
_REFUSED = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.ESTALE)


class Interrupted(BaseException):
    """A signal asked detcli to end where nothing was running yet that could be finished first."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


class Program(Group):
    """The group with the border around it: whatever a command raises ends as one line and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command that the arguments name, and exit."""
        console = Console()
        words = list(sys.argv[1:] if args is None else args)
        code = self._exit_code(console, words, obj=console, **extra)
        sys.exit(_flushed(console, code))

    def _exit_code(self, console: Console, words: list[str], **extra: Any) -> int:
        try:
            with self.make_context("detcli", words, auto_envvar_prefix="DETCLI", **extra) as ctx:
                code = self.invoke(ctx)
                return code if isinstance(code, int) else 0
        except click.exceptions.Exit as error:
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            return 130
        except Interrupted as error:
            return error.exit_code
        except click.UsageError as error:
            return _usage_error(console, error)
        except click.ClickException as error:
            console.error(error.format_message(), exit_code=error.exit_code)
            return error.exit_code
        except BrokenPipeError:
            return BROKEN_PIPE
        except DetcliError as error:
            return _detcli_error(console, error)
        except MemoryError as error:
            _trace(console, error)
            console.error("out of memory", exit_code=OUT_OF_MEMORY, hint="a smaller --batch needs less")
            return OUT_OF_MEMORY
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                return _detcli_error(console, OutputError(f"cannot write: {os.strerror(error.errno)}"))
            if error.errno in _REFUSED and error.filename is not None:
                name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
                return _detcli_error(console, OutputError(f"cannot use '{name}': {error.strerror}"))
            console.bug(error)
            return 1
        except Exception as error:
            console.bug(error)
            return 1


@click.command(
    cls=Program,
    table=COMMANDS,
    aliases=ALIASES,
    no_args_is_help=True,
    examples=[
        UsageExample("boxes in one image, as a table", "detcli detect street.jpg"),
        UsageExample(
            "a folder into COCO, with images to look at", "detcli detect images/ -o out.json --save-images drawn/"
        ),
        UsageExample(
            "only people and dogs, with a larger model", "detcli detect images/ -m dfine-x --classes person,dog"
        ),
        UsageExample("a video, drawn so that a browser plays it", "detcli video in.mp4 --save-video out.mp4"),
        UsageExample("what every pixel of an image belongs to", "detcli segment street.jpg --save-images drawn/"),
        UsageExample("see it work, without a network", "detcli demo"),
        UsageExample("what this machine can do", "detcli doctor"),
    ],
)
@click.option(
    "--version",
    cls=Option,
    section="Screen",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _show_version(ctx) if wanted else None,
    help="Show the version.",
)
def cli() -> None:
    """Object detection on the command line.

    Every frame of a source goes through a detector to every sink.
    """


def main() -> NoReturn:
    """The `detcli` command."""
    _unwind_when_asked_to_end()
    try:
        cli.main()
    except SystemExit as end:
        # A thread that still reads an image for a run that was interrupted would be torn out of C++ code by the
        # interpreter's own end, which then aborts. Everything is written and flushed: leave at once.
        if any(thread.daemon for thread in threading.enumerate()):
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


def _show_version(ctx: click.Context) -> NoReturn:
    click.echo(f"detcli {__version__}")
    ctx.exit()


def _usage_error(console: Console, error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx else error.message, err=True)
        return 2
    message = " ".join(error.format_message().split()).removesuffix(".")
    if isinstance(error, click.NoSuchOption):
        meant = " or ".join(f"'{name}'" for name in error.possibilities or ())
        message = f"there is no option '{error.option_name}'" + (f": did you mean {meant}?" if meant else "")
    where = error.ctx.command_path if error.ctx else "detcli"
    console.error(message[:1].lower() + message[1:], exit_code=2, hint=f"'{where} --help' shows what can be given")
    return 2


def _detcli_error(console: Console, error: DetcliError) -> int:
    _trace(console, error)
    console.error(str(error), exit_code=error.exit_code)
    return error.exit_code


def _trace(console: Console, error: BaseException) -> None:
    if console.debug:
        console.trace(error)


def _flushed(console: Console, code: int) -> int:
    """Empty standard output's buffer while somebody can still be told that it failed; returns the exit code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        code = BROKEN_PIPE
    except OSError as error:
        code = _detcli_error(console, OutputError(f"cannot write to standard output: {error.strerror}"))
    except ValueError:  # closed by whoever wrote to it
        return code
    _forget_standard_output()
    return code


def _forget_standard_output() -> None:
    """Point standard output nowhere, so that the interpreter's own flush at exit says nothing."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _unwind_when_asked_to_end() -> None:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does, so that nothing half-made is left; ignored ones stay ignored."""

    def unwind(number: int, _: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, unwind)


if __name__ == "__main__":
    main()
