"""A model trained on letterboxed images gives boxes in pixels of the original images, wherever it runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detcli import evaluate, export_model, load_detector, train
from detcli.datasets.shapes import ShapesDataset
from detcli.structures.frame import Frame
from tests.helpers.cli_runs import Run
from tests.helpers.video_frames import video

DATA = "shapes:1:4"  # 192 x 261 to 340 x 223 pixels
UNCHANGED = {"lr": 0, "backbone_lr": 0, "resize": "letterbox"}  # the weights stay those of the bundled model

Boxes = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A letterboxed bundled model, with its metrics and the images of the validation as files."""
    folder = tmp_path_factory.mktemp("letterboxed")
    data = ShapesDataset(DATA)
    for index in range(len(data)):
        Image.fromarray(frame_of(data, index).pixels).save(folder / f"{index}.png")
    train(
        "shapes:0:4", model="shapes", val=DATA, output=folder / "run", epochs=1, batch_size=4, changes=UNCHANGED,
        device="cpu", workers=1, log_to="none",
    )  # fmt: skip
    return folder


def frame_of(data: ShapesDataset, index: int) -> Frame:
    frame = data.read(index)
    assert isinstance(frame, Frame)
    return frame


def assert_on_objects(found: list[Boxes], tolerance: float = 0.75) -> None:
    """Check that each object of the images has a box, and each box an object."""
    data = ShapesDataset(DATA)
    for index, boxes in enumerate(found):
        (height, width), truth = frame_of(data, index).size_hw, data.ground_truth(index).boxes_xyxy
        assert (boxes >= 0).all()
        assert (boxes <= np.array([width, height] * 2) + 1e-3).all()
        overlaps = ious(truth, boxes)
        assert overlaps.max(axis=1).min() > tolerance
        assert overlaps.max(axis=0).min() > tolerance


def ious(one: Boxes, other: Boxes) -> Boxes:
    sides = np.minimum(one[:, None, 2:], other[:, 2:]) - np.maximum(one[:, None, :2], other[:, :2])
    common = sides.clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return np.asarray(common / (areas[0][:, None] + areas[1] - common))


def boxes_of(line: dict[str, Any]) -> Boxes:
    """The boxes xyxy of a line of results."""
    boxes = np.array([each["bbox"] for each in line["detections"]])
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def found_by(run: Path, model: Path, **settings: Any) -> list[Boxes]:
    detector = load_detector(model, device="cpu", **settings)
    return [np.array(detector(run / f"{index}.png").boxes_xyxy) for index in range(4)]


def test_the_saved_folder_keeps_the_aspect_ratio(run: Path) -> None:
    for name in ("best", "last"):
        written = json.loads((run / "run" / name / "preprocessor_config.json").read_text())
        assert written["size"] == {"max_height": 256, "max_width": 256}
        assert written["pad_size"] == {"height": 256, "width": 256}
        assert written["do_pad"] is True
    assert 'resize = "letterbox"' in (run / "run" / "recipe.toml").read_text()


def test_validation_and_evaluation_agree(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "run" / "metrics.jsonl").read_text().splitlines()]
    in_training = next(line["metrics"] for line in lines if line.get("metrics"))
    afterwards = evaluate(data=DATA, model=run / "run" / "best", runtime="torch", device="cpu")
    assert in_training["AP"] > 0.7
    assert afterwards.metrics["AP"] == pytest.approx(in_training["AP"], abs=1e-6)


def test_boxes_are_in_pixels_of_the_images(run: Path) -> None:
    assert_on_objects(found_by(run, run / "run" / "best", runtime="torch"))


def test_another_input_size_is_letterboxed_too(run: Path) -> None:
    assert_on_objects(found_by(run, run / "run" / "best", runtime="torch", image_size=320), tolerance=0.6)


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_exported_files_give_the_same_boxes(run: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"model{suffix}"
    export_model(run / "run" / "best", output=file)
    expected = found_by(run, run / "run" / "best", runtime="torch")
    for ours, theirs in zip(found_by(run, file), expected, strict=True):
        assert np.allclose(ours, theirs, atol=0.1)


def test_commands_give_boxes_in_pixels_of_the_images(run: Path, tmp_path: Path, detcli: Callable[..., Run]) -> None:
    model, files = run / "run" / "best", [run / f"{index}.png" for index in range(4)]
    done = detcli("detect", *files, "-m", model, "-o", tmp_path / "out.jsonl", "-d", "cpu", "--runtime", "torch")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert_on_objects([boxes_of(line) for line in lines])


def test_frames_of_a_video_have_boxes_in_their_pixels(run: Path, tmp_path: Path, detcli: Callable[..., Run]) -> None:
    pixels = np.asarray(Image.open(run / "2.png"))[:, :222]  # 340 x 222: a video has even sides
    file = video(tmp_path / "a.mp4", [pixels] * 3)
    output = tmp_path / "out.jsonl"
    done = detcli("video", file, "-m", run / "run" / "best", "-o", output, "-d", "cpu", "--runtime", "torch")
    assert done.code == 0, done.err
    truth = ShapesDataset(DATA).ground_truth(2).boxes_xyxy
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert ious(truth, boxes_of(line)).max(axis=1).min() > 0.7


def test_transformers_makes_the_same_input_and_boxes(run: Path) -> None:
    import torch
    import transformers

    folder = run / "run" / "best"
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    network = transformers.DFineForObjectDetection.from_pretrained(folder).eval()
    image = Image.open(run / "2.png")
    given = processor(images=image, return_tensors="pt")
    detector = load_detector(folder, device="cpu", runtime="torch", threshold=0.3)
    ours = detector.preprocessor.batch([frame_of(ShapesDataset(DATA), 2)])
    assert torch.equal(given["pixel_values"], ours.pixels)
    with torch.inference_mode():
        outputs = network(given["pixel_values"])
    height, width = detector.preprocessor.preprocessing.resized_hw((image.height, image.width))
    # Not the size of the image: that of the image with its padding.
    padded = torch.tensor([[image.height * 256 / height, image.width * 256 / width]])
    (theirs,) = processor.post_process_object_detection(outputs, target_sizes=padded, threshold=0.3)
    expected = np.array(detector(image).boxes_xyxy)
    found = theirs["boxes"].numpy().clip(0, [image.width, image.height] * 2)
    assert len(found) == len(expected) > 0
    assert ious(expected, found).max(axis=1).min() > 0.99


def test_training_it_further_stays_letterboxed(run: Path, detcli: Callable[..., Run]) -> None:
    command = ("train", "-m", run / "run" / "best", "--data", "shapes:0:4", "-b", "4", "--dry-run", "-d", "cpu")
    further = detcli(*command)
    assert 'resize = "letterbox"' in further.out
    assert "images of 256 x 256, letterboxed" in further.err
    assert "trained on letterboxed images" not in further.err
    stretched = detcli(*command, "--set", "resize=stretch")
    assert 'resize = "stretch"' in stretched.out
    assert "trained on letterboxed images, and this training stretches them to --imgsz" in stretched.err
