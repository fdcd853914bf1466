"""After an error, the command that helps."""

import pytest

from detcli.cli.framework.hints import hint_for
from detcli.errors import DataError, DetcliError, InputError, NotCachedError, UnknownModelError


@pytest.mark.parametrize(
    ("error", "command", "hint"),
    [
        (UnknownModelError("there is no model 'x'"), "detcli detect", "detcli models list"),
        (UnknownModelError("no such file: 'x.pth'"), "detcli models convert", None),
        (NotCachedError("'x' is not downloaded"), "detcli eval", "detcli download NAME"),
        (NotCachedError("'x' is not downloaded: run 'detcli download x'"), "detcli models path", None),
        (InputError("there are no images in 'a'"), "detcli detect", "detcli video"),
        (InputError("there are no videos in 'a'"), "detcli video", "detcli detect"),
        (InputError("there are no images in 'a'"), "detcli train", None),
        (DataError("there are no images in 'a'"), "detcli detect", None),
    ],
)
def test_a_hint_names_the_command_that_helps(error: DetcliError, command: str, hint: str | None) -> None:
    found = hint_for(error, command)
    assert found is None if hint is None else hint in (found or "")
