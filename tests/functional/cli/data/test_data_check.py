"""`detcli data check`: planted mistakes are found and named, clean data has none, and the exit code tells."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from tests.helpers.cli_runs import Run
from tests.helpers.data_parts import NAMES, SIZE_HW, CocoPart, clean_part

Detcli = Callable[..., Run]
HEIGHT, WIDTH = SIZE_HW


@pytest.fixture(autouse=True)
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in a folder with clean training and validation data."""
    monkeypatch.chdir(tmp_path)
    clean_part(1).write(Path("train"))
    clean_part(2).write(Path("val"))


def findings(detcli: Detcli, *arguments: str | Path, code: int = 10) -> dict[str, dict[str, Any]]:
    """The findings of `detcli data check --json`, by the name of the check."""
    run = detcli("data", "check", *(arguments or ("train", "--val", "val")), "--json")
    assert run.code == code
    return {finding["check"]: finding for finding in json.loads(run.out)["findings"]}


def planted(part: CocoPart, change: Callable[[CocoPart], None]) -> Path:
    change(part)
    return part.write(Path("planted"))


@pytest.mark.parametrize("arguments", [("train", "--val", "val"), ("shapes:0:30",), ("train", "--decode", "full")])
def test_clean_data_has_no_findings(detcli: Detcli, arguments: tuple[str, ...]) -> None:
    run = detcli("data", "check", *arguments)
    assert (run.code, run.out) == (0, "")
    assert "0 warnings and 0 notes in" in run.err


@pytest.mark.parametrize("door", ["copy", "link"])
def test_an_image_of_both_parts_is_named(detcli: Detcli, door: str) -> None:
    Path("val/3.png").unlink()
    if door == "copy":
        shutil.copy("train/2.png", "val/3.png")
    else:
        Path("val/3.png").symlink_to("../train/2.png")
    run = detcli("data", "check", "train", "--val", "val")
    assert run.code == 10
    assert "1 image is in both train and val, so metrics on val are too high: '2.png' is '3.png'" in run.out
    found = findings(detcli, "train", "--val", "val", "--decode", "none")
    assert list(found) == ["shared-images"]
    assert found["shared-images"]["files"] == [["train/2.png", "val/3.png"]]


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda image: image.resize((80, 60)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "gray": lambda image: image.convert("L"),
    "cropped": lambda image: image.crop((1, 1, WIDTH - 1, HEIGHT - 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_of_val_that_is_a_changed_one_of_train_is_named(detcli: Detcli, change: str) -> None:
    document = json.loads(Path("val/annotations.json").read_text())
    with Image.open("train/5.png") as image:
        image = CHANGES[change](image)
        image.save("val/7.png")
    document["images"][6] |= {"width": image.width, "height": image.height}
    document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 7]
    Path("val/annotations.json").write_text(json.dumps(document))
    found = findings(detcli)
    assert list(found) == ["similar-images-in-parts"]
    assert found["similar-images-in-parts"]["files"] == [["train/5.png", "val/7.png"]]


def test_images_that_one_part_has_twice_are_named(detcli: Detcli) -> None:
    shutil.copy("train/2.png", "train/9.png")
    with Image.open("train/4.png") as image:
        image.convert("RGB").resize((120, 90)).resize((WIDTH, HEIGHT)).save("train/11.png")
    found = findings(detcli)
    assert found["repeated-images"]["files"] == [["train/2.png", "train/9.png"]]
    assert found["similar-images"]["files"] == [["train/4.png", "train/11.png"]]
    assert (found["repeated-images"]["level"], found["similar-images"]["level"]) == ("warning", "note")


def test_an_image_that_is_cut_short_is_named(detcli: Detcli) -> None:
    Path("val/6.png").write_bytes(Path("val/6.png").read_bytes()[:3000])
    found = findings(detcli)
    assert found["unreadable-images"]["files"] == [["val/6.png"]]
    assert "truncated" in found["unreadable-images"]["examples"][0]
    Path("val/6.png").write_bytes(b"")
    assert list(findings(detcli)) == ["unreadable-images"]
    assert list(findings(detcli, "train", "--val", "val", "--decode", "none")) == ["annotations"]


BOXES: dict[str, tuple[str, Callable[[list[float]], list[float]]]] = {
    "one size": ("one-size", lambda box: [*box[:2], 12, 12]),
    "one place": ("one-place", lambda box: [20, 30, 40, 20]),
    "whole images": ("whole-images", lambda box: [0, 0, WIDTH, HEIGHT]),
    "of smaller images": ("one-corner", lambda box: [value / 2 for value in box]),
    "of the lower right": (
        "one-corner",
        lambda box: [WIDTH / 2 + box[0] / 2, HEIGHT / 2 + box[1] / 2, box[2] / 2, box[3] / 2],
    ),
}


@pytest.mark.parametrize("fault", BOXES)
def test_boxes_that_are_hardly_right_are_found(detcli: Detcli, fault: str) -> None:
    check, change = BOXES[fault]
    file = planted(clean_part(3), lambda part: part.change_boxes(change))
    assert check in findings(detcli, file)


def test_coordinates_that_are_counted_from_one_are_found(detcli: Detcli) -> None:
    def whole(box: list[float]) -> list[float]:
        """Pixel edges, some of them at the edges of the image."""
        left, top = (0.0 if value < 25 else float(round(value)) for value in box[:2])
        right, bottom = (
            float(side) if end > side - 25 else float(round(end))
            for end, side in ((box[0] + box[2], WIDTH), (box[1] + box[3], HEIGHT))
        )
        return [left, top, right - left, bottom - top]

    def from_one(box: list[float]) -> list[float]:
        left, top, width, height = whole(box)
        return [left + 1, top + 1, width - 1, height - 1]

    def inclusive(box: list[float]) -> list[float]:
        left, top, width, height = whole(box)
        return [left, top, width - 1, height - 1]

    right = planted(clean_part(3), lambda part: part.change_boxes(whole))
    assert findings(detcli, right, code=0) == {}
    assert "counted-from-one" in findings(detcli, planted(clean_part(3), lambda part: part.change_boxes(from_one)))
    assert "inclusive-ends" in findings(
        detcli, planted(clean_part(3), lambda part: part.change_boxes(inclusive)), code=0
    )


SWAPS: dict[str, Callable[[list[float]], list[float]]] = {
    "two corners": lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]],
    "x and y": lambda box: [box[1], box[0], box[3], box[2]],
    "fractions": lambda box: [box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT],
    "centers": lambda box: [box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]],
    "width and height": lambda box: [box[0], box[1], box[3], box[2]],
    "only x and y": lambda box: [box[1], box[0], box[2], box[3]],
}


