"""Bytes -> upright RGB pixels: the same as Pillow's own, and a sentence for everything that is not an image."""

import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from detcli.errors import ImageError
from detcli.io.images.decode import convert_image, decode
from detcli.structures.frame import Pixels
from tests.helpers.processes import environment

MOST = 1_000_000
try:
    import pillow_heif
except ImportError:
    pillow_heif = None


def photo(width: int = 61, height: int = 43, seed: int = 0) -> Image.Image:
    """Smooth shapes with some noise on them, as photographs have it."""
    random_numbers = np.random.default_rng(seed)
    coarse = random_numbers.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = random_numbers.integers(-6, 7, smooth.shape)
    return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, **options)
    return file.getvalue()


def every_format() -> dict[str, bytes]:
    """One image in everything that is read, by a name that says what it is."""
    rgb, other = photo(), photo(seed=1)
    grey16 = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    made = {
        "jpeg": saved(rgb, "JPEG", quality=85),
        "jpeg progressive": saved(rgb, "JPEG", progressive=True),
        "jpeg gray": saved(rgb.convert("L"), "JPEG"),
        "jpeg cmyk": saved(rgb.convert("CMYK"), "JPEG"),
        "jpeg rgb": saved(rgb, "JPEG", keep_rgb=True),
        "jpeg restart markers": saved(rgb, "JPEG", restart_marker_blocks=2),
        "mpo": saved(rgb, "MPO", save_all=True, append_images=[other]),
        "png": saved(rgb, "PNG"),
        "png alpha": saved(transparent(rgb), "PNG"),
        "png palette": saved(rgb.quantize(32), "PNG"),
        "png palette transparent": saved(rgb.quantize(32), "PNG", transparency=bytes(range(32))),
        "png bits": saved(rgb.convert("1"), "PNG"),
        "png gray alpha": saved(rgb.convert("LA"), "PNG"),
        "png animated": saved(rgb, "PNG", save_all=True, append_images=[other]),
        "webp": saved(rgb, "WEBP"),
        "webp lossless": saved(rgb, "WEBP", lossless=True),
        "webp alpha": saved(transparent(rgb), "WEBP"),
        "webp animated": saved(rgb, "WEBP", save_all=True, append_images=[other]),
        "gif": saved(rgb, "GIF"),
        "gif animated": saved(rgb, "GIF", save_all=True, append_images=[other]),
        "bmp": saved(rgb, "BMP"),
        "bmp palette": saved(rgb.quantize(16), "BMP"),
        "tiff": saved(rgb, "TIFF"),
        "tiff lzw": saved(rgb, "TIFF", compression="tiff_lzw"),
        "tiff deflate": saved(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": saved(rgb, "TIFF", compression="jpeg"),
        "tiff cmyk": saved(rgb.convert("CMYK"), "TIFF"),
        "tiff pages": saved(photo(), "TIFF", save_all=True, append_images=[photo(seed=1)]),
        "jp2": saved(rgb, "JPEG2000"),
        "j2k": saved(rgb, "JPEG2000", no_jp2=True),
        "ppm": saved(rgb, "PPM"),
        "pgm": saved(rgb.convert("L"), "PPM"),
        "pbm": saved(rgb.convert("1"), "PPM"),
        "avif": saved(rgb, "AVIF"),
    }
    if pillow_heif is not None:
        made["heic"] = heic(rgb)
    return made | {"png 16 bit gray": saved(grey16, "PNG"), "tiff 16 bit gray": saved(grey16, "TIFF")}


def transparent(image: Image.Image) -> Image.Image:
    """With an alpha that would show if it were blended in rather than dropped."""
    ramp = np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))
    with_alpha = image.convert("RGBA")
    with_alpha.putalpha(Image.fromarray(ramp))
    return with_alpha


FORMATS = every_format()
SCALED = {"png 16 bit gray", "tiff 16 bit gray"}  # Pillow clips these to white; evaluated by numbers below


