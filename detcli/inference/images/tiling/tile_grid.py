"""Where the tiles of an image are."""

from detcli.inference.images.tiling.tile_settings import TileSettings

Region = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the image


def tile_rows(size_hw: tuple[int, int], tiles: TileSettings) -> list[list[Region]]:
    """The tiles of an image, row by row, from left to right.

    All have the same size, that of the settings or the side of the image where it is shorter, and cover the image. They
    are spread evenly: neighbors share at least the overlap of the settings.
    """
    height, width = (min(tiles.size, side) for side in size_hw)
    lefts = _starts(size_hw[1], width, tiles)
    return [[(left, top, left + width, top + height) for left in lefts] for top in _starts(size_hw[0], height, tiles)]


def count_tiles(size_hw: tuple[int, int], tiles: TileSettings) -> int:
    """How many images the network gets for one image of this size."""
    if not tiles.cuts(size_hw):
        return 1
    height, width = size_hw
    count = len(_starts(width, min(tiles.size, width), tiles)) * len(_starts(height, min(tiles.size, height), tiles))
    return count + tiles.and_full


def _starts(length: int, side: int, tiles: TileSettings) -> list[int]:
    free = length - side
    step = max(1, side - tiles.overlap_pixels)
    count = -(-free // step) + 1
    return [0] if count == 1 else [number * free // (count - 1) for number in range(count)]
