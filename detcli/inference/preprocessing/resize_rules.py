"""Rules for the size of a resized image, as preprocessor_config.json names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.errors import DetcliError, UnsupportedModelError, UsageError
from detcli.structures.resize import InputBorder, shortest_edge_hw

SizeHW = tuple[int, int]

_LONGEST_SIDE = 16384  # pixels; a larger image would not fit into the memory of any device
_MAX_AREA = 4096 * 4096  # pixels; attention over a larger input takes more memory than devices have
_LEGACY_LONGEST = 1333  # for files from before 2022 that give the shortest side only, as a number


@dataclass(frozen=True, slots=True)
class FixedSize:
    """All images are resized to one size; the aspect ratio changes."""

    size_hw: SizeHW

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule."""
        return self.size_hw

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return self.size_hw

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "FixedSize":
        """Return the same rule for another `image_size`."""
        return FixedSize(check_size(numbers, divisor, "`image_size`", error=UsageError))

    def as_json(self) -> dict[str, int]:
        """`size` of preprocessor_config.json."""
        return dict(zip(("height", "width"), self.size_hw, strict=True))


@dataclass(frozen=True, slots=True)
class ShortestEdge:
    """Keep the aspect ratio: the shorter side becomes `shortest`, but the longer side at most `longest`."""

    shortest: int
    longest: int

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule."""
        return self.shortest, self.longest

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return shortest_edge_hw(size_hw, self.shortest, self.longest)

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "ShortestEdge":
        """Return the same rule for another `image_size`. Raises UsageError if the first number is the larger one."""
        shortest, longest = check_size(numbers, divisor, "`image_size`", error=UsageError)
        if shortest > longest:
            raise UsageError(
                f"`image_size` {shortest} {longest}: the model keeps the aspect ratio, so the maximum of the shorter "
                f"side comes first, then that of the longer side: `image_size` {longest} {shortest}"
            )
        return ShortestEdge(shortest, longest)

    def as_json(self) -> dict[str, int]:
        """`size` of preprocessor_config.json."""
        return {"shortest_edge": self.shortest, "longest_edge": self.longest}


@dataclass(frozen=True, slots=True)
class LongestEdge:
    """Keep the aspect ratio: the longer side becomes `longest`. transformers' DETR processors refuse this rule.

    Source: the Table Transformer repository, whose rounding this is.
    """

    longest: int

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule."""
        return self.longest, self.longest

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        factor = self.longest / max(size_hw)
        height, width = (max(1, round(factor * side)) for side in size_hw)
        return height, width

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "LongestEdge":
        """Return the same rule for another `image_size`. Raises UsageError for two different numbers."""
        height, width = check_size(numbers, divisor, "`image_size`", error=UsageError)
        if height != width:
            raise UsageError(
                f"`image_size` {height} {width}: the model keeps the aspect ratio, and its size is that of the longer side: "
                f"`image_size` {max(height, width)}"
            )
        return LongestEdge(height)

    def as_json(self) -> dict[str, int]:
        """`size` of preprocessor_config.json."""
        return {"longest_edge": self.longest}


