"""Galleries in Chromium: quick, by keyboard, in wide and narrow windows, light and dark, and safe with hostile texts."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.sinks.gallery.gallery_image import GalleryClassMetrics, GalleryImage, GalleryMetrics, GalleryOutcome
from detcli.sinks.gallery.thumbnails import encode_masks, encode_thumbnail
from detcli.structures.masks import Rle
from tests.helpers.chromium import CHROMIUM, Page
from tests.helpers.galleries import boxes_at, many_images, write_gallery

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

LOADED = """new Promise((resolve) => {
  const look = () => document.body.dataset.loaded ? resolve(true) : setTimeout(look, 10);
  look();
})"""
SET = """(() => {
  const field = document.getElementById(%r);
  if (field.type === "checkbox") field.checked = %r === "on"; else field.value = %r;
  for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
  return document.getElementById("count").textContent;
})()"""
NAMES = "[...document.querySelectorAll('.card .name')].map((name) => name.textContent)"
HOSTILE = (
    "</script><script>window.hit = 1</script>",
    '"><img src=x onerror="window.hit = 1">',
    "<svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "\u202egpj.exe\u2028\x00",
    "bytes \udcff",
    "__proto__",
    "constructor",
    "x" * 3000,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def thumbnail() -> bytes:
    return encode_thumbnail(np.full((60, 80, 3), 90, np.uint8))


def show(page: Page, folder: Path, *, width: int = 1280, scheme: str = "light") -> None:
    """Open a gallery from the disk, and wait until all chunks are read."""
    page.resize(width)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open((folder / "index.html").as_uri())
    page.evaluate(LOADED)


def choose(page: Page, field: str, value: str) -> str:
    """Set a filter; returns what the page says of the images."""
    return str(page.evaluate(SET % (field, value, value)))


def press(page: Page, key: str) -> None:
    """Press a key as a user does."""
    for kind in ("rawKeyDown", "char", "keyUp") if key == "Enter" else ("rawKeyDown", "keyUp"):
        codes = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37, "Tab": 9}
        text = "\r" if key == "Enter" else ""
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], text=text)


def names(page: Page) -> list[str]:
    found: list[str] = page.evaluate(NAMES)
    return found


def shapes(thumbnail: bytes) -> list[GalleryImage]:
    """Images of every kind: boxes of three sizes, without boxes, failed, not found, with masks."""
    mask = np.zeros((480, 640), np.bool_)
    mask[100:300, 100:400] = True
    sized = boxes_at((0, 0, 300, 300), (10, 10, 60, 60), (5, 5, 15, 15))
    return [
        GalleryImage("b.jpg", (480, 640), **sized, thumbnail=thumbnail),
        GalleryImage("a.jpg", (480, 640), **boxes_at((1, 1, 20, 20)), thumbnail=thumbnail),
        GalleryImage("empty.jpg", (960, 1280), thumbnail=thumbnail),
        GalleryImage("bad.jpg", None, problem=("failed", "truncated after 812 bytes")),
        GalleryImage("gone.jpg", (480, 640), **boxes_at((0, 0, 200, 200)), problem=("missing", "no such file")),
        GalleryImage(
            "masks.jpg",
            (480, 640),
            **boxes_at((100, 100, 400, 300)),
            thumbnail=thumbnail,
            masks=encode_masks([Rle.of(mask)], [(255, 0, 0)], 80),
        ),
    ]


def test_10_000_images_are_there_within_two_seconds(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    classes = [f"class {number}" for number in range(80)]
    write_gallery(tmp_path, many_images(10_000, classes=80, thumbnail=thumbnail), classes)
    show(page, tmp_path)
    first, ready = page.evaluate("[performance.getEntriesByType('paint')[0].startTime, performance.now()]")
    assert first < 2000
    assert ready < 20_000
    assert page.evaluate("document.querySelectorAll('.card').length") == 48
    assert page.evaluate("document.getElementById('count').textContent") == "1 to 48 of 10,000 images"
    page.evaluate("document.getElementById('last').click()")
    assert names(page)[-1] == "photos/09999.jpg"
    assert choose(page, "page", "100").startswith("4,753 to 4,800")
    said = choose(page, "class", "5")
    assert said.endswith("images that match, of 10,000 images")
    assert all(
        "class 5" in text
        for text in page.evaluate("[...document.querySelectorAll('.card .line')].map(l => l.textContent)")
    )
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("file:")] == []


def test_filters_show_what_matches(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    write_gallery(tmp_path, shapes(thumbnail), ["cat", "dog", "bird"])
    show(page, tmp_path)
    assert names(page) == ["b.jpg", "a.jpg", "empty.jpg", "bad.jpg", "gone.jpg", "masks.jpg"]
    for field, value, expected in (
        ("text", "A", ["a.jpg", "bad.jpg", "masks.jpg"]),
        ("class", "1", ["b.jpg"]),
        ("from", "0.8", ["b.jpg", "a.jpg", "gone.jpg", "masks.jpg"]),
        ("from", "0.895", ["b.jpg", "a.jpg", "gone.jpg", "masks.jpg"]),
        ("to", "0.6", ["b.jpg"]),
        ("size", "0", ["b.jpg", "a.jpg"]),
        ("size", "1", ["b.jpg"]),
        ("state", "with", ["b.jpg", "a.jpg", "gone.jpg", "masks.jpg"]),
        ("state", "without", ["empty.jpg"]),
        ("state", "failed", ["bad.jpg"]),
        ("state", "missing", ["gone.jpg"]),
        ("text", "nothing like it", []),
    ):
        choose(page, field, value)
        assert names(page) == expected, (field, value)
        assert page.evaluate("document.getElementById('nothing').hidden") is bool(expected)
        page.evaluate("document.querySelector('[type=reset]').click(), new Promise((done) => setTimeout(done))")
        assert len(names(page)) == 6
    page.evaluate("document.querySelector('#class-bars button[data-value=\"1\"]').click()")
    assert names(page) == ["b.jpg"]
    assert page.evaluate("document.querySelectorAll('#class-bars [aria-pressed=true]').length") == 1
    assert page.evaluate("document.querySelectorAll('.card rect.box').length") == 1
    page.evaluate("document.querySelector('#class-bars button[data-value=\"1\"]').click()")
    assert len(names(page)) == 6


def test_images_are_sorted_in_both_directions(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    write_gallery(tmp_path, shapes(thumbnail), ["cat", "dog", "bird"])
    show(page, tmp_path)
    for order, first, last in (
        ("name", "a.jpg", "masks.jpg"),
        ("count", "b.jpg", None),
        ("largest", "b.jpg", None),
        ("smallest", "b.jpg", None),
        ("lowest", "b.jpg", None),
        ("pixels", "empty.jpg", "bad.jpg"),
    ):
        choose(page, "sort", order)
        assert names(page)[0] == first, order
        assert last is None or names(page)[-1] == last, order
    choose(page, "sort", "name")
    choose(page, "reverse", "on")
    assert names(page)[0] == "masks.jpg"


def test_the_worst_images_come_first_with_ground_truth(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    outcomes = [GalleryOutcome("right", (0, 158, 115)), GalleryOutcome("false", (213, 94, 0), (1.2, 1.2), mistake=True)]
    two = boxes_at((0, 0, 40, 40), (50, 50, 90, 90))
    images = [
        GalleryImage(f"{mistakes}.jpg", (99, 99), **two, outcomes=np.array([mistakes > 0, mistakes > 1], np.int64),
                     expected=np.array([-1, -1]), thumbnail=thumbnail)
        for mistakes in (0, 2, 1)
    ]  # fmt: skip
    curve = np.linspace(1, 0.2, 101).tolist()
    classes = [GalleryClassMetrics("cat", 3, 4, 0.4, 0.6, curve), GalleryClassMetrics("dog", 0, 2, None, None)]
    metrics = GalleryMetrics({"AP": 0.4321, "APs": None}, {"right": 3, "false": 3}, {"IoU 0.50": curve}, classes)
    write_gallery(tmp_path, images, ["cat", "dog"], outcomes=outcomes, metrics=metrics)
    show(page, tmp_path)
    assert names(page) == ["2.jpg", "1.jpg", "0.jpg"]
    assert "AP0.432" in page.evaluate("document.getElementById('metrics').textContent")
    assert page.evaluate("document.querySelectorAll('#curves path.curve').length") == 1
    page.evaluate("document.querySelector('#class-metrics button').click()")
    assert page.evaluate("document.querySelectorAll('#curves path.curve').length") == 2
    assert "cat" in page.evaluate("document.querySelector('#curves svg').getAttribute('aria-label')")
    choose(page, "outcome", "1")
    assert names(page) == ["2.jpg", "1.jpg"]
    dashes = "[...document.querySelectorAll('.card rect.box')].map((box) => box.getAttribute('stroke-dasharray'))"
    assert set(page.evaluate(dashes)) == {"2.4 2.4"}


def test_the_viewer_is_used_by_keyboard(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    write_gallery(tmp_path, shapes(thumbnail), ["cat", "dog", "bird"])
    show(page, tmp_path)
    state = "[document.getElementById('viewer').open, document.getElementById('viewer-name').textContent]"
    page.evaluate("document.querySelectorAll('.card')[0].focus()")
    press(page, "Enter")
    assert page.evaluate(state) == [True, "b.jpg"]
    assert page.evaluate("document.querySelectorAll('#viewer-stage rect.box').length") == 3
    labels = "[...document.querySelectorAll('#viewer-stage text')].map((text) => text.textContent)"
    assert page.evaluate(labels)[-1] == "cat 0.90"
    rows = "[...document.querySelectorAll('#viewer-boxes tbody tr')].map((row) => row.textContent)"
    assert page.evaluate(rows)[0] == "cat0.900, 0, 300, 300large"
    press(page, "ArrowLeft")
    assert page.evaluate(state) == [True, "b.jpg"]
    for expected in ("a.jpg", "empty.jpg", "bad.jpg", "gone.jpg", "masks.jpg", "masks.jpg"):
        press(page, "ArrowRight")
        assert page.evaluate(state) == [True, expected]
    press(page, "ArrowLeft")
    assert page.evaluate(state) == [True, "gone.jpg"]
    press(page, "Escape")
    assert page.evaluate(state)[0] is False
    assert page.evaluate("document.activeElement.dataset.index") == "0"


def test_boxes_and_masks_are_hidden_on_request(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    write_gallery(tmp_path, shapes(thumbnail), ["cat", "dog", "bird"])
    show(page, tmp_path)
    for field, selector in (("show-boxes", ".card svg"), ("show-masks", ".card img.masks")):
        display = f"getComputedStyle(document.querySelector({selector!r})).display"
        assert page.evaluate(display) != "none"
        choose(page, field, "off")
        assert page.evaluate(display) == "none"


@pytest.mark.parametrize("count", [0, 1])
def test_galleries_of_no_and_one_image_say_so(count: int, page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    write_gallery(tmp_path, shapes(thumbnail)[:count], ["cat", "dog", "bird"])
    show(page, tmp_path)
    assert page.evaluate("document.getElementById('count').textContent") == ("1 image" if count else "0 images")
    assert page.evaluate("document.getElementById('nothing').hidden") is bool(count)
    assert page.evaluate("document.getElementById('pages').hidden") is True


def test_hostile_texts_are_shown_as_text_and_nothing_runs(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    images = [
        GalleryImage(text, (99, 99), **boxes_at(*[(0, 0, 40, 40)] * len(HOSTILE)), thumbnail=thumbnail,
                     problem=("missing", text) if number % 2 else None)
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip
    about: dict[str, Any] = {"title": HOSTILE[0], "facts": {"model": HOSTILE[1]}, "notes": [HOSTILE[2], HOSTILE[4]]}
    classes = [GalleryClassMetrics(text, 1, 1, 0.5, 0.5, [1.0] * 101) for text in HOSTILE]
    about["metrics"] = GalleryMetrics({"AP": 0.5}, {}, {}, classes)
    write_gallery(tmp_path, images, HOSTILE, **about)
    before = len(page.requests)
    show(page, tmp_path)
    page.evaluate("document.querySelector('.card').click()")
    page.evaluate("document.querySelector('#class-metrics button').click()")
    assert page.evaluate("window.hit") is None
    assert (
        page.evaluate(
            "document.querySelectorAll('main script, main [onerror], main [onload], main [style*=url]').length"
        )
        == 0
    )
    assert names(page)[:4] == list(HOSTILE[:4])
    assert names(page)[4:6] == ["\\u{202e}gpj.exe\\u{2028}\\u{0}", "bytes \\xff"]
    assert page.evaluate("document.getElementById('title').textContent") == HOSTILE[0]
    assert all(url.startswith(tmp_path.as_uri()) for url in page.requests[before:])
    assert page.problems == []


def test_injected_code_and_requests_are_blocked_by_the_policy(page: Page, tmp_path: Path) -> None:
    """Also if a script of the page had a fault, nothing would run and nothing would be sent."""
    write_gallery(tmp_path, [], [])
    show(page, tmp_path)
    blocked = """(async () => {
      const broken = [];
      document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
      const refused = (change) => { try { change(); return false; } catch (error) { return error instanceof TypeError; } };
      const refusals = [
        refused(() => { document.body.innerHTML += "<img src=x onerror='window.hit = 1'>"; }),
        refused(() => { document.createElement("script").src = "data:text/javascript,window.hit = 1"; }),
        refused(() => { document.createElement("script").textContent = "window.hit = 1"; }),
      ];
      const image = document.createElement("img");
      const failed = new Promise((resolve) => { image.onerror = resolve; });
      image.src = "http://127.0.0.1:1/a.png";
      document.body.append(image);
      await failed;
      await fetch("http://127.0.0.1:1/").catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return [refusals, [...new Set(broken)].sort(), window.hit ?? null];
    })()"""
    refusals, broken, hit = page.evaluate(blocked)
    assert refusals == [True, True, True]
    assert {"connect-src", "img-src", "require-trusted-types-for"} <= set(broken)
    assert hit is None


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_window_in_both_schemes(
    width: int, scheme: str, page: Page, tmp_path: Path, thumbnail: bytes
) -> None:
    long = [GalleryImage("x" * 300, (99, 99), **boxes_at((0, 0, 40, 40)), problem=("failed", "y" * 300))]
    write_gallery(tmp_path, [*shapes(thumbnail), *long], ["cat" * 60, "dog", "bird"], title="t" * 200)
    show(page, tmp_path, width=width, scheme=scheme)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colors = page.evaluate("['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name])")
    lightness = [sum(map(int, text[4:-1].split(","))) for text in colors]
    assert (lightness[0] < lightness[1]) is (scheme == "dark")
    page.evaluate("document.querySelector('.card').click()")
    box = page.evaluate(
        "(({ left, right }) => [left, right])(document.getElementById('viewer').getBoundingClientRect())"
    )
    assert 0 <= box[0] < box[1] <= width


def test_every_control_has_a_name(page: Page, tmp_path: Path, thumbnail: bytes) -> None:
    """As a screen reader gets it."""
    write_gallery(tmp_path, shapes(thumbnail), ["cat", "dog", "bird"])
    show(page, tmp_path)
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = {
        "button",
        "checkbox",
        "combobox",
        "searchbox",
        "spinbutton",
        "textbox",
        "link",
        "image",
        "dialog",
        "navigation",
    }
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and node.get("role", {}).get("value") in controls
    ]
    assert len(found) > 20
    assert [entry for entry in found if not entry[1].strip()] == []


def test_thumbnails_and_masks_are_drawn(page: Page, tmp_path: Path) -> None:
    """The pixels of the image are where its boxes say."""
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[20:60, 20:60] = (0, 200, 0)
    write_gallery(
        tmp_path,
        [GalleryImage("a", (100, 100), **boxes_at((20, 20, 60, 60)), thumbnail=encode_thumbnail(pixels))],
        ["cat"],
    )
    show(page, tmp_path)
    corners = page.evaluate("""(async () => {
      await document.querySelector(".card img").decode();
      document.querySelector(".card").scrollIntoView();
      const { left, top, width, height } = document.querySelector(".card rect.box").getBoundingClientRect();
      return [left + width / 2, top + height / 2, left - width / 4, top + height / 2];
    })()""")
    page.screenshot(tmp_path / "shot.png")
    with Image.open(io.BytesIO((tmp_path / "shot.png").read_bytes())) as image:
        shot = np.asarray(image.convert("RGB")).astype(int)
    inside, outside = shot[int(corners[1]), int(corners[0])], shot[int(corners[3]), int(corners[2])]
    assert inside[1] > 150
    assert outside[1] < 60