@pytest.mark.parametrize("fault", SWAPS)
def test_boxes_in_another_format_are_found(detcli: Detcli, fault: str) -> None:
    run = detcli("data", "check", planted(clean_part(3, count=60), lambda part: part.change_boxes(SWAPS[fault])))
    assert run.code in (4, 10)
    assert {"fractions": "fractions of the image"}.get(fault, "all fit") in run.out


def test_a_part_that_cannot_be_used_is_an_error_of_the_report(detcli: Detcli) -> None:
    file = planted(clean_part(3), lambda part: part.change_boxes(SWAPS["fractions"]))
    found = findings(detcli, "train", "--val", file, code=4)
    assert list(found) == ["unusable"]
    assert found["unusable"]["parts"] == ["val"]
    assert "smaller than a pixel" in found["unusable"]["message"]


def test_tiny_boxes_depend_on_the_input_size(detcli: Detcli) -> None:
    part = clean_part(3)
    part.boxes[0] = (1, 2, [5, 5, 1, 9])
    file = part.write(Path("planted"))
    assert findings(detcli, file, code=0) == {}  # five pixels at 640
    found = findings(detcli, file, "--imgsz", "320", code=0)
    assert (found["tiny-boxes"]["count"], found["tiny-boxes"]["level"]) == (1, "note")
    assert "in images of 320 x 320" in found["tiny-boxes"]["message"]
    assert findings(detcli, file, "--imgsz", "24")["tiny-boxes"]["level"] == "warning"


def test_a_model_gives_the_input_size(detcli: Detcli) -> None:
    part = clean_part(3)
    part.boxes[0] = (1, 2, [5, 5, 1, 9])
    file = part.write(Path("planted"))
    by_size = findings(detcli, file, "--imgsz", "256", code=0)["tiny-boxes"]
    by_model = findings(detcli, file, "-m", "shapes", code=0)["tiny-boxes"]
    assert by_model["count"] == by_size["count"] == 1
    assert "images as 'shapes' gets them (256 x 256)" in by_model["message"]
    assert findings(detcli, file, "-m", "shapes", "--imgsz", "640", code=0) == {}
    run = detcli("data", "check", file, "-m", "no-such-model")
    assert (run.code, "there is no model 'no-such-model'" in run.err) == (5, True), run.err
    assert run.out == ""


def test_fractions_among_pixels_are_found(detcli: Detcli) -> None:
    part = clean_part(3)
    part.boxes[4:6] = [(image, kind, [0.2, 0.3, 0.4, 0.5]) for image, kind, _ in part.boxes[4:6]]
    assert findings(detcli, part.write(Path("planted")))["fractions"]["count"] == 2


