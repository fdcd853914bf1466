"""TIFF files in tiles, which Pillow reads and does not write."""

import io
import struct
import zlib

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from detcli.structures.frame import Pixels


def tiled_tiff(pixels: Pixels, tile_hw: tuple[int, int], *, compressed: bool, big_endian: bool = False) -> bytes:
    """A TIFF of RGB pixels in tiles, uncompressed or deflated."""
    height, width = pixels.shape[:2]
    tile_height, tile_width = tile_hw
    order = b"MM\0*" if big_endian else b"II*\0"
    file, offsets, counts = io.BytesIO(), [], []
    file.write(order + bytes(4))
    for top in range(0, height, tile_height):
        for left in range(0, width, tile_width):
            part = pixels[top : top + tile_height, left : left + tile_width]
            full = np.zeros((tile_height, tile_width, 3), np.uint8)
            full[: part.shape[0], : part.shape[1]] = part
            data = zlib.compress(full.tobytes()) if compressed else full.tobytes()
            offsets.append(file.tell())
            counts.append(len(data))
            file.write(data)
    file.write(bytes(file.tell() % 2))
    start = file.tell()
    tags = ImageFileDirectory_v2(order + bytes(4))
    values = {256: width, 257: height, 258: (8, 8, 8), 259: 8 if compressed else 1, 262: 2, 277: 3, 284: 1}
    values |= {322: tile_width, 323: tile_height, 324: tuple(offsets), 325: tuple(counts)}
    for tag, value in values.items():
        tags[tag] = value
    file.write(tags.tobytes(start))
    file.seek(4)
    file.write(struct.pack(">L" if big_endian else "<L", start))
    return file.getvalue()
