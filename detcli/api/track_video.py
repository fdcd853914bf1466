"""`track_video`: frames of a video with their detections and track ids, one by one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detcli.argument_checks import Nms, StrPath, Thresholds
    from detcli.checkpoints.model_files import Variant
    from detcli.counting.count_settings import Anchor, Regions
    from detcli.engine.video.video_results import VideoResults
    from detcli.inference.detector import Detector


def track_video(
    sources: "StrPath | Iterable[StrPath]",
    *,
    model: "StrPath | Detector" = "dfine-s",
    track: bool = True,
    weak_boxes: bool = False,
    lines: "Regions | None" = None,
    zones: "Regions | None" = None,
    anchor: "Anchor" = "bottom-center",
    margin: float = 0.1,
    threshold: "Thresholds | None" = None,
    nms: "Nms | None" = None,
    nms_agnostic: bool = False,
    classes: "Sequence[str | int] | None" = None,
    max_detections: int | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    tile: int | None = None,
    tile_overlap: float | None = None,
    tile_and_full: bool = False,
    stride: int = 1,
    fps: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    max_frames: int | None = None,
    live: bool | None = None,
    camera_size: tuple[int, int] | None = None,
    camera_rate: float | None = None,
    reconnect: bool = True,
    max_pixels: int | None = None,
    device: str = "auto",
    runtime: str = "auto",
    batch_size: int | None = None,
    precision: str = "auto",
    queries: int | None = None,
    decoder_layers: int | None = None,
    uncertainty: bool = False,
    pad: bool = False,
    compile: bool = False,  # noqa: A002 - the name of the option
    optimize: bool = True,
    deterministic: bool = False,
    variant: "Variant | None" = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    strict: bool = False,
) -> "VideoResults":
    """Detect and track objects in videos, cameras and streams; yields each frame with its result.

    `frame.pixels` is a uint8 array [H, W, 3] RGB, `frame.origin.time_s` the time since the first frame. Results have
    `track_ids`: one object has one number in every frame. Frames are decoded and processed while you iterate; `close()`, a
    `with` block or the end of the loop closes the videos.

    sources         video files, folders or globs of them, also in object stores ("s3://…"), cameras ("cam0"), or URLs of
                    streams: one or a list
    model           name, Hub repository, folder or file; or a detector, whose settings are kept
    track           False: every detection above the threshold, without track ids
    weak_boxes      results also have the boxes of tracks that are not above the threshold
    lines           lines for tracks to cross: names and two points (x, y) in pixels, or text such as "0,60%,100%,60%" in percent of
                    the frame; from the right of a line to its left, as seen from its first point, is "in"
    zones           zones, in the same way, with three corners or more
    anchor          the point of a box that crosses a line or is in a zone: "bottom-center" or "center"
    margin          how far beyond a line or zone an object must get, as a share of the size of its box; against jitter
    threshold       tracks start a little above it, 0 … 1; None: the model's own threshold, else 0.4. Or a mapping of class
                    names or indices to thresholds, with "*" for all other classes
    nms             of boxes of a class with a larger intersection over union, 0 … 1, only the best is kept; "off"; None: as
                    the model says (0.7 of `shapes`), else off
    nms_agnostic    only the best of boxes of different classes, too
    classes         class names or indices to keep; None: all
    max_detections  maximum number per frame; None: 300, or that of a loaded detector
    image_size      input size: an int (a square) or (height, width); None: as the checkpoint says
    tile            cut frames that are larger into square tiles with so many pixels per side, and merge their results;
                    `max_detections` is then for each tile; None: never
    tile_overlap    how much of a tile its neighbor has at least, too, 0 … 0.9 of its side; None: 0.2
    tile_and_full   detect in the whole frame as well, for objects that are larger than a tile
    stride          every Nth frame
    fps             at most so many frames per second of the video's own time
    start           seconds to skip at the beginning
    duration        seconds of the video's own time; None: to its end
    max_frames      maximum number of frames
    live            drop frames that wait too long; None: only for cameras and streams
    camera_size     (height, width) requested from a camera
    camera_rate     frames per second requested from a camera
    reconnect       reconnect to a stream or camera that was lost
    max_pixels      do not decode larger frames; None: 250 million
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"
    runtime         "auto", "torch", "openvino" or "onnx"; an exported .onnx or .xml file is run by openvino or onnx
    batch_size      most frames in a batch; None: chosen by device and input size, 1 for live sources
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    pad             frames of different sizes share a batch
    queries         fewer queries, for speed: the best ones, of models that rank them; None: all of the model
    decoder_layers  predict after so many decoder layers, for speed; None: all of the model
    uncertainty     results also have `box_std`, the standard deviation of each edge in pixels; for D-FINE models
    compile         run torch.compile: minutes of start-up for long runs
    optimize        fold normalization layers and drop what inference does not need
    deterministic   the same results from every run on this machine
    variant         of the network of a .pth file: "dfine", or "deim" (also for RT-DETRv4); None: as the file tells
    revision        commit, branch or tag of the Hub repository
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    strict          raise ImageError at the first frame that cannot be decoded; False: skip it

    With `lines` or `zones`, `frame.counts` has crossings and events up to the frame, and the objects in each zone. A line or zone
    outside the frame raises UsageError.

    Raises, before the first frame, TypeError for an argument of a wrong type, UsageError (a ValueError) for a wrong value,
    SourceError if no source can be opened, and ModelError, HubError, AccessError or DeviceError for the model.
    """
    arguments = locals()
    from detcli.api.common_settings import compute_settings, count_settings, detection_settings, model_settings
    from detcli.argument_checks import check_flag
    from detcli.engine.requests.run_request import VideoInputSettings, VideoRequest
    from detcli.engine.video.video_results import open_video_results

    check_flag("strict", strict)
    names = ["sources", "stride", "fps", "start", "duration", "max_frames", "live", "camera_size", "camera_rate"]
    names += ["reconnect", "max_pixels"]
    request = VideoRequest(
        input=VideoInputSettings(**{name: arguments[name] for name in names}),
        model=model_settings(arguments),
        detection=detection_settings(arguments),
        compute=compute_settings(arguments | {"workers": None}),
        counting=count_settings(arguments),
        track=track,
        weak_boxes=weak_boxes,
    )
    return open_video_results(request, strict=strict)