def test_boxes_that_are_drawn_twice_are_found(detcli: Detcli) -> None:
    part = clean_part(3)
    image, kind, box = part.boxes[0]
    moved = [box[0] + 0.3, *box[1:]]
    part.boxes += [(image, kind, moved), (2, 3, [50, 50, 30, 20]), (2, 1, [50, 50, 30, 20.5])]
    found = findings(detcli, part.write(Path("planted")), code=0)
    assert (found["nearly-equal-boxes"]["count"], found["two-classes"]["count"]) == (1, 1)


def test_classes_that_differ_between_parts_are_found(detcli: Detcli) -> None:
    val = clean_part(4)
    val.boxes = [(image, 1 if kind == 3 else kind, box) for image, kind, box in val.boxes]
    found = findings(detcli, "train", "--val", val.write(Path("planted")))
    assert found["classes-of-one-part"]["examples"] == ["'washer'"]
    assert found["unused-classes"]["parts"] == ["val"]
    val = clean_part(4)
    val.names = (*NAMES[:2], "gear")
    found = findings(detcli, "train", "--val", val.write(Path("other")))
    assert found["unknown-classes"]["examples"] == ["'gear'"]


def test_class_ids_that_are_off_by_one_are_found(detcli: Detcli) -> None:
    part = clean_part(3)
    part.names = ("none", *NAMES)
    part.boxes = [(image, kind + 1, box) for image, kind, box in part.boxes]
    found = findings(detcli, part.write(Path("planted")))
    assert "it is the first one: class ids may be off by one" in found["unused-classes"]["message"]


def test_a_rare_class_is_a_note(detcli: Detcli) -> None:
    part = clean_part(3, count=80)
    part.boxes = [(image, 1 if kind == 3 and image > 9 else kind, box) for image, kind, box in part.boxes]
    found = findings(detcli, part.write(Path("planted")), code=0)
    assert list(found) == ["rare-classes"]
    assert found["rare-classes"]["examples"][0].startswith("'washer' ")


def test_what_opening_drops_is_a_finding(detcli: Detcli) -> None:
    part = clean_part(3)
    part.boxes += [(1, 1, [500, 500, 10, 10]), (2, 1, [5, 5, 0, 3]), (3, 2, part.boxes[7][2]), (3, 2, part.boxes[7][2])]
    run = detcli("data", "check", part.write(Path("planted")))
    assert run.code == 10
    for words in ("1 box is outside the image", "1 box has no area", "a duplicate of another one"):
        assert words in run.out


def test_images_that_exif_turns_are_a_note(detcli: Detcli) -> None:
    part = clean_part(3)
    file = part.write(Path("planted"))
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open("planted/4.png") as image:
        image.save("planted/4.png", exif=exif)
    found = findings(detcli, file, code=0)
    assert found["annotations"]["level"] == "note"
    assert "rotated by EXIF" in found["annotations"]["message"]


def test_each_of_several_validation_sets_is_compared(detcli: Detcli) -> None:
    clean_part(4).write(Path("other"))
    shutil.copy("val/3.png", "other/8.png")
    found = findings(detcli, "train", "--val", "val", "--val", "other")
    assert found["shared-images"]["parts"] == ["val 'val'", "val 'other'"]
    assert list(found) == ["shared-images"]


def test_too_many_images_are_compared_by_content_only(detcli: Detcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.inspection.similar_images.MOST_COMPARED", 20)
    found = findings(detcli, "train", code=0)
    assert "too many to compare all pairs" in found["similar-images"]["message"]


def test_every_finding_says_what_to_do(detcli: Detcli) -> None:
    part = clean_part(3)
    part.boxes += [(1, 1, [500, 500, 10, 10])]
    part.names = (*NAMES, "gear")
    shutil.copy("train/2.png", "val/9.png")
    part.write(Path("planted"))
    shutil.copy("train/2.png", "planted/9.png")
    found = findings(detcli, "train", "--val", "planted")
    assert len(found) >= 3
    assert all(finding["advice"] and finding["message"] and finding["count"] for finding in found.values())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nothing",), 4, "'nothing' does not exist"),
        (("train", "--part", "val", "--val", "val"), 2, "--part is for the parts of one dataset"),
        (("train", "--val-images", "val"), 2, "--val-images is for --val, which is missing"),
        (("train", "--imgsz", "0"), 2, "--imgsz"),
        (("train", "--decode", "large"), 2, "--decode"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(
    detcli: Detcli, arguments: tuple[str, ...], code: int, told: str
) -> None:
    run = detcli("data", "check", *arguments)
    assert (run.code, run.out) == (code, "")
    assert told in run.err
