"""The size an image gets where networks take images of many sizes: by its shorter side, the longer one in bounds."""


def shortest_edge_hw(size_hw: tuple[int, int], shortest: int, longest: int | None = None) -> tuple[int, int]:
    """Height and width after a resize that keeps the aspect, but for rounding.

    size_hw   of the image
    shortest  what its shorter side becomes
    longest   what its longer side never exceeds; the shorter one gives way. None: any

    Source: DETR's transforms as transformers' image processors compute them, rounding included: under the bound, the
    longer side follows from the shorter one before that was rounded. 801 x 1334 becomes 800 x 1332, not 1333.
    """
    height, width = size_hw
    small, large = min(size_hw), max(size_hw)
    exact = float(shortest)
    if longest is not None and large / small * shortest > longest:
        exact = longest * small / large
        shortest = round(exact)
    if small == shortest:
        return size_hw
    along = max(1, int(exact * large / small))
    shortest = max(1, shortest)
    return (along, shortest) if width < height else (shortest, along)
