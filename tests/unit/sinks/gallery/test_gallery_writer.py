"""The files of a gallery: what the page reads, and what it is made of."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.sinks.gallery import gallery_writer
from detcli.sinks.gallery.gallery_image import GalleryClassMetrics, GalleryImage, GalleryMetrics, GalleryOutcome
from detcli.sinks.gallery.thumbnails import encode_masks, encode_thumbnail, shrink, thumbnail_size
from detcli.structures.masks import Rle
from tests.helpers.galleries import boxes_at, records_of, summary_of, write_gallery
from tests.helpers.sink_fixtures import HOSTILE_NAMES

HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u2028\u202e\udcff", "__proto__")
PAGE = Path(gallery_writer.__file__).parent / "page"


def test_records_hold_boxes_classes_and_scores(tmp_path: Path) -> None:
    image = GalleryImage("a.jpg", (480, 640), **boxes_at((1, 2, 31.26, 42), (0, 0, 640, 480)))
    write_gallery(tmp_path, [image], ["cat", "dog", "unused"], facts={"model": "m"}, notes=["n"])
    assert records_of(tmp_path) == [
        {
            "name": "a.jpg",
            "size": [640, 480],
            "boxes": [1, 2, 30.3, 40, 0, 0, 640, 480],
            "classes": [0, 1],
            "scores": [0.9, 0.5],
        }
    ]
    summary = summary_of(tmp_path)
    assert [entry["count"] for entry in summary["classes"]] == [1, 1, 0]
    assert (summary["images"], summary["boxes"], summary["sizes"]) == (1, 2, [0, 1, 1])
    assert summary["scores"] == [0] * 10 + [1] + [0] * 7 + [1, 0]
    assert (summary["facts"], summary["notes"], summary["metrics"]) == ({"model": "m"}, ["n"], None)


def test_boxes_without_scores_are_ground_truth_or_missed(tmp_path: Path) -> None:
    """All boxes of a gallery of ground truth count; with detections, only those with a score do."""
    plain = boxes_at((0, 0, 9, 9), (5, 5, 200, 200))
    write_gallery(tmp_path / "truth", [GalleryImage("a", (9, 9), **plain | {"scores": None})], ["x", "y"])
    assert summary_of(tmp_path / "truth")["boxes"] == 2
    assert summary_of(tmp_path / "truth")["scores"] is None
    assert "scores" not in records_of(tmp_path / "truth")[0]
    mixed = plain | {"scores": np.array([0.7, np.nan])}
    write_gallery(tmp_path / "mixed", [GalleryImage("a", (9, 9), **mixed)], ["x", "y"])
    assert summary_of(tmp_path / "mixed")["boxes"] == 1
    assert records_of(tmp_path / "mixed")[0]["scores"] == [0.7, None]


def test_images_are_in_chunks_and_thumbnails_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_writer, "CHUNK", 3)
    monkeypatch.setattr(gallery_writer, "_FOLDER", 4)
    images = [GalleryImage(str(n), (4, 4), thumbnail=b"jpg", masks=b"png" if n == 5 else None) for n in range(7)]
    write_gallery(tmp_path, images, [])
    assert [record["name"] for record in records_of(tmp_path)] == [str(n) for n in range(7)]
    assert summary_of(tmp_path)["chunks"] == 3
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("thumbs/*/*"))
    assert files[0] == "thumbs/000/000000.jpg"
    assert {"thumbs/001/000005.jpg", "thumbs/001/000005.png", "thumbs/001/000006.jpg"} <= set(files)
    assert len(files) == 8


def test_a_gallery_without_images_is_one(tmp_path: Path) -> None:
    write_gallery(tmp_path, [], ["cat"])
    assert (records_of(tmp_path), summary_of(tmp_path)["images"]) == ([], 0)


def test_scores_outside_0_to_1_are_counted_apart(tmp_path: Path) -> None:
    scores = np.array([1.5, 1.0, 0.0, -3.0])
    image = GalleryImage("a", (9, 9), **boxes_at(*[(0, 0, 1, 1)] * 4) | {"scores": scores})
    write_gallery(tmp_path, [image], list("abcd"))
    assert (sum(summary_of(tmp_path)["scores"]), summary_of(tmp_path)["otherScores"]) == (2, 2)


def test_problems_and_outcomes_reach_the_page(tmp_path: Path) -> None:
    boxes = boxes_at((0, 0, 5, 5), (1, 1, 6, 6))
    images = [
        GalleryImage("a", None, problem=("failed", "truncated")),
        GalleryImage("b", (9, 9), **boxes, outcomes=np.array([0, 1]), expected=np.array([-1, 0])),
        GalleryImage("c", (9, 9), **boxes, track_ids=np.array([4, 7]), problem=("missing", "no such file")),
    ]
    outcomes = [GalleryOutcome("right", (0, 158, 115)), GalleryOutcome("wrong", (213, 94, 0), (1.2, 1.2), mistake=True)]
    metrics = GalleryMetrics(
        {"AP": 0.5, "APs": None}, {"right": 1}, {"IoU 0.50": [1.0, 0.25]}, [GalleryClassMetrics("x", 1, 2, None, None)]
    )
    write_gallery(tmp_path, images, ["x", "y"], outcomes=outcomes, metrics=metrics)
    failed, evaluated, missing = records_of(tmp_path)
    assert failed["problem"] == ["failed", "truncated"]
    assert failed["size"] is None
    assert (evaluated["outcomes"], evaluated["expected"]) == ([0, 1], [-1, 0])
    assert (missing["tracks"], missing["problem"]) == ([4, 7], ["missing", "no such file"])
    summary = summary_of(tmp_path)
    assert (summary["failed"], summary["missing"]) == (1, 1)
    assert summary["outcomes"][1] == {"name": "wrong", "color": "#d55e00", "dashes": [1.2, 1.2], "mistake": True}
    assert summary["metrics"]["metrics"] == {"AP": 0.5, "APs": None}
    assert summary["metrics"]["curves"] == {"IoU 0.50": [1, 0.25]}


def test_hostile_texts_are_only_in_the_records(tmp_path: Path) -> None:
    """As JSON in ASCII, in scripts of their own: the page is the same for all galleries."""
    names = [*HOSTILE, *HOSTILE_NAMES]
    images = [GalleryImage(name, (9, 9), **boxes_at((0, 0, 5, 5)), thumbnail=b"x") for name in names]
    write_gallery(tmp_path / "a", images, names, title=HOSTILE[0], facts={"model": HOSTILE[1]}, notes=[HOSTILE[2]])
    write_gallery(tmp_path / "b", [], [])
    assert [record["name"] for record in records_of(tmp_path / "a")] == names
    assert [entry["name"] for entry in summary_of(tmp_path / "a")["classes"]] == names
    for folder in ("a", "b"):
        for path in (tmp_path / folder / "index.html", *(tmp_path / folder / "page").iterdir()):
            assert path.read_bytes() == (PAGE / path.name).read_bytes()
    written = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9-]+\.(html|js|css|jpg)", path.name) for path in written)


def test_the_page_allows_no_inline_code_and_nothing_from_elsewhere() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    assert not re.search(r"\bhttps?:|//\w|\bon\w+=|\bstyle=|<style|<script(?! defer src=)", html.replace(policy[0], ""))
    for path in PAGE.glob("*.js"):
        code = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|https?:|fetch\(|new Function", code
        )
    assert "url(" not in (PAGE / "gallery.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_in_both_schemes(scheme: str) -> None:
    """At least 4.5, as WCAG 2 asks for normal text."""
    light, dark = (PAGE / "gallery.css").read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)", 1)
    css = light if scheme == "light" else dark.split("}", 1)[0]
    colors = {name: _luminance(value) for name, value in re.findall(r"--(\w+): #([0-9a-f]{6})", css)}
    assert {"paper", "panel", "ink", "soft", "accent", "bad", "stage"} <= colors.keys()
    pairs = [(text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("paper", "panel")]
    contrasts = {pair: _contrast(*(colors[name] for name in pair)) for pair in pairs}
    contrasts["note", "stage"] = _contrast(1.0, colors["stage"])
    assert {pair: value for pair, value in contrasts.items() if value < 4.5} == {}


def _luminance(color: str) -> float:
    channels = np.array([int(color[at : at + 2], 16) for at in (0, 2, 4)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _contrast(first: float, second: float) -> float:
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def test_every_file_of_the_page_is_named_and_written(tmp_path: Path) -> None:
    write_gallery(tmp_path, [], [])
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert all((tmp_path / name).is_file() for name in named)
    assert {path.name for path in PAGE.iterdir()} == {Path(name).name for name in named if "page/" in name} | {
        "index.html"
    }


def test_every_element_that_scripts_look_for_is_in_the_page() -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', (PAGE / "index.html").read_text(encoding="utf-8")))
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    assert set(re.findall(r'\b(?:find|number|choose)\("([\w-]+)"', scripts)) <= ids


@pytest.mark.parametrize("size_hw", [(480, 640), (640, 480), (10, 20), (1, 10_000), (10_000, 1)])
def test_thumbnails_keep_the_shape_and_are_never_larger(size_hw: tuple[int, int]) -> None:
    pixels = shrink(Image.new("RGB", size_hw[::-1], (200, 30, 30)), 320)
    assert pixels.shape[:2] == thumbnail_size(size_hw, 320)[::-1]
    assert max(pixels.shape) == min(320, max(size_hw))
    with Image.open(io.BytesIO(encode_thumbnail(pixels))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int).mean(axis=(0, 1)) - (200, 30, 30)).max() < 4


def test_masks_are_transparent_where_there_is_none() -> None:
    """The first mask is on top, and each has the color of its class."""
    first, second = np.zeros((2, 100, 200), np.bool_)
    first[20:60, 20:100] = True
    second[40:90, 60:180] = True
    data = encode_masks([Rle.of(first), Rle.of(second)], [(255, 0, 0), (0, 0, 255)], 100)
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("RGBA"))
    assert shown.shape == (50, 100, 4)
    assert (shown[5, 5, 3], shown[25, 40, 3], shown[44, 85, 3]) == (0, 115, 115)
    assert shown[25, 40, :3].tolist() == [255, 0, 0]
    assert shown[44, 85, :3].tolist() == [0, 0, 255]
    assert encode_masks([], [], 100) is None


def test_masks_of_impossible_sizes_are_not_decoded() -> None:
    assert encode_masks([Rle((1 << 20, 1 << 20), "0")], [(0, 0, 0)], 100) is None
    assert encode_masks([Rle((0, 5), "0")], [(0, 0, 0)], 100) is None


def test_more_masks_than_a_palette_has_colors_are_drawn() -> None:
    one = Rle.of(np.ones((4, 4), np.bool_))
    assert encode_masks([one] * 300, [(1, 2, 3)] * 300, 4) is not None
