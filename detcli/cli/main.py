"""The command group, and the only place where an error becomes a message and an exit code.

The table of commands holds their help texts, so that `detcli --help` imports no command.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from detcli.cli.faults import fault_of
from detcli.cli.framework.command import Entry, Group, UsageExample
from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.hints import hints_for
from detcli.cli.framework.options.option import Option
from detcli.errors import DetcliError, OutputError
from detcli.version import __version__

COMMANDS = {
    "detect": Entry("detcli.cli.detect.detect:detect", "Detect objects in images.", "Detect"),
    "video": Entry("detcli.cli.detect.video.video:video", "Detect objects in videos, cameras and streams.", "Detect"),
    "segment": Entry("detcli.cli.detect.segment:segment", "Segment images (panoptic, instance or semantic).", "Detect"),
    "convert": Entry("detcli.cli.results.convert:convert", "Convert results to another format.", "Results"),
    "merge": Entry(
        "detcli.cli.results.merge:merge", "Merge the results of several runs into those of one run.", "Results"
    ),
    "filter": Entry(
        "detcli.cli.results.filter:filter_command", "Keep only some detections or images of results.", "Results"
    ),
    "count": Entry(
        "detcli.cli.results.count:count",
        "Count objects in results, and those that cross lines or visit zones.",
        "Results",
    ),
    "draw": Entry("detcli.cli.results.draw:draw", "Draw results on their images.", "Results"),
    "report": Entry("detcli.cli.results.report:report", "Show results in an HTML gallery.", "Results"),
    "train": Entry("detcli.cli.train.train:train", "Fine-tune a model on annotated images.", "Train"),
    "data": Entry("detcli.cli.data.data:data", "Look at a dataset before training.", "Train"),
    "eval": Entry(
        "detcli.cli.evaluate.evaluate:evaluate", "Evaluate results or a model against ground truth.", "Evaluation"
    ),
    "bench": Entry("detcli.cli.benchmark.bench:bench", "Measure how fast models are on this machine.", "Evaluation"),
    "export": Entry("detcli.cli.export.export:export", "Export a model as an ONNX or OpenVINO file.", "Models"),
    "download": Entry("detcli.cli.models.download:download", "Download models for offline use.", "Models"),
    "models": Entry("detcli.cli.models.models:models", "Manage local models.", "Models"),
    "demo": Entry("detcli.cli.setup.demo:demo", "Run an offline demo on synthetic images.", "Setup"),
    "doctor": Entry("detcli.cli.setup.doctor:doctor", "Check the installation and the environment.", "Setup"),
    "config": Entry("detcli.cli.config.config:config", "Show settings and where they come from.", "Setup"),
    "completion": Entry("detcli.cli.setup.completion:completion", "Print the completion script for a shell.", "Setup"),
    "help": Entry("detcli.cli.setup.help:show_help", "Show the help of a command.", "Setup"),
    "version": Entry("detcli.cli.setup.version:version", "Show the version.", "Setup"),
}
ALIASES = {"predict": "detect"}

BROKEN_PIPE = 141


class Interrupted(BaseException):
    """A signal arrived while no run was in progress that could finish its batch first."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


class Program(Group):
    """The command group that turns every exception into one line on standard error and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command in `args`, and exit."""
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
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                console.bug(error)
                return 1
            _trace(console, error)
            return _detcli_error(console, fault)


@click.command(
    cls=Program,
    table=COMMANDS,
    aliases=ALIASES,
    no_args_is_help=True,
    examples=[
        UsageExample("detect objects in one image, print a table", "detcli detect street.jpg"),
        UsageExample(
            "a folder, results as COCO, with annotated images", "detcli detect images/ -o out.json --save-images drawn/"
        ),
        UsageExample("only two classes, with a larger model", "detcli detect images/ -m dfine-x --classes person,dog"),
        UsageExample("an annotated video that plays in a browser", "detcli video in.mp4 --save-video out.mp4"),
        UsageExample("panoptic segmentation of one image", "detcli segment street.jpg --save-images drawn/"),
        UsageExample("offline demo", "detcli demo"),
        UsageExample("check the installation", "detcli doctor"),
        UsageExample("what the exit codes mean", "detcli help exit-codes"),
    ],
)
@click.option(
    "-V",
    "--version",
    cls=Option,
    section=GLOBAL_OPTIONS,
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, is_set: _show_version(ctx) if is_set else None,
    help="Show the version.",
)
def cli() -> None:
    """Object detection on the command line.

    Reads images, videos, cameras and streams; writes COCO, JSON Lines, CSV, YOLO and annotated images and videos.
    """


def main() -> NoReturn:
    """Run the `detcli` command."""
    _raise_on_signals()
    try:
        cli.main()
    except SystemExit as end:
        # After an interrupted run, a thread may still decode an image in C++ code; a normal interpreter exit would
        # abort in that case. All output is written and flushed, so exit immediately.
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
    where = error.ctx.command_path if error.ctx else "detcli"
    kind = "commands" if error.ctx and isinstance(error.ctx.command, click.Group) else "options"
    console.error(message[:1].lower() + message[1:], exit_code=2, hint=f"'{where} --help' lists all {kind}")
    return 2


def _detcli_error(console: Console, error: DetcliError) -> int:
    _trace(console, error)
    console.error(str(error), exit_code=error.exit_code, hint=hints_for(error, console.command))
    return error.exit_code


def _trace(console: Console, error: BaseException) -> None:
    if console.debug:
        console.trace(error)


def _flushed(console: Console, code: int) -> int:
    """Flush standard output while an error can still be reported; return the exit code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        code = BROKEN_PIPE
    except OSError as error:
        code = _detcli_error(console, OutputError(f"cannot write to standard output: {error.strerror}"))
    except ValueError:  # closed by the command
        return code
    _discard_standard_output()
    return code


def _discard_standard_output() -> None:
    """Redirect standard output to the null device, so that the flush at interpreter exit cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)


def _raise_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise, as Ctrl-C does, so that temporary files are removed; ignored signals stay ignored."""

    def unwind(number: int, _: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, unwind)


if __name__ == "__main__":
    main()
