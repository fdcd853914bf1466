"""Lines and zones as users give them."""

import pytest

from detcli.counting.count_settings import CountSettings
from detcli.counting.regions import Region, parse_regions
from detcli.errors import UsageError


def line(text: str) -> Region:
    return parse_regions("lines", text)[0]


def zone(text: str) -> Region:
    return parse_regions("zones", text)[0]


def test_pixels_and_percent_can_be_mixed() -> None:
    assert line("gate=0,50%,640,50%").at((480, 640)) == ((0, 240), (640, 240))
    assert line("gate=0,50%,100%,50%").at((100, 200)) == ((0, 50), (200, 50))
    assert zone("yard=0,0 100%,0 100%,100%").at((10, 20)) == ((0, 0), (20, 0), (20, 10))


@pytest.mark.parametrize(
    "value",
    [
        "gate=1,2,3,4.5",
        ["gate=1,2,3,4.5"],
        {"gate": (1, 2, 3, 4.5)},
        {"gate": [(1, 2), (3, 4.5)]},
        {"gate": "1,2,3,4.5"},
        {"gate": [1, "2", 3, "4.5"]},
        {" gate ": "1 2; 3 4.5"},
    ],
)
def test_every_form_gives_the_same_line(value: object) -> None:
    assert parse_regions("lines", value) == (line("gate=1,2,3,4.5"),)


def test_the_text_of_a_region_is_read_back() -> None:
    given = zone("yard=10%,0,90%,0,50%,100%")
    assert zone(given.text) == given
    assert given.text == "yard=10%,0,90%,0,50%,100%"


def test_a_point_that_closes_a_zone_is_not_counted_twice() -> None:
    assert zone("yard=0,0,9,0,9,9,0,0") == zone("yard=0,0,9,0,9,9")
    assert zone("yard=0,0,0,0,9,0,9,9") == zone("yard=0,0,9,0,9,9")


def test_zones_at_the_last_pixel_reach_the_border_of_the_frame() -> None:
    assert zone("yard=0,0,639,0,639,479,0,479").at((480, 640)) == zone("yard=0,0,100%,0,100%,100%,0,100%").at(
        (480, 640)
    )


@pytest.mark.parametrize(
    ("argument", "text", "message"),
    [
        ("lines", "gate", "must be a name and its points, such as gate=100,400,1180,400"),
        ("zones", "1,2,3,4,5,6", "must be a name and its points"),
        ("lines", "=1,2,3,4", "name of a line"),
        ("lines", "a\nb=1,2,3,4", "name of a line must have 1 to 60 printable characters"),
        ("lines", "gate=", "needs two points, x1,y1,x2,y2, and has 0 numbers"),
        ("lines", "gate=1,2,3", "needs two points, x1,y1,x2,y2, and has 3 numbers"),
        ("lines", "gate=1,2,3,4,5,6", "has 6 numbers"),
        ("lines", "gate=1,2,3,x", "'x' of the line 'gate' is not a coordinate: use pixels"),
        ("lines", "gate=1,2,3,nan", "'nan' of the line 'gate' is not a coordinate"),
        ("lines", "gate=1,2,3,1e99", "'1e99' of the line 'gate' is not a coordinate"),
        ("lines", "gate=5,6,5,6", "the line 'gate' has no length: both points are 5,6"),
        ("lines", "gate=0.1,0.5,0.9,0.5", "use percent: gate=10%,50%,90%,50%"),
        ("zones", "yard=1,2,3,4", "the zone 'yard' needs three points or more, and has 2"),
        ("zones", "yard=1,2,3,4,1,2", "needs three points or more, and has 2"),
        ("zones", "yard=1,2,3,4,5", "has 5 numbers: each point is x,y"),
        ("zones", "yard=0,0,9,9,9,0,0,9", "the zone 'yard' crosses itself: its edges 1 and 3 meet"),
        ("zones", "yard=0%,0,90%,90%,90%,0,0,90%", "crosses itself"),
        ("zones", "yard=0,0,5,0,9,0", "crosses itself"),
        ("zones", "yard=0,0,1,0,1,1", "within one pixel"),
    ],
)
def test_what_is_no_line_or_zone_is_said(argument: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CountSettings(**{argument: text}).check_inside("in.mp4", (480, 640))


def test_a_shape_of_pixels_and_percent_is_checked_in_the_frame() -> None:
    given = zone("yard=0,0,50%,0,100,50,0,50")
    assert given.at((100, 200))
    with pytest.raises(UsageError, match="crosses itself"):
        zone("bow=0,0,50%,50,50,0,0,50").at((100, 120))
    with pytest.raises(UsageError, match="no length"):
        line("gate=50%,0,100,0").at((100, 200))


@pytest.mark.parametrize(
    ("lines", "zones", "message"),
    [
        (["a=0,0,9,9", "a=0,9,9,0"], [], "two lines have the name 'a'"),
        ([], ["a=0,0,9,9,0,9", "a=0,0,9,9,0,9"], "two zones have the name 'a'"),
        (["a=0,0,9,9"], ["a=0,0,9,9,0,9"], "a line and a zone have the name 'a'"),
    ],
)
def test_names_are_unique(lines: list[str], zones: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CountSettings(lines=lines, zones=zones)


def test_regions_outside_the_frame_are_refused_or_named() -> None:
    settings = CountSettings(lines=["gate=0,900,1800,900"], zones=["yard=10,10,2000,10,10,200"])
    with pytest.raises(
        UsageError, match=r"the line 'gate' is outside the frames of 'a\.mp4', which have 1280 x 720 pixels"
    ):
        settings.check_inside("a.mp4", (720, 1280))
    assert settings.check_inside("a.mp4", (1080, 1920)) == [
        "the zone 'yard' is partly outside the frames of 'a.mp4', which have 1920 x 1080 pixels"
    ]
    assert settings.check_inside("a.mp4", (2160, 3840)) == []
    for border in ("0,100%,100%,100%", "0,0,0,99", "640,0,640,480"):
        [warning] = CountSettings(lines=f"gate={border}").check_inside("a.mp4", (480, 640))
        assert "along the border of the frames of 'a.mp4'" in warning


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lines": 5}, TypeError, "`lines` must be a mapping of names to points, not int"),
        ({"zones": {5: "0,0"}}, TypeError, "must have names as keys"),
        ({"zones": {"a": 5}}, TypeError, "must be numbers or text, not int"),
        ({"lines": [5]}, TypeError, "must hold texts such as"),
        ({"anchor": "top"}, UsageError, "`anchor` must be one of bottom-center, center"),
        ({"margin": 2}, UsageError, "`margin` must be a share"),
        ({"margin": -1}, UsageError, "`margin` must be at least 0"),
        ({"bin_s": 0}, UsageError, "`bin` must be greater than 0"),
    ],
)
def test_settings_are_checked(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CountSettings(**arguments)  # type: ignore[arg-type]