@dataclass(frozen=True, slots=True)
class FitWithin:
    """Keep the aspect ratio: images become as large as fits into a height and a width."""

    max_hw: SizeHW

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule."""
        return self.max_hw

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return InputBorder().content_hw(size_hw, self.max_hw)

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "FitWithin":
        """Return the same rule for another `image_size`."""
        return FitWithin(check_size(numbers, divisor, "`image_size`", error=UsageError))

    def as_json(self) -> dict[str, int]:
        """`size` of preprocessor_config.json."""
        return dict(zip(("max_height", "max_width"), self.max_hw, strict=True))


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Keep the aspect ratio: images become as large as fits into the input, in its center, on a border of one gray value.

    size_hw  of the input, with the border
    value    of the border, 0 … 255
    """

    size_hw: SizeHW
    value: int = 0

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule."""
        return self.size_hw

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size, with the border."""
        return self.size_hw

    def content_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size, without the border."""
        return self.border.content_hw(size_hw, self.size_hw)

    def corner(self, size_hw: SizeHW) -> tuple[int, int]:
        """Return the row and the column of the input in which an image of this size starts."""
        return self.border.corner(self.content_hw(size_hw), self.size_hw)

    @property
    def border(self) -> InputBorder:
        """The border around images."""
        return InputBorder(centered=True, value=self.value)

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "Letterbox":
        """Return the same rule for another `image_size`."""
        return Letterbox(check_size(numbers, divisor, "`image_size`", error=UsageError), self.value)

    def as_json(self) -> dict[str, int]:
        """`size` of preprocessor_config.json."""
        return dict(zip(("max_height", "max_width"), self.size_hw, strict=True))


@dataclass(frozen=True, slots=True)
class NoResize:
    """Images keep their size."""

    @property
    def image_size(self) -> SizeHW | None:
        """None: no `image_size` gives this rule."""
        return None

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return size_hw

    def with_image_size(self, numbers: Sequence[int], divisor: int) -> "NoResize":
        """Raise UsageError: the size cannot be changed."""
        raise UsageError("`image_size`: the model takes images in their original size (do_resize is off)")

    def as_json(self) -> dict[str, int]:
        """Return nothing: `size` has no meaning if do_resize is off."""
        return {}


Sizing = FixedSize | ShortestEdge | LongestEdge | FitWithin | Letterbox | NoResize


def read_sizing(config: Mapping[str, Any], divisor: int) -> Sizing:
    """Return the rule of preprocessor_config.json, in current and older forms.

    divisor  sides of the input must be multiples of it; more than 1 allows only one size for all images

    Raises UnsupportedModelError with the field that is not supported, without the name of the file.
    """
    if config.get("do_resize", True) is not True:
        if divisor > 1 or config["do_resize"] is not False:
            raise UnsupportedModelError(f"do_resize is off; the network takes sides of multiples of {divisor}")
        return NoResize()
    size = config.get("size", {"height": 640, "width": 640})
    sizing = _sizing(size, config.get("max_size"), divisor)
    if divisor > 1 and not isinstance(sizing, FixedSize):
        raise UnsupportedModelError(
            f"size is {short(size)}, not a height and a width: the network takes sides of multiples of {divisor}"
        )
    return sizing


def _sizing(size: Any, max_size: Any, divisor: int) -> Sizing:
    name = "size"
    if isinstance(size, int) and not isinstance(size, bool):  # files of 2021 and 2022
        return _edges(size, _LEGACY_LONGEST if max_size is None else max_size)
    if isinstance(size, list | tuple) and len(size) == 2:
        return FixedSize(check_size(size, divisor, name))
    given = {key: value for key, value in size.items() if value is not None} if isinstance(size, Mapping) else {}
    if "shortest_edge" in given:
        longest = given.get("longest_edge", max_size)
        return _edges(given["shortest_edge"], _longest_of(given["shortest_edge"]) if longest is None else longest)
    if given.keys() == {"longest_edge"}:
        return LongestEdge(check_size((given["longest_edge"],) * 2, 1, name)[0])
    if {"max_height", "max_width"} <= given.keys():
        return FitWithin(check_size((given["max_height"], given["max_width"]), 1, name))
    if {"height", "width"} <= given.keys():
        return FixedSize(check_size((given["height"], given["width"]), divisor, name))
    raise UnsupportedModelError(
        f"{name} is {short(size)}, neither a height and a width, nor a shortest_edge, a longest_edge or both, "
        "nor a max_height and a max_width"
    )


def _longest_of(shortest: Any) -> int:
    """The longest edge where a file has none: as long as the limits allow."""
    is_size = type(shortest) is int and 0 < shortest <= _LONGEST_SIDE
    return min(_LONGEST_SIDE, _MAX_AREA // shortest) if is_size else _LONGEST_SIDE


def _edges(shortest: Any, longest: Any) -> ShortestEdge:
    edges = ShortestEdge(*check_size((shortest, longest), 1, "size"))
    if edges.shortest > edges.longest:
        raise UnsupportedModelError(f"size has a shortest_edge {shortest} above its longest_edge {longest}")
    return edges


def check_size(
    size_hw: Sequence[Any], divisor: int, name: str, *, error: type[DetcliError] = UnsupportedModelError
) -> SizeHW:
    """Return height and width if a network can take them; raise `error` otherwise.

    name  of the field or the argument in messages
    """
    height, width = size_hw
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not divisor <= side <= _LONGEST_SIDE:
            raise error(f"{name} {short(side)} is not an integer from {divisor} to {_LONGEST_SIDE}")
        if side % divisor:
            near = max(divisor, round(side / divisor) * divisor)
            raise error(f"{name} {side} is not a multiple of {divisor}; {near} is")
    if height * width > _MAX_AREA:
        raise error(f"{name} {height} x {width} has {height * width:,} pixels; the limit is {_MAX_AREA:,}")
    return height, width


def short(value: object) -> str:
    """Return a value of a file as it is shown in messages."""
    return repr(value)[:60]
