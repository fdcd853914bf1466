"""Options of annotated images: checked values."""

from collections.abc import Callable

import pytest

from tests.helpers.cli_runs import Run, assert_refused


@pytest.mark.parametrize(
    "slip",
    [
        ("--line-width", "0"),
        ("--line-width", "thick"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_told_with_its_flag(detcli: Callable[..., Run], slip: tuple[str, str]) -> None:
    assert_refused(detcli, *slip)
