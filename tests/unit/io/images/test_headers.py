"""The header tells the size that the decoder gives, of every format, however it is turned."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.errors import ImageError
from detcli.io.images.decode import decode
from detcli.io.images.headers import read_header

MOST = 1 << 24


def saved(kind: str, orientation: int | None, size: tuple[int, int] = (30, 20)) -> bytes:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif) if kind not in ("BMP", "PPM", "GIF") else image.save(file, kind)
    return file.getvalue()


def upright_by_header(folder: Path, data: bytes) -> tuple[int, int]:
    path = folder / "image"
    path.write_bytes(data)
    return read_header(path, max_bytes=MOST).upright_hw


@pytest.mark.parametrize("orientation", [None, *range(10)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "PPM", "GIF", "JPEG2000"])
def test_the_header_and_the_decoder_agree(kind: str, orientation: int | None, tmp_path: Path) -> None:
    data = saved(kind, orientation)
    width, height = decode(data, max_pixels=MOST).image.size
    assert upright_by_header(tmp_path, data) == (height, width)


def test_the_header_of_heic_has_the_size_after_turning(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.new("RGB", (64, 32))).save(file, exif=exif.tobytes())
    width, height = decode(file.getvalue(), max_pixels=MOST).image.size
    assert upright_by_header(tmp_path, file.getvalue()) == (height, width)


def test_exif_after_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    plain = saved("PNG", None, (300, 200))
    data = plain[:-12] + chunk + plain[-12:]
    assert decode(data, max_pixels=MOST).image.size == (200, 300)
    assert upright_by_header(tmp_path, data) == (300, 200)


def test_a_jpeg_with_a_long_header_is_read_completely(tmp_path: Path) -> None:
    data = saved("JPEG", 6)
    filling = b"\xff\xef" + struct.pack(">H", 60_002) + bytes(60_000)
    assert upright_by_header(tmp_path, data[:2] + filling * 3 + data[2:]) == (30, 20)


def test_the_stored_size_differs_from_the_upright_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved("JPEG", 8))
    header = read_header(path, max_bytes=MOST)
    assert (header.stored_hw, header.orientation, header.upright_hw) == ((20, 30), 8, (30, 20))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"text", "not-an-image"),
        (saved("JPEG", 6)[:100], "decode-failed"),
        (saved("PNG", 6)[:20], "decode-failed"),
    ],
)
def test_a_file_without_a_header_is_refused(data: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_header(path, max_bytes=MOST)
    assert caught.value.code == code


def test_a_folder_a_pipe_and_a_missing_file_are_refused_at_once(tmp_path: Path) -> None:
    codes = []
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        codes.append(("pipe", "not-a-file"))
    for name, code in [*codes, (".", "not-a-file"), ("nothing", "not-found"), ("a\0b", "not-found")]:
        with pytest.raises(ImageError) as caught:
            read_header(f"{tmp_path}/{name}", max_bytes=MOST)
        assert caught.value.code == code
