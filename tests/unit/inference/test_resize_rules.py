"""What images become: to the pixel as transformers sizes them, and refused by name where that cannot be."""

from typing import Any

import pytest

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import (
    FitWithin,
    FixedSize,
    NoResize,
    ShortestEdge,
    Sizing,
    read_sizing,
)

SIDES = [
    1,
    2,
    3,
    7,
    33,
    79,
    80,
    81,
    127,
    240,
    333,
    427,
    480,
    599,
    600,
    640,
    799,
    800,
    801,
    1066,
    1200,
    1333,
    1334,
    4000,
]


@pytest.mark.parametrize("edges", [(800, 1333), (80, 133), (640, 640), (333, 1000), (1, 5)])
def test_edges_are_those_of_the_reference(edges: tuple[int, int]) -> None:
    reference = pytest.importorskip("transformers.image_transforms").get_size_with_aspect_ratio
    ours = ShortestEdge(*edges)
    for size in ((height, width) for height in SIDES for width in SIDES):
        expected = reference(size, *edges)
        if min(expected) > 0:  # the reference makes an image of no pixels of a long thin one
            assert ours.resized_hw(size) == expected, size


@pytest.mark.parametrize("most", [(800, 1333), (50, 50), (333, 97)])
def test_bounds_are_those_of_the_reference(most: tuple[int, int]) -> None:
    reference = pytest.importorskip("transformers.image_utils").get_image_size_for_max_height_width
    for size in ((height, width) for height in SIDES for width in SIDES):
        expected = reference(size, *most)
        if min(expected) > 0:
            assert FitWithin(most).resized_hw(size) == expected, size


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((801, 1334), (800, 1332)), ((427, 640), (800, 1199)), ((480, 640), (800, 1066)), ((640, 480), (1066, 800))],
)
def test_published_examples(size: tuple[int, int], becomes: tuple[int, int]) -> None:
    assert ShortestEdge(800, 1333).resized_hw(size) == becomes


@pytest.mark.parametrize("sizing", [ShortestEdge(800, 1333), FitWithin((32, 48))])
def test_a_line_of_pixels_stays_an_image(sizing: Sizing) -> None:
    assert min(sizing.resized_hw((1, 100_000))) == 1
    assert min(sizing.resized_hw((100_000, 1))) == 1


@pytest.mark.parametrize(
    ("config", "sizing"),
    [
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, ShortestEdge(800, 1333)),
        ({"size": {"shortest_edge": 480, "longest_edge": 640}, "max_size": 1333}, ShortestEdge(480, 640)),
        ({"size": 800, "max_size": 1333}, ShortestEdge(800, 1333)),
        ({"size": 600}, ShortestEdge(600, 1333)),
        ({"size": {"shortest_edge": 800}, "max_size": 1000}, ShortestEdge(800, 1000)),
        ({"size": {"shortest_edge": 800}}, ShortestEdge(800, 16384)),
        ({"size": {"shortest_edge": 800, "longest_edge": None}}, ShortestEdge(800, 16384)),
        ({"size": {"height": 300, "width": 500}}, FixedSize((300, 500))),
        ({"size": [300, 500]}, FixedSize((300, 500))),
        ({"size": {"max_height": 300, "max_width": 500}}, FitWithin((300, 500))),
        ({"size": {"height": 300, "width": 500}, "do_resize": False}, NoResize()),
        ({}, FixedSize((640, 640))),
    ],
)
def test_files_of_all_versions_are_read(config: dict[str, Any], sizing: Sizing) -> None:
    assert read_sizing(config, 1) == sizing


@pytest.mark.parametrize("sizing", [ShortestEdge(800, 1333), FitWithin((300, 500)), FixedSize((320, 640))])
def test_a_size_that_is_written_is_read_back(sizing: Sizing) -> None:
    assert read_sizing({"size": sizing.as_json()}, 1) == sizing


@pytest.mark.parametrize(
    ("config", "divisor", "named"),
    [
        ({"size": {"shortest_edge": 1333, "longest_edge": 800}}, 1, "shortest_edge 1333 above its longest_edge 800"),
        ({"size": {"shortest_edge": "800", "longest_edge": 1333}}, 1, "'800'"),
        ({"size": {"shortest_edge": 800, "longest_edge": 10**9}}, 1, "1000000000"),
        ({"size": {"max_height": 1333}}, 1, "size is {'max_height': 1333}"),
        ({"size": {"longest_edge": 1333, "height": 800}}, 1, "size is {'longest_edge': 1333, 'height': 800}"),
        ({"size": {"longest_edge": 1333}}, 32, "multiples of 32"),
        ({"size": True}, 1, "size is True"),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, 32, "multiples of 32"),
        ({"size": 640}, 32, "multiples of 32"),
        ({"do_resize": False}, 32, "do_resize is off"),
        ({"do_resize": "no"}, 1, "do_resize"),
    ],
)
def test_an_unsupported_rule_is_refused_by_name(config: dict[str, Any], divisor: int, named: str) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        read_sizing(config, divisor)


@pytest.mark.parametrize(
    ("sizing", "becomes"),
    [
        (ShortestEdge(800, 1333), ShortestEdge(480, 640)),
        (FitWithin((8, 9)), FitWithin((480, 640))),
        (FixedSize((8, 8)), FixedSize((480, 640))),
    ],
)
def test_an_image_size_keeps_the_rule(sizing: Sizing, becomes: Sizing) -> None:
    changed = Preprocessing(sizing).with_size((480, 640), 1)
    assert changed.sizing == becomes
    assert changed.image_size == (480, 640)


@pytest.mark.parametrize(
    ("sizing", "numbers", "named"),
    [
        (ShortestEdge(800, 1333), (1333, 800), "`image_size` 800 1333$"),
        (ShortestEdge(800, 1333), (800, 99_999), "99999"),
        (NoResize(), (800, 800), "do_resize is off"),
    ],
)
def test_an_invalid_image_size_is_a_usage_error(sizing: Sizing, numbers: tuple[int, int], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Preprocessing(sizing).with_size(numbers, 1)


@pytest.mark.parametrize(
    "size",
    [
        {"height": 16384, "width": 16384},
        {"height": 4096, "width": 4128},
        {"max_height": 16384, "max_width": 2048},
        {"shortest_edge": 8192, "longest_edge": 16384},
        [8192, 8192],
    ],
)
def test_an_input_that_no_device_has_memory_for_is_refused(size: object) -> None:
    with pytest.raises(UnsupportedModelError, match=r"pixels; the limit is 16,777,216"):
        read_sizing({"size": size}, 1)


def test_a_missing_longest_edge_stays_within_the_limit() -> None:
    assert read_sizing({"size": {"shortest_edge": 4096}}, 1) == ShortestEdge(4096, 4096)
    assert read_sizing({"size": {"shortest_edge": 2048}}, 1) == ShortestEdge(2048, 8192)
