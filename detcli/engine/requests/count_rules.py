"""What can be counted: lines, visits and events need videos with tracks."""

from detcli.counting.count_settings import CountSettings
from detcli.engine.requests.run_settings import OutputSettings
from detcli.errors import UsageError


def check_image_counting(counting: CountSettings, output: OutputSettings) -> None:
    """Raise UsageError for what only videos have, and for zones that nothing uses."""
    if counting.lines or output.events is not None:
        what = "lines are crossed" if counting.lines else "`events` happen"
        raise UsageError(f"{what} in videos with tracks, not in images")
    if counting.zones and output.counts is None and output.save_images is None:
        raise UsageError("zones need `counts`, the file for the counts, or `save_images`")


def check_video_counting(counting: CountSettings, output: OutputSettings, *, track: bool) -> None:
    """Raise UsageError for lines and events without tracks, and for events without lines and zones."""
    if counting.lines and not track:
        raise UsageError("`lines` needs `track`: an object that crosses a line must be known before and after it")
    if output.events is None:
        return
    if not track:
        raise UsageError("`events` needs `track`: events are those of tracked objects")
    if not counting.regions:
        raise UsageError("`events` needs `lines` or `zones`: without them there are no events")
