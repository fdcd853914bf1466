import io
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from detcli.errors import UsageError
from detcli.sinks.images.annotated_images import AnnotatedImageSink, annotated_name
from detcli.sinks.images.encode_image import FORMATS, encode, encode_png
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, ImageMetadata
from detcli.structures.json_records import Result
from detcli.visualization.drawing_style import DrawingStyle

LABELS = ClassLabels.from_names(["cat", "dog", "traffic light"])
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FOUND = Detections(np.array([[8.0, 20.0, 50.0, 44.0]]), np.array([0.9], np.float32), np.array([1]))


def exif() -> bytes:
    block = Image.Exif()
    block[0x010F] = "a maker"
    block[0x0112] = 1
    return block.tobytes()


def image(height: int = 48, width: int = 64) -> np.ndarray:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (height, width, 3)))


def with_pixels(frame: Frame, metadata: ImageMetadata | None = None) -> Frame:
    return replace(frame, pixels=image(), size_hw=(48, 64), metadata=metadata)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_each_suffix_is_kept_and_names_the_format(
    tmp_path: Path, make_frame: Callable[..., Frame], suffix: str
) -> None:
    if FORMATS[suffix] == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    frame = with_pixels(make_frame(f"sub/a{suffix}"))
    AnnotatedImageSink(tmp_path, LABELS).write(frame, Detections.empty())
    with Image.open(tmp_path / "sub" / f"a{suffix}") as copy:
        assert copy.format == FORMATS[suffix]
        difference = np.asarray(copy.convert("RGB")).astype(int) - image()
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_exif_and_color_profile_are_kept(tmp_path: Path, make_frame: Callable[..., Frame], suffix: str) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    frame = with_pixels(make_frame(f"a{suffix}"), ImageMetadata("JPEG", exif(), ICC))
    AnnotatedImageSink(tmp_path, LABELS).write(frame, FOUND)
    with Image.open(tmp_path / f"a{suffix}") as copy:
        copy.load()
        assert copy.info["icc_profile"] == ICC
        assert copy.getexif()[0x010F] == "a maker"
        assert copy.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "PNG"])
def test_metadata_that_an_encoder_refuses_is_left_out(image_format: str) -> None:
    data = encode(image(), image_format, ImageMetadata("JPEG", b"Exif\0\0" + bytes(70_000), None))
    assert data is not None
    with Image.open(io.BytesIO(data)) as copy:
        assert copy.size == (64, 48)


@pytest.mark.parametrize(("side", "image_format"), [(16_384, "WEBP"), (65_501, "JPEG"), (65_536, "GIF")])
def test_an_image_too_large_for_its_format_is_written_as_png(
    tmp_path: Path, make_frame: Callable[..., Frame], capfd: pytest.CaptureFixture[str], side: int, image_format: str
) -> None:
    suffix = next(suffix for suffix, name in FORMATS.items() if name == image_format)
    frame = replace(make_frame(f"a{suffix}"), pixels=np.zeros((2, side, 3), np.uint8), size_hw=(2, side))
    AnnotatedImageSink(tmp_path, LABELS).write(frame, Detections.empty())
    with Image.open(tmp_path / f"a{suffix}.drawn.png") as copy:
        assert copy.size == (side, 2)
    assert capfd.readouterr().err == ""


def test_a_format_that_cannot_be_written_gets_a_longer_name(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    sink = AnnotatedImageSink(tmp_path, LABELS)
    sink.write(with_pixels(make_frame("a.heic"), ImageMetadata("HEIF")), FOUND)
    sink.write(with_pixels(make_frame("b.pgm"), ImageMetadata("PPM")), FOUND)
    sink.write(with_pixels(make_frame("no-suffix"), ImageMetadata("PNG")), FOUND)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.heic.drawn.jpg",
        "b.pgm.drawn.png",
        "no-suffix.drawn.png",
    ]


def test_no_two_inputs_share_a_copy() -> None:
    names = ["a", "a.heic", "a.jpg", "a.heic.jpg", "a.drawn.png", "a.heic.drawn.jpg", "a.heic.drawn.jpg.drawn.jpg"]
    names += ["a.webp", "a.webp.drawn.png", "a.drawn", "a.drawn.png.drawn.png"]
    for lossy in (True, False):
        copies = [annotated_name(name, lossy=lossy) for name in names]
        assert len(set(copies)) == len(names)


def test_failures_and_frames_of_a_resumed_run_write_nothing(tmp_path: Path, results: list[Result]) -> None:
    sink = AnnotatedImageSink(tmp_path / "drawn", LABELS)
    for frame, found in results:
        sink.write(frame, found)
        assert isinstance(frame, FailedFrame) or frame.pixels is None
    assert not (tmp_path / "drawn").exists()


def test_hostile_names_are_written_below_the_folder(tmp_path: Path, results: list[Result]) -> None:
    sink = AnnotatedImageSink(tmp_path / "drawn", LABELS)
    frames = [frame for frame, _ in results if isinstance(frame, Frame)]
    threads = [threading.Thread(target=sink.write, args=(with_pixels(frame), FOUND)) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close(complete=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == len(frames)
    if os.name == "posix":
        assert {str(path.relative_to(tmp_path / "drawn")) for path in files} == {f.origin.relative for f in frames}


def test_existing_images_can_be_skipped(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    AnnotatedImageSink(tmp_path, LABELS, skip_existing=True).write(with_pixels(make_frame("a.jpg")), FOUND)
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"


def test_an_invalid_font_is_reported_before_the_first_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot use the font"):
        AnnotatedImageSink(tmp_path, LABELS, DrawingStyle(font=tmp_path / "none.ttf"))


def test_png_is_exact_with_and_without_metadata() -> None:
    for metadata in (None, ImageMetadata("PNG", exif(), ICC)):
        with Image.open(io.BytesIO(encode_png(image(), metadata))) as copy:
            np.testing.assert_array_equal(np.asarray(copy), image())
