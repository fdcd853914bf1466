"""Options of speed: checked values."""

from collections.abc import Callable

import pytest

from tests.helpers.cli_runs import Run, assert_refused


@pytest.mark.parametrize(
    "slip",
    [
        ("--batch", "0"),
        ("--batch", "many"),
        ("--batch", "1e9"),
        ("--device", "gpu"),
        ("--device", "cuda:x"),
        ("--device", "0,1"),
        ("--workers", "0"),
        ("--precision", "int8"),
        ("--runtime", "tensorflow"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_told_with_its_flag(detcli: Callable[..., Run], slip: tuple[str, str]) -> None:
    assert_refused(detcli, *slip)
