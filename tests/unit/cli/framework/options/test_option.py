"""An option: its names on the help page, its late help, and its environment variable."""

import click
import pytest

from detcli.cli.framework.options.option import Option

CONTEXT = click.Context(click.Command("detect"), info_name="detect", auto_envvar_prefix="DETCLI_DETECT")


def test_aliases_are_accepted_but_not_on_the_help_page() -> None:
    option = Option(
        ["-t", "--threshold", "--conf"], aliases=["--conf"], metavar="SCORE", standard="0.4", help="Scores."
    )
    assert option.get_help_record(CONTEXT) == ("-t, --threshold SCORE", "Scores. [default: 0.4]")
    assert "--conf" in option.opts


def test_late_help_is_computed_when_the_page_is_shown() -> None:
    formats = ["coco"]
    option = Option(["--format"], metavar="NAME", late_help=lambda: f"One of {', '.join(formats)}.")
    formats.append("of a plug-in")
    assert option.get_help_record(CONTEXT) == ("    --format NAME", "One of coco, of a plug-in.")


def test_the_environment_variable_has_the_words_of_the_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    option = Option(["-m", "--max-det"])
    assert option.variable(CONTEXT) == "DETCLI_DETECT_MAX_DET"
    assert option.variable(click.Context(click.Command("detect"))) is None
    monkeypatch.setenv("DETCLI_DETECT_MAX_DET", "")
    assert option.resolve_envvar_value(CONTEXT) is None, "empty is not set"
    monkeypatch.setenv("DETCLI_DETECT_MAX_DET", "7")
    assert option.resolve_envvar_value(CONTEXT) == "7"
