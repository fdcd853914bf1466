"""The size of a resized image: by its shorter side, with a limit for the longer one; or with a border in a fixed size."""

from dataclasses import dataclass


def shortest_edge_hw(size_hw: tuple[int, int], shortest: int, longest: int | None = None) -> tuple[int, int]:
    """Height and width after a resize that keeps the aspect ratio, except for rounding.

    size_hw   of the image
    shortest  new length of its shorter side
    longest   maximum length of its longer side; the shorter one becomes smaller if needed. None: no limit

    Source: DETR's transforms as transformers' image processors compute them, with the same rounding: at the limit, the
    longer side is computed from the unrounded shorter one. 801 x 1334 becomes 800 x 1332, not 1333.
    """
    height, width = size_hw
    small, large = min(size_hw), max(size_hw)
    exact = float(shortest)
    if longest is not None and large / small * shortest > longest:
        exact = longest * small / large
        shortest = round(exact)
    if small == shortest:
        return size_hw
    longer = max(1, int(exact * large / small))
    shortest = max(1, shortest)
    return (longer, shortest) if width < height else (shortest, longer)


@dataclass(frozen=True, slots=True)
class InputBorder:
    """The border around an image that keeps its aspect ratio in a network input of one size.

    centered  the image is in the center; otherwise at the top left, as transformers pads
    value     gray value of the border, 0 to 255
    """

    centered: bool = False
    value: int = 0

    def content_hw(self, size_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width of a resized image without its border: as large as fits into the input."""
        factor = min(limit / side for limit, side in zip(input_hw, size_hw, strict=True))
        # int is transformers' rounding; round that of the repositories that center images
        sides = (round(side * factor) if self.centered else int(side * factor) for side in size_hw)
        height, width = (min(limit, max(1, side)) for limit, side in zip(input_hw, sides, strict=True))
        return height, width

    def corner(self, content_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
        """Row and column of the input in which a resized image starts."""
        if not self.centered:
            return 0, 0
        return (input_hw[0] - content_hw[0]) // 2, (input_hw[1] - content_hw[1]) // 2
