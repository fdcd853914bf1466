"""Into which tiles large images are cut."""

from dataclasses import dataclass

from detcli.argument_checks import check_flag, check_int, check_number
from detcli.errors import UsageError

MIN_TILE, MAX_TILE = 32, 100_000
DEFAULT_OVERLAP, MAX_OVERLAP = 0.2, 0.9


@dataclass(frozen=True, slots=True)
class TileSettings:
    """Into which tiles large images are cut.

    size      side of a tile in pixels of the image; an image that is not larger is not cut
    overlap   how much of a tile its neighbor has at least, too, as a share of its side
    and_full  detect in the whole image as well, for objects that are larger than a tile
    """

    size: int
    overlap: float = DEFAULT_OVERLAP
    and_full: bool = False

    def __post_init__(self) -> None:
        check_int("tile", self.size, at_least=MIN_TILE, at_most=MAX_TILE)
        check_overlap(self.overlap, self.size)
        check_flag("tile_and_full", self.and_full)

    @property
    def overlap_pixels(self) -> int:
        """The least overlap of two tiles in pixels."""
        return round(self.size * self.overlap)

    @property
    def arguments(self) -> dict[str, object]:
        """The settings as results name them."""
        return {"tile": self.size, "tile_overlap": self.overlap, "tile_and_full": self.and_full}

    def cuts(self, size_hw: tuple[int, int]) -> bool:
        """Whether an image of this size has more than one tile."""
        return max(size_hw) > self.size


def check_overlap(overlap: object, size: int | None = None) -> None:
    """Raise TypeError or UsageError for an overlap that is no share of a side.

    size  of the tile, for the message
    """
    number = check_number("tile_overlap", overlap)
    if not 0 <= number <= MAX_OVERLAP:
        of_side = "" if size is None or not 1 < number < size else f"; {number:g} pixels are {number / size:.2g}"
        raise UsageError(
            f"`tile_overlap` must be a share of the tile's side from 0 to {MAX_OVERLAP:g}, not {number:g}{of_side}"
        )


def tile_settings(tile: int | None, tile_overlap: float | None, tile_and_full: bool) -> TileSettings | None:
    """The settings of three arguments; None without tiles.

    Raises TypeError for a wrong type, and UsageError for a wrong value or for what needs `tile`.
    """
    check_flag("tile_and_full", tile_and_full)
    if tile is not None:
        return TileSettings(tile, DEFAULT_OVERLAP if tile_overlap is None else tile_overlap, tile_and_full)
    if tile_overlap is not None:
        check_overlap(tile_overlap)
    for name, is_given in {"tile_overlap": tile_overlap is not None, "tile_and_full": tile_and_full}.items():
        if is_given:
            raise UsageError(f"`{name}` needs `tile`, such as `tile=640`: without it, images are not cut")
    return None
