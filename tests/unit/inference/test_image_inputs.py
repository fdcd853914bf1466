"""Images of any kind become frames; everything else is refused with a reason."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.errors import ImageError, UsageError
from detcli.inference.images.image_inputs import check_image, read_image
from detcli.structures.frame import FailedFrame, Frame, Origin

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
GRAY = RGB[:, :, 0]
ALPHA = np.dstack((RGB, np.full((6, 8, 1), 7, np.uint8)))
ORIENTATION = 0x0112


def pixels(image: Any) -> np.ndarray[Any, Any]:
    check_image(image)
    frame = read_image(image, 0)
    assert frame.pixels is not None
    assert frame.pixels.dtype == np.uint8
    assert frame.size_hw == frame.pixels.shape[:2]
    return frame.pixels


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        RGB[:, :, ::-1].copy()[:, :, ::-1],
        np.asfortranarray(RGB),
        ALPHA,
        Image.fromarray(RGB),
        Image.fromarray(ALPHA),
        torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGB).permute(2, 0, 1) / 255,
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255).double().requires_grad_(),
        torch.from_numpy(ALPHA).permute(2, 0, 1),
        Frame(Origin(0, "", "0", "0"), (6, 8), RGB),
    ],
)
def test_images_of_each_kind_have_the_same_rgb_pixels(image: Any) -> None:
    assert np.array_equal(pixels(image), RGB)


@pytest.mark.parametrize(
    "image",
    [GRAY, GRAY[:, :, None], Image.fromarray(GRAY), torch.from_numpy(GRAY.copy()), torch.from_numpy(GRAY.copy())[None]],
)
def test_gray_images_become_rgb(image: Any) -> None:
    assert np.array_equal(pixels(image), np.repeat(GRAY[:, :, None], 3, 2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pil_images_of_each_mode_become_rgb(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    assert np.array_equal(pixels(image), np.asarray(image.convert("RGB")))


def test_sixteen_bit_gray_pil_images_are_scaled() -> None:
    image = Image.fromarray((GRAY.astype(np.uint16) << 8) + 17)
    assert np.array_equal(pixels(image), np.repeat(GRAY[:, :, None], 3, 2))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pil_images_without_a_known_range_are_unsupported(mode: str) -> None:
    with pytest.raises(ImageError, match=r"'PIL image': .* not supported") as caught:
        read_image(Image.fromarray(GRAY).convert(mode), 0)
    assert caught.value.code == "unsupported"


def test_the_exif_orientation_of_a_pil_image_is_applied() -> None:
    image = Image.fromarray(RGB)
    exif = image.getexif()
    exif[ORIENTATION] = 6
    image.info["exif"] = exif.tobytes()
    assert np.array_equal(pixels(image), np.rot90(RGB, -1))


def test_a_pil_image_keeps_the_name_of_its_file(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert read_image(image, 3).origin == Origin(3, str(tmp_path / "a.png"), "a.png", "a")
    assert read_image(Image.fromarray(RGB), 3).origin == Origin(3, "", "3", "3")


def test_a_closed_pil_image_is_refused() -> None:
    image = Image.fromarray(RGB)
    image.close()
    with pytest.raises(UsageError, match=r"the PIL image cannot be read \(Operation on closed image\)"):
        read_image(image, 0)


def test_a_truncated_pil_image_is_an_image_error(tmp_path: Path) -> None:
    Image.fromarray(np.tile(RGB, (40, 40, 1))).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with Image.open(tmp_path / "a.jpg") as image, pytest.raises(ImageError, match=r"a.jpg': damaged JPEG") as caught:
        read_image(image, 0)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_read_as_a_source_reads_it(kind: type, tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    assert np.array_equal(pixels(kind(tmp_path / "a.png")), RGB)
    resized = read_image(kind(tmp_path / "a.png"), 0, resize=lambda image: np.asarray(image.resize((4, 4))))
    assert resized.pixels is None
    assert resized.prepared is not None
    assert resized.prepared.shape == (4, 4, 3)
    assert resized.size_hw == (6, 8)


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.png", "not-found"), (".", "not-a-file"), ("", "not-found"), ("text.txt", "not-an-image")],
)
def test_a_path_that_cannot_be_read_is_an_image_error(name: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no image, but long enough to be a file of text")
    path = str(tmp_path / name) if name else ""
    with pytest.raises(ImageError) as caught:
        read_image(path, 0, prefix="`images`[2] ")
    assert caught.value.code == code
    assert str(caught.value).startswith(f"`images`[2] '{path}': ")


def test_other_schemes_than_http_are_unsupported() -> None:
    with pytest.raises(ImageError, match="'rtsp://host/a': URLs of images start with http:// or https://") as caught:
        read_image("rtsp://user:secret@host/a", 0)
    assert caught.value.code == "unsupported"


def test_a_failed_frame_raises_its_error() -> None:
    with pytest.raises(ImageError, match=r"'a\.png': an empty file") as caught:
        read_image(FailedFrame(Origin(0, "a.png", "a.png", "a"), "empty", "an empty file"), 0)
    assert caught.value.code == "empty"


class BytesPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        return "missing.png"


def test_any_path_like_object_is_a_path() -> None:
    check_image(BytesPath())
    with pytest.raises(ImageError, match=r"'missing\.png': no such file"):
        read_image(BytesPath(), 0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "`image` must be a path, a URL, a PIL image, .* or a list of them, not NoneType"),
        (3, "not int"),
        ({"image": RGB}, "not dict"),
        ([RGB], "not list"),
        (iter([RGB]), "not list_iterator"),
        (b"data", r"not bytes; open them with PIL\.Image\.open\(io\.BytesIO\(data\)\)"),
        (bytearray(b"data"), "not bytes"),
        (RGB / 255, r"array of uint8 .* not of float64; .*\(array \* 255\)\.round\(\)\.astype\(numpy\.uint8\)"),
        (RGB.astype(np.float32) * 2, "not of float32"),
        (RGB.astype(np.int64), "not of int64$"),
        (RGB.astype(np.uint16), "not of uint16$"),
        (RGB > 3, "not of bool$"),
        (np.array(["a.png"]), "not of <U5$"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), r"tensor of uint8, or of floats from 0 to 1, not of torch\.int64"),
    ],
)
def test_other_types_are_a_type_error(image: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_image(image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            RGB.transpose(2, 0, 1),
            r"\[H, W, 3\], not \[3, 6, 8\]; it has channels first: use array\.transpose\(1, 2, 0\)",
        ),
        (np.zeros((6, 8, 5), np.uint8), r"\[H, W, 3\], not \[6, 8, 5\]$"),
        (np.zeros((6, 8, 2), np.uint8), r"not \[6, 8, 2\]$"),
        (np.zeros(6, np.uint8), r"not \[6\]$"),
        (np.zeros((), np.uint8), r"not \[\]$"),
        (np.zeros((2, 6, 8, 3), np.uint8), r"\[2, 6, 8, 3\]: pass a batch as a list, list\(array\)"),
        (np.zeros((0, 8, 3), np.uint8), r"has no pixels: its shape is \[0, 8, 3\]"),
        (torch.zeros(6, 8, 3), r"\[3, H, W\], not \[6, 8, 3\]; it has channels last: use tensor\.permute\(2, 0, 1\)"),
        (torch.zeros(5, 6, 8), r"\[3, H, W\], not \[5, 6, 8\]$"),
        (torch.zeros(2, 3, 6, 8), r"pass a batch as a list, list\(tensor\)"),
        (torch.zeros(3, 0, 8), r"has no pixels"),
        (torch.full((3, 6, 8), 1.5), "floats from 0 to 1, not from 1.5 to 1.5; divide by 255"),
        (torch.full((3, 6, 8), -0.1), "floats from 0 to 1, not from -0.1"),
        (torch.full((3, 6, 8), float("nan")), "floats from 0 to 1, not from nan"),
        (Frame(Origin(0, "", "", ""), (6, 8), None), "is a frame without pixels"),
    ],
)
def test_wrong_shapes_and_ranges_are_a_value_error(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_image(image)
    assert isinstance(caught.value, UsageError)


def test_messages_name_the_argument() -> None:
    with pytest.raises(TypeError, match=r"^`images`\[4\] must be"):
        check_image(None, "`images`[4]")
