"""The size of a resized image: by its shorter side, with a limit for the longer one."""


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