def expected_pixels(data: bytes) -> Pixels:
    """What Pillow makes of it, the way transformers reads its images."""
    if pillow_heif is not None:
        pillow_heif.register_heif_opener()
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def refused(data: bytes, max_pixels: int = MOST) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        decode(data, max_pixels=max_pixels)
    return caught.value.code, str(caught.value)


# --- what comes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in SCALED])
def test_every_format_gives_the_pixels_of_pillow_to_the_last_bit(name: str) -> None:
    pixels = decode(FORMATS[name], max_pixels=MOST).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, expected_pixels(FORMATS[name]))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpegs_of_all_sizes_and_qualities_equal_pillow(subsampling: str, progressive: bool) -> None:
    for size in ((1, 1), (2, 3), (7, 9), (16, 16), (17, 33), (63, 65), (200, 131)):
        for quality in (5, 50, 90, 100):
            for image in (photo(*size), photo(*size).convert("L"), photo(*size).convert("CMYK")):
                data = saved(image, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
                assert np.array_equal(decode(data, max_pixels=MOST).pixels, expected_pixels(data)), (
                    size,
                    quality,
                    image.mode,
                )


@pytest.mark.parametrize("marker", [b"", b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\1"])
def test_the_adobe_marker_decides_the_color_space_of_a_jpeg(marker: bytes) -> None:
    data = saved(photo(), "JPEG")
    segment = b"\xff\xee" + struct.pack(">H", len(marker) + 2) + marker if marker else b""
    data = data[:2] + segment + data[20:]  # in place of the JFIF header
    assert np.array_equal(decode(data, max_pixels=MOST).pixels, expected_pixels(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_in_every_format(orientation: int) -> None:
    image = photo(24, 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        data = saved(image, kind, exif=exif)
        decoded = decode(data, max_pixels=MOST)
        assert decoded.pixels.shape[:2] == ((24, 16) if orientation >= 5 else (16, 24)), kind
        assert np.array_equal(decoded.pixels, expected_pixels(data)), kind
        assert decoded.pixels.flags.c_contiguous


@pytest.mark.skipif(pillow_heif is None, reason="needs pillow-heif")
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_turned_upright_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = heic(photo(32, 16), exif=exif.tobytes())
    decoded = decode(data, max_pixels=MOST)
    assert np.array_equal(decoded.pixels, expected_pixels(data))
    assert decoded.metadata.format == "HEIF"


def test_orientation_in_xmp_counts_as_in_pillow() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = saved(photo(24, 16), "JPEG", xmp=xmp)
    assert decode(data, max_pixels=MOST).pixels.shape == (24, 16, 3)
    assert np.array_equal(decode(data, max_pixels=MOST).pixels, expected_pixels(data))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage here", b"Exif\0\0MM\0*"]
)
def test_an_image_with_invalid_exif_is_read(exif: bytes) -> None:
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    plain = saved(photo(), "JPEG")
    decoded = decode(plain[:2] + segment + plain[2:], max_pixels=MOST)
    assert np.array_equal(decoded.pixels, expected_pixels(plain))
    assert decoded.metadata.exif is None


def test_alpha_is_dropped_not_blended() -> None:
    image = photo()
    assert np.array_equal(decode(saved(transparent(image), "PNG"), max_pixels=MOST).pixels, np.asarray(image))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_16_bit_gray_keeps_its_high_byte(kind: str) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (9, 13), dtype=np.uint16)
    pixels = decode(saved(Image.fromarray(samples), kind), max_pixels=MOST).pixels
    assert np.array_equal(pixels, np.repeat((samples >> 8).astype(np.uint8)[..., None], 3, axis=2))


def tiff(
    samples: np.ndarray[Any, Any], *, order: str = "<", planar: int = 1, photometric: int = 2, kind: int = 1
) -> bytes:
    """An uncompressed TIFF written by hand. samples [H, W, C]; kind: 1 unsigned, 2 signed, 3 float."""
    height, width, count = samples.shape
    plain = samples.astype(samples.dtype.newbyteorder(order))
    strips = [plain.tobytes()] if planar == 1 else [plain[..., c].tobytes() for c in range(count)]
    offsets = [8 + sum(map(len, strips[:place])) for place in range(len(strips))]
    body = b"".join(strips)
    tags = [
        (256, "H", [width]), (257, "H", [height]), (258, "H", [samples.dtype.itemsize * 8] * count), (259, "H", [1]),
        (262, "H", [photometric]), (273, "I", offsets), (277, "H", [count]), (278, "H", [height]),
        (279, "I", [len(strip) for strip in strips]), (284, "H", [planar]), (339, "H", [kind] * count),
    ]  # fmt: skip
    start = 8 + len(body)
    directory, behind = struct.pack(f"{order}H", len(tags)), b""
    for tag, letter, values in tags:
        raw = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(raw) > 4:
            place = struct.pack(f"{order}I", start + 2 + 12 * len(tags) + 4 + len(behind))
            behind += raw
        else:
            place = raw.ljust(4, b"\0")
        directory += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[letter], len(values)) + place
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}I", start) + body + directory + b"\0\0\0\0" + behind


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_16_bit_rgb_tiff_keeps_its_high_bytes(order: str) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    assert np.array_equal(decode(tiff(samples, order=order), max_pixels=MOST).pixels, (samples >> 8).astype(np.uint8))


@pytest.mark.parametrize("compression", [1, 5, 8, 32946, 32773])
def test_a_16_bit_rgb_tiff_by_opencv_keeps_its_high_bytes(compression: int) -> None:
    cv2 = pytest.importorskip("cv2")
    samples = np.random.default_rng(0).integers(0, 65536, (50, 70, 3), dtype=np.uint16)
    whole, data = cv2.imencode(".tiff", samples[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    assert whole
    assert np.array_equal(decode(data.tobytes(), max_pixels=MOST).pixels, (samples >> 8).astype(np.uint8))


def test_16_bit_gray_with_white_as_zero_is_not_inverted() -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (5, 7, 1), dtype=np.uint16)
    pixels = decode(tiff(samples, photometric=0), max_pixels=MOST).pixels
    assert np.array_equal(pixels[..., 0], ((65535 - samples[..., 0].astype(int)) >> 8).astype(np.uint8))


def test_a_png_with_megabytes_of_text_is_read() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("workflow", "x" * 70_000_000, zip=True)
    assert np.array_equal(decode(saved(photo(), "PNG", pnginfo=notes), max_pixels=MOST).pixels, np.asarray(photo()))


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_metadata_has_format_exif_and_profile() -> None:
    profile = bytes(16) + b"RGB " + bytes(108)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    kept = decode(saved(photo(), "JPEG", exif=exif, icc_profile=profile), max_pixels=MOST).metadata
    assert kept.format == "JPEG"
    assert kept.icc == profile
    again = Image.Exif()
    again.load(kept.exif or b"")
    assert (again[0x0112], again[0x010F]) == (1, "a camera")


def test_a_profile_of_another_color_space_is_not_kept() -> None:
    profile = bytes(16) + b"CMYK" + bytes(108)
    data = saved(photo().convert("CMYK"), "JPEG", icc_profile=profile)
    assert decode(data, max_pixels=MOST).metadata.icc is None


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_in_the_middle_is_refused_as_truncated(name: str) -> None:
    whole = FORMATS[name]
    for share in (0.1, 0.25, 0.45):  # of animations and pages the first frame alone counts
        part = whole[: max(64, int(len(whole) * share))]
        if name in ("mpo", "png animated", "webp animated", "gif animated", "tiff pages"):
            part = part[: max(64, len(part) // 2)]
        assert refused(part) == ("truncated", f"truncated after {len(part):,} bytes")


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg gray", "webp", "ppm", "avif"])
def test_without_the_last_byte_a_file_is_complete_or_truncated(name: str) -> None:
    part = FORMATS[name][:-1]
    assert refused(part) == ("truncated", f"truncated after {len(part):,} bytes")


def claiming(width: int, height: int) -> bytes:
    """A small JPEG that claims another size."""
    data = bytearray(saved(photo(), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def test_a_huge_size_in_the_header_is_refused() -> None:
    assert refused(claiming(30000, 30000), 250_000_000) == (
        "too-large",
        "30000 x 30000 pixels are more than the limit of 250,000,000 (`max_pixels`)",
    )


def test_the_limit_of_the_argument_counts_not_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in ("jpeg", "png", "tiff", "bmp", "gif", "webp", "jp2", "ppm", "avif"):
        assert decode(FORMATS[name], max_pixels=61 * 43).pixels.shape == (43, 61, 3)
        assert refused(FORMATS[name], 61 * 43 - 1)[0] == "too-large"


def test_a_jpeg_too_short_for_its_pixels_is_refused() -> None:
    data = claiming(15000, 15000)
    assert refused(data, 250_000_000) == (
        "truncated",
        f"truncated: {len(data):,} bytes cannot hold 15000 x 15000 pixels",
    )
    for size in ((3000, 2000), (5000, 8)):  # and what is as short as can be is read
        flat = saved(Image.new("L", size, 128), "JPEG", optimize=True, progressive=True)
        assert decode(flat, max_pixels=10**8).pixels.shape == (size[1], size[0], 3)


def test_the_size_of_webp_is_checked_before_memory_is_allocated() -> None:
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0\xff\x3f\0"
    data = b"RIFF" + struct.pack("<I", len(extended) + 4) + b"WEBP" + extended
    assert refused(data, 250_000_000)[1].startswith("16384 x 16384 pixels are more")
    for name in ("webp", "webp lossless", "webp alpha", "webp animated"):
        assert refused(FORMATS[name], 61 * 43 - 1)[0] == "too-large"


def test_a_tiff_with_huge_tiles_is_refused() -> None:
    data = bytearray(tiff(np.zeros((5, 7, 3), np.uint8)))
    for old, new in ((278, 322), (284, 323)):  # rows per strip and planes become the sides of a tile
        place = data.index(struct.pack("<HHI", old, 3, 1))
        data[place : place + 12] = struct.pack("<HHII", new, 3, 1, 40000)
    assert refused(bytes(data), 250_000_000)[0] == "too-large"


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    data = FORMATS["jpeg progressive"]
    assert refused(data[:-2] + b"\xff\xda\0\x02" * 600 + data[-2:]) == ("too-large", "a JPEG of more than 500 scans")


@pytest.mark.parametrize("kind", ["F", "I"])
def test_samples_without_a_known_range_are_refused(kind: str) -> None:
    samples = np.full((5, 7), np.nan if kind == "F" else 70_000)
    code, message = refused(saved(Image.fromarray(samples.astype(np.float32 if kind == "F" else np.int32)), "TIFF"))
    assert code == "unsupported"
    assert "white level is unknown" in message


def test_a_float_map_is_refused() -> None:
    assert refused(b"PF\n2 2\n-1.0\n" + bytes(48))[0] in ("unsupported", "decode-failed")
    assert refused(b"Pf\n2 2\n-1.0\n" + bytes(16))[0] == "unsupported"


def test_16_bit_planes_are_refused() -> None:
    code, message = refused(tiff(np.zeros((5, 7, 3), np.uint16), planar=2))
    assert (code, message) == ("unsupported", "a 16-bit TIFF with its colors in separate planes is not supported")


@pytest.mark.parametrize(
    ("data", "code", "part"),
    [
        (b"", "empty", "an empty file"),
        (b"\0" * 500, "not-an-image", "begins with zeros"),
        (b"hello world\n" * 20, "not-an-image", "text, not an image"),
        (b"<!DOCTYPE html><html>", "not-an-image", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "not-an-image", "git lfs pull"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "not-an-image", "a video"),
        (b"RIFF\x10\0\0\0AVI LIST", "not-an-image", "a video"),
        (b"\x1a\x45\xdf\xa3" + bytes(30), "not-an-image", "a video"),
        (b"%PDF-1.7\n", "not-an-image", "a PDF document"),
        (b"PK\x03\x04" + bytes(30), "not-an-image", "a ZIP archive"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "unsupported", "vector drawings"),
        (b"8BPS" + bytes(30), "unsupported", "Photoshop"),
        (b"\xff\x0a" + bytes(30), "unsupported", "JPEG XL"),
        (b"\x93\x94\x95\x96" + bytes(30), "not-an-image", "begins with the bytes 93 94 95 96"),
        (b"\xff\xd8\xff", "truncated", "truncated after 3 bytes"),
        (b"\x89PNG\r\n\x1a\n", "truncated", "truncated after 8 bytes"),
        (b"GIF89a", "truncated", "truncated after 6 bytes"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named(data: bytes, code: str, part: str) -> None:
    found, message = refused(data)
    assert found == code
    assert part in message


def test_a_damaged_image_names_the_decoders_exception() -> None:
    data = bytearray(FORMATS["png"])
    data[20] ^= 1
    code, message = refused(bytes(data))
    assert code == "decode-failed"
    assert message.startswith("damaged PNG (SyntaxError: broken PNG file")


def chunk(kind: bytes, body: bytes, *, is_valid: bool = True) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ (not is_valid))


EXIF_TURN = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


@pytest.mark.parametrize("is_valid", [False, True])
@pytest.mark.parametrize("after_pixels", [False, True])
@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"tEXt", b"Comment\0hello"), (b"iTXt", b"x"), (b"pHYs", b"\0"), (b"gAMA", b""), (b"cHRM", b"\0\0"), (b"tIME", b"\0" * 7),
     (b"iCCP", b"x\0\0damaged"), (b"sRGB", b""), (b"zTXt", b"x\0\0damaged"), (b"prVt", b"private"), (b"acTL", b"\0")],
)  # fmt: skip
def test_a_damaged_chunk_that_no_pixel_needs_does_not_matter(
    kind: bytes, body: bytes, after_pixels: bool, is_valid: bool
) -> None:
    data = FORMATS["png"]
    place = len(data) - 12 if after_pixels else 33
    extra = chunk(kind, body, is_valid=is_valid)
    found = decode(data[:place] + extra + data[place:], max_pixels=MOST).pixels
    assert np.array_equal(found, expected_pixels(data))


@pytest.mark.parametrize("after_pixels", [False, True])
def test_exif_of_a_png_counts_where_its_checksum_is_right(after_pixels: bool) -> None:
    data = FORMATS["png"]
    place = len(data) - 12 if after_pixels else 33
    for is_valid in (True, False):
        extra = chunk(b"eXIf", EXIF_TURN, is_valid=is_valid) + chunk(b"pHYs", b"\0")
        shape = decode(data[:place] + extra + data[place:], max_pixels=MOST).pixels.shape[:2]
        assert shape == ((61, 43) if is_valid else (43, 61))


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_damaged_chunk_that_the_pixels_need_is_refused(kind: bytes) -> None:
    data = bytearray(FORMATS["png palette"])
    place = data.index(kind)
    length = int.from_bytes(data[place - 4 : place], "big")
    data[place + 4 + length] ^= 1
    assert refused(bytes(data))[0] == "decode-failed"


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "bmp", "ppm", "webp"])
@pytest.mark.parametrize("words", ["image file is truncated", "Truncated File Read"])
def test_words_of_a_decoder_decide_no_code(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    def fail(name: str, data: bytes) -> None:
        raise OSError(words)

    monkeypatch.setattr("detcli.io.images.decode.open_header", fail)
    data = FORMATS[name]
    assert refused(data)[0] == "decode-failed"
    assert refused(data + bytes(5000))[0] == "decode-failed"
    assert refused(data[: len(data) // 2])[0] == "truncated"


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "bmp"])
def test_an_open_image_is_truncated_by_its_bytes(name: str) -> None:
    data = FORMATS[name]
    with pytest.raises(ImageError) as caught:
        convert_image(Image.open(io.BytesIO(data[: len(data) * 2 // 3])))
    assert caught.value.code == "truncated"


def test_a_png_with_a_broken_zip_stream_is_damaged() -> None:
    data = FORMATS["png"]
    place = data.index(b"IDAT")
    body = b"IDAT" + b"\x55" * 40
    broken = data[: place - 4] + struct.pack(">I", 40) + body + struct.pack(">I", zlib.crc32(body)) + data[-12:]
    assert refused(broken)[0] == "decode-failed"


def test_a_decoder_without_memory_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(name: str, data: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr("detcli.io.images.decode.open_header", no_memory)
    assert refused(FORMATS["png"]) == ("too-large", "there is not enough memory to decode it (MemoryError)")


def test_heic_without_its_decoder_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40)
    message = "HEIC needs pillow-heif, which is not installed: pip install pillow-heif"
    assert refused(data) == ("unsupported", message)


def test_a_broken_decoder_of_heic_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pillow_heif.py").write_text("raise ImportError('libheif.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    code, message = refused(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40))
    assert code == "unsupported"
    assert "pillow-heif, which cannot be loaded because the system library libheif.so.1 is missing" in message


# --- whatever the bytes -----------------------------------------------------------------------------------------------


def damaged(data: bytes, random_numbers: random.Random) -> bytes:
    """Some bytes changed, often near the front, sometimes the end cut off."""
    changed = bytearray(data)
    for _ in range(random_numbers.choice((1, 1, 3, 10))):
        reach = len(changed) if random_numbers.random() < 0.5 else min(len(changed), 200)
        changed[random_numbers.randrange(reach)] = random_numbers.randrange(256)
    if random_numbers.random() < 0.3:
        del changed[random_numbers.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.parametrize("name", FORMATS)
def test_any_damage_gives_an_image_or_an_image_error(name: str) -> None:
    random_numbers = random.Random(name)
    for _ in range(300):
        try:
            pixels = decode(damaged(FORMATS[name], random_numbers), max_pixels=MOST).pixels
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017 - the refusal is one of two good ends
        else:
            assert pixels.dtype == np.uint8
            assert pixels.shape[2] == 3
            assert 0 < pixels.size <= 3 * MOST


def test_damaged_jpegs_are_read_as_by_pillow() -> None:
    random_numbers = random.Random(0)
    read = 0
    for _ in range(300):
        data = damaged(FORMATS["jpeg"], random_numbers)
        try:
            expected = expected_pixels(data)
        except Exception:
            continue
        if expected.size < MOST:
            read += 1
            assert np.array_equal(decode(data, max_pixels=MOST).pixels, expected)
    assert read > 50


QUIET = """
import random, sys
import PIL
from tests.unit.io.images.test_decode import FORMATS, MOST, damaged
from detcli.io.images.decode import decode
from detcli.errors import ImageError
for name, data in FORMATS.items():
    if name == "avif" and int(PIL.__version__.split(".")[0]) < 13:
        continue  # whose AV1 decoder prints
    random_numbers = random.Random(name)
    for _ in range(60):
        try:
            decode(damaged(data, random_numbers), max_pixels=MOST)
        except ImageError:
            pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff is built into Pillow's module there")
def test_no_decoder_prints_on_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, timeout=300, check=False, env=environment()
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def test_the_limit_of_the_process_is_as_before_after_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", MOST)
    for max_pixels in (MOST // 2, MOST * 2):
        decode(FORMATS["png"], max_pixels=max_pixels)
        assert Image.MAX_IMAGE_PIXELS == MOST
    refused(FORMATS["png"], 1)
    assert Image.MAX_IMAGE_PIXELS == MOST
