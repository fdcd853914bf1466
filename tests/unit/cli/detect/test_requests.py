"""From options to the request of a run."""

from detcli.cli.detect.detect import detect as detect_command
from detcli.cli.detect.requests import image_request
from detcli.cli.detect.segment import segment as segment_command
from tests.helpers.cli_runs import options_read


def test_the_request_takes_every_option() -> None:
    for command in (detect_command, segment_command):
        read, options = options_read(command, image_request)
        assert read | {"dry_run"} == options
