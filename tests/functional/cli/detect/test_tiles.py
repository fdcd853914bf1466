"""`--tile` with every other option: resume, deterministic runs, batches, formats, annotated images, video, Python."""

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import detcli
from detcli.datasets.shapes import draw
from detcli.inference.load import load_detector
from detcli.io.images.tiff_bands import TiffBands
from detcli.tracking.box_iou import pairwise_iou
from tests.helpers.cli_runs import Run
from tests.helpers.shape_images import shape_video
from tests.helpers.tiff_files import tiled_tiff

Detcli = Callable[..., Run]
TILES = ("--tile", "256", "--tile-overlap", "0.4")
TORCH = ("-m", "shapes", "--runtime", "torch")
BIG = (480, 700)


def sheet(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A large image of six drawn ones."""
    pixels = np.full((*BIG, 3), 128, np.uint8)
    for number in range(6):
        row, column = divmod(number, 3)
        drawn = draw(seed, number)[0][:235, :230]
        top, left = 240 * row, 233 * column
        pixels[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return pixels


@pytest.fixture(autouse=True)
def _images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large images between small ones, and one that is broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    Path("in").mkdir()
    Image.fromarray(sheet(1)).save("in/0.png")
    Image.fromarray(draw(1, 0)[0][:200, :200]).save("in/1.png")
    Path("in/2.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    Image.fromarray(sheet(2)[:300]).save("in/3.png")
    Image.fromarray(sheet(3)).save("in/4.png")


class StopAfter(detcli.Observer):
    """Stops a run after some results."""

    def __init__(self, count: int, stop: detcli.StopSignal) -> None:
        self.left, self.stop = count, stop

    def on_result(self, frame: Any, detections: Any) -> None:
        self.left -= 1
        if not self.left:
            self.stop.set("SIGTERM")


def records(path: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [line for line in lines if "detections" in line]


def boxes(record: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.array([entry["bbox"] for entry in record["detections"] or ()], np.float64).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    return found


def found_in(record: dict[str, Any]) -> int:
    """The number of detections; 0 for an image that could not be read."""
    return len(record["detections"] or ())


def assert_close(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert [record["file"] for record in one] == [record["file"] for record in other]
    for first, second in zip(one, other, strict=True):
        assert found_in(first) == found_in(second)
        overlaps = pairwise_iou(boxes(first), boxes(second))
        assert overlaps.size == 0 or overlaps.max(axis=1).min() > 0.99


def test_tiles_find_the_objects_that_the_whole_image_is_too_small_for(detcli: Detcli) -> None:
    assert detcli("detect", "in", *TORCH, "-o", "plain.jsonl").code == 3
    run = detcli("detect", "in", *TORCH, *TILES, "-o", "tiles.jsonl", "-v")
    assert run.code == 3, run.err
    assert "in tiles of 256" in run.err
    plain, tiles = records("plain.jsonl"), records("tiles.jsonl")
    assert [record["index"] for record in tiles] == [0, 1, 2, 3, 4]
    assert tiles[1] == plain[1], "an image within a tile is detected as without tiles"
    assert tiles[2] == plain[2], "one that cannot be read is reported as without tiles"
    for index in (0, 4):
        assert len(tiles[index]["detections"]) > 1.3 * len(plain[index]["detections"])
        assert (boxes(tiles[index]).min(axis=0)[:2] >= 0).all()
        assert (boxes(tiles[index]).max(axis=0)[2:] <= (BIG[1], BIG[0])).all()


def test_a_tile_as_large_as_the_image_changes_no_byte(detcli: Detcli) -> None:
    for options in ((), ("--deterministic",), ("--tile-and-full",)):
        common = ("detect", "in", *TORCH, *(option for option in options if option != "--tile-and-full"), "-y")
        detcli(*common, "-o", "plain.jsonl")
        detcli(*common, "--tile", "700", *(o for o in options if o == "--tile-and-full"), "-o", "tiles.jsonl")
        assert Path("plain.jsonl").read_bytes() == Path("tiles.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("batch_size", "deterministic", "and_full", "output"),
    [
        case
        for number, case in enumerate(
            itertools.product((1, 3, 7), (False, True), (False, True), ("out.jsonl", "out.csv", "out.coco.json"))
        )
        if number % 7 == 0
    ],
)
def test_every_combination_is_resumed_to_the_same_results(
    batch_size: int, deterministic: bool, and_full: bool, output: str
) -> None:
    settings: dict[str, Any] = {"threshold": 0.3, "tile": 256, "tile_overlap": 0.4, "tile_and_full": and_full}
    settings |= {"batch_size": batch_size, "deterministic": deterministic, "workers": 1, "uncertainty": True}
    settings |= {"model": "shapes", "runtime": "torch", "device": "cpu"}
    detcli.detect("in", outputs=("all.jsonl", f"whole-{output}"), **settings)
    stop = detcli.StopSignal()
    outputs = ("part.jsonl", output)
    first = detcli.detect("in", outputs=outputs, observer=StopAfter(1, stop), stop=stop, **settings)
    assert first.images < 5
    detcli.detect("in", outputs=outputs, resume=True, **settings)
    if deterministic or batch_size == 1:
        assert Path(output).read_bytes() == Path(f"whole-{output}").read_bytes()
    assert_close(records("part.jsonl"), records("all.jsonl"))
    detcli.detect("in", outputs="one.jsonl", **settings | {"batch_size": 1, "deterministic": False})
    assert_close(records("all.jsonl"), records("one.jsonl"))


@pytest.mark.parametrize(
    "changed", [{"tile": 200}, {"tile": None, "tile_overlap": None}, {"tile_overlap": 0.1}, {"tile_and_full": True}]
)
def test_other_tiles_cannot_resume_a_run(changed: dict[str, Any]) -> None:
    settings, stop = {"model": "shapes", "outputs": "out.jsonl", "tile": 256, "tile_overlap": 0.4}, detcli.StopSignal()
    detcli.detect("in", observer=StopAfter(1, stop), stop=stop, batch_size=1, **settings)  # type: ignore[arg-type]
    with pytest.raises(detcli.UsageError, match=r"cannot resume.*tile"):
        detcli.detect("in", resume=True, **settings | changed)  # type: ignore[arg-type]


def test_every_format_and_annotated_images_have_the_same_boxes(detcli: Detcli) -> None:
    outputs = [name for path in ("a.jsonl", "a.csv", "a.coco.json", "labels") for name in ("-o", path)]
    run = detcli("detect", "in", *TORCH, *TILES, "--uncertainty", "--header", *outputs, "--save-images", "drawn")
    assert run.code == 3, run.err
    counts = [found_in(record) for record in records("a.jsonl")]
    document = json.loads(Path("a.coco.json").read_text())
    assert len(document["annotations"]) == sum(counts)
    rows = [row for row in csv.DictReader(Path("a.csv").read_text().splitlines()) if row["score"]]
    assert len(rows) == sum(counts)
    labels = [Path(f"labels/{n}.txt").read_text().splitlines() for n in (0, 1, 3, 4)]
    assert [len(lines) for lines in labels] == [counts[n] for n in (0, 1, 3, 4)]
    with Image.open("drawn/0.png") as drawn:
        assert drawn.size == (BIG[1], BIG[0])
    header = json.loads(Path("a.jsonl").read_text().splitlines()[0])["detcli"]
    for arguments in (header["arguments"], document["info"]["arguments"]):
        assert {name: arguments[name] for name in arguments if name.startswith("tile")} == {
            "tile": 256,
            "tile_overlap": 0.4,
            "tile_and_full": False,
        }


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_other_runtimes_find_the_same(detcli: Detcli, runtime: str) -> None:
    model = "shapes"
    if runtime == "onnx":
        model = "x.onnx"
        assert detcli("export", "shapes", "--to", "onnx", "-o", model).code == 0
    detcli("detect", "in", *TORCH, *TILES, "-o", "torch.jsonl")
    detcli("detect", "in", "-m", model, "--runtime", runtime, *TILES, "-o", "other.jsonl")
    assert_close(records("other.jsonl"), records("torch.jsonl"))


def test_video_with_tracks_takes_tiles_too(detcli: Detcli) -> None:
    shape_video(Path("in.mp4"), frames=6)
    options = ("--tile", "160", "--tile-overlap", "0.3")
    run = detcli("video", "in.mp4", *TORCH, *options, "--track", "-o", "v.jsonl", "--save-video", "v.mp4")
    assert run.code == 0, run.err
    found = records("v.jsonl")
    assert [record["frame"] for record in found] == list(range(6))
    ids = [{entry["track_id"] for entry in record["detections"]} for record in found]
    assert set.intersection(*ids[1:])


def test_track_video_takes_tiles_too() -> None:
    shape_video(Path("in.mp4"), frames=4)
    settings: dict[str, Any] = {"model": "shapes", "runtime": "torch", "tile": 160, "tile_overlap": 0.3}
    with detcli.track_video("in.mp4", **settings) as results:
        assert sum(len(found) for _, found in results) > 4


def test_python_takes_tiles_when_it_loads_or_runs() -> None:
    tiled = detcli.load_detector("shapes", runtime="torch", tile=256, tile_overlap=0.4, tile_and_full=True)
    plain = detcli.load_detector("shapes", runtime="torch")
    assert tiled.tiles is not None
    assert plain.tiles is None
    assert len(tiled("in/0.png")) > 1.3 * len(plain("in/0.png"))
    assert tiled(["in/1.png"])[0] == plain("in/1.png")
    assert tiled(sheet(1)) == tiled("in/0.png")
    detcli.detect("in", model=tiled, outputs="loaded.jsonl")
    detcli.detect("in", model=plain, tile=256, tile_overlap=0.4, tile_and_full=True, outputs="given.jsonl")
    assert Path("loaded.jsonl").read_bytes() == Path("given.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tile", "8"), "'8' is not an integer from 32"),
        (("--tile", "256", "--tile-overlap", "64"), "--tile-overlap must be a share"),
        (("--tile", "256", "--tile-overlap", "-0.1"), "--tile-overlap must be a share"),
        (("--tile-overlap", "0.2"), "--tile-overlap needs --tile"),
        (("--tile-and-full",), "--tile-and-full needs --tile"),
        (("--slice-height", "512"), "--tile 512"),
        (("--overlap-height-ratio", "0.2"), "--tile-overlap 0.2"),
    ],
)
def test_wrong_options_are_one_sentence(detcli: Detcli, options: tuple[str, ...], message: str) -> None:
    for command in ("detect", "video"):
        run = detcli(command, "in", *TORCH, *options)
        assert run.code == 2
        assert message in run.err
        assert not run.out


def test_segment_says_that_tiles_are_for_boxes(detcli: Detcli) -> None:
    run = detcli("segment", "in", "--tile", "256")
    assert run.code == 2
    assert "tiles are for boxes" in run.err


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_is_read_in_bands_with_the_same_results(
    compression: str, detcli: Detcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(sheet(1)).save("a.tif", compression=compression, tiffinfo={278: 16})
    rows: list[int] = []
    read = TiffBands.read

    def counted(self: TiffBands, top: int, bottom: int) -> Any:
        rows.append(bottom - top)
        return read(self, top, bottom)

    monkeypatch.setattr(TiffBands, "read", counted)
    assert detcli("detect", "a.tif", *TORCH, *TILES, "-o", "bands.jsonl").code == 0
    assert rows == [256] * len(rows)
    assert len(rows) == 3
    assert detcli("detect", "a.tif", *TORCH, *TILES, "-o", "whole.jsonl", "--save-images", "drawn").code == 0
    assert len(rows) == 3, "annotated images need all pixels"
    assert Path("bands.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    found = load_detector("shapes", runtime="torch", tile=256, tile_overlap=0.4)("a.tif")
    assert len(rows) == 6
    assert len(found) == len(records("bands.jsonl")[0]["detections"])


def test_a_damaged_band_is_a_record_with_the_reason(detcli: Detcli) -> None:
    data = bytearray(tiled_tiff(sheet(1), (64, 64), compressed=True))
    data[8:40] = bytes(32)
    Path("in/5.tif").write_bytes(data)
    assert detcli("detect", "in", *TORCH, *TILES, "-o", "out.jsonl").code == 3
    assert detcli("detect", "in", *TORCH, *TILES, "-o", "whole.jsonl", "--save-images", "drawn").code == 3
    last, whole = records("out.jsonl")[-1], records("whole.jsonl")[-1]
    assert last["detections"] is None
    assert last["error"]["code"] == whole["error"]["code"]


def test_evaluation_of_a_loaded_detector_names_its_tiles() -> None:
    detector = load_detector("shapes", runtime="torch", tile=200, tile_overlap=0.3)
    settings = detcli.evaluate(model=detector, data="shapes:1:2").report.settings
    assert (settings["tile"], settings["tile_overlap"], settings["tile_and_full"]) == (200, 0.3, False)


def test_results_hold_no_pixels() -> None:
    found = load_detector("shapes", runtime="torch", tile=256)("in/0.png")
    assert (found.frame.pixels, found.frame.prepared, found.frame.bands) == (None, None, None)
