"""`detcli video`: boxes in videos, cameras and streams."""

from typing import Any

import click

from detcli.cli.detect import filter_options
from detcli.cli.detect.video import counting_options, video_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import drawing_options, input_options, model_options, run_options, speed_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("an annotated copy that plays in a browser", "detcli video in.mp4 --save-video out.mp4"),
        UsageExample("the first camera, in a window", "detcli video cam0 --show"),
        UsageExample(
            "a network camera, with objects tracked from frame to frame",
            "detcli video rtsp://camera/stream --track -o out.jsonl",
        ),
        UsageExample(
            "two frames per second of one minute", "detcli video in.mp4 --start 1:30 --duration 60 --fps 2 -o out.csv"
        ),
        UsageExample(
            "several videos, each with its own outputs",
            "detcli video a.mp4 b.mp4 -o 'boxes/{name}.jsonl' --save-video drawn/",
        ),
        UsageExample(
            "people who cross a line, in both directions, and people in a zone, per minute",
            "detcli video in.mp4 --track --classes person --line gate=0,60%,100%,60% --zone yard=0,60%,100%,60%,100%,100%,0,100% "
            "--counts counts.csv --save-video out.mp4",
        ),
        UsageExample("from another program", "ffmpeg -i in.mkv -f mpegts - | detcli video - -o frames.jsonl"),
        UsageExample("list what would be processed, without running", "detcli video recordings/ --dry-run"),
    ],
)
@input_options.sources
@video_options.frames
@model_options.model
@model_options.model_location
@filter_options.detection
@model_options.uncertainty_option()
@video_options.tracking
@counting_options.of_videos
@speed_options.speed
@speed_options.cluster
@video_options.results
@video_options.drawing
@drawing_options.show_uncertainty
@run_options.failures
@video_options.dry_run
@run_options.progress
@pass_console
def video(console: Console, /, **given: Any) -> int:
    """Detect objects in videos, cameras and streams.

    SOURCES are videos, folders and globs of them, object stores (s3://bucket/recordings/), cameras (cam0, 0, /dev/video0),
    addresses (rtsp, http, https, udp, rtp, rtmp), or '-': a video on standard input, as MPEG-TS, Matroska or YUV4MPEG.
    Several are processed in parallel.

    Every frame of a file is processed. A camera or a stream is live: frames that wait too long are dropped and counted,
    to bound latency. A lost stream is reconnected, and the gap is a record.

    Each record has the frame number, and the time in seconds since the first frame. '{name}' in an output is replaced
    by the name of each source; an output without it holds the results of all sources.
    """
    from detcli.cli.detect.requests import video_request
    from detcli.cli.detect.video.run_video import run_videos

    return run_videos(console, video_request(console, given), dry_run=given["dry_run"])
