"""Pixels enter the network exactly as transformers' Pillow-backed processor makes them."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.structures.frame import Frame, Origin

PIL_PROCESSOR = "transformers.models.rt_detr.image_processing_pil_rt_detr"
SIZES = [
    *[(640, 640), (1, 1), (1, 5000), (4000, 3), (639, 641), (641, 639), (320, 320), (1280, 1280), (427, 640)],
    *[(480, 640), (720, 1280), (1080, 1920), (2, 2), (7, 11), (33, 31), (100, 640), (640, 100), (1279, 1281)],
    *[(963, 511), (64, 2048), (2160, 333), (333, 2160), (599, 801), (801, 1334), (640, 639), (513, 640), (50, 50)],
    *[(1500, 1000), (999, 1), (1201, 799)],
]


def image(size_hw: tuple[int, int], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)


def frame(pixels: np.ndarray[Any, Any]) -> Frame:
    return Frame(Origin(0, "a.png", "a.png", "a"), pixels.shape[:2], pixels)  # type: ignore[arg-type]


def processor(**settings: Any) -> Any:
    module = pytest.importorskip(PIL_PROCESSOR)
    return module.RTDetrImageProcessorPil(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": {"height": 320, "width": 448}},
        {"do_normalize": True},
        {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.9, 0.8, 0.7]},
        {"rescale_factor": 1 / 127.5},
        {"resample": 3},
        {"do_normalize": True, "image_mean": 0.5, "image_std": 0.25},
        {"size": {"max_height": 96, "max_width": 96}, "do_pad": True, "pad_size": {"height": 96, "width": 128}},
    ],
)
def test_pixel_values_are_bit_equal_to_the_reference(settings: dict[str, Any]) -> None:
    reference = processor(**settings)
    ours = Preprocessor(Preprocessing.from_json(settings, size_divisor=32), torch.device("cpu"))
    assert len(SIZES) == 30
    for seed, size_hw in enumerate(SIZES):
        if "pad_size" in settings and max(size_hw) > 90 * min(size_hw):
            continue  # the reference makes an image of no pixels
        pixels = image(size_hw, seed)
        expected = reference(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
        assert torch.equal(ours.batch([frame(pixels)]).pixels, expected), (settings, size_hw)


def test_a_batch_is_its_images_one_by_one() -> None:
    ours = Preprocessor(Preprocessing(FixedSize((64, 96))), torch.device("cpu"))
    frames = [frame(image((20 + 7 * i, 90 - 5 * i), i)) for i in range(6)]
    batch = ours.batch(frames)
    assert batch.pixels.shape == (6, 3, 64, 96)
    assert batch.sizes_hw.tolist() == [list(f.size_hw) for f in frames]
    for index, single in enumerate(frames):
        assert torch.equal(batch.pixels[index : index + 1], ours.batch([single]).pixels)


def test_preparing_ahead_changes_nothing_and_is_done_once() -> None:
    ours = Preprocessor(Preprocessing(FixedSize((64, 64))), torch.device("cpu"))
    raw = frame(image((50, 70)))
    ready = ours.prepare(raw)
    assert ours.prepare(ready) is ready
    assert torch.equal(ours.batch([ready.without_pixels()]).pixels, ours.batch([raw]).pixels)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"size": {"shortest_edge": 800}}, "size"),
        ({"size": 640}, "size"),
        ({"size": {"height": 641, "width": 640}}, "641 is not a multiple of 32; 640 is"),
        ({"size": {"height": 10**9, "width": 640}}, "1000000000"),
        ({"size": {"height": "640", "width": 640}}, "'640'"),
        ({"size": {"height": True, "width": 640}}, "True"),
        ({"resample": 99}, "resample"),
        ({"resample": None}, "resample"),
        ({"resample": "area"}, "resample 'area'"),
        ({"do_normalize": True, "image_std": 0}, "image_std has a zero"),
        ({"do_normalize": True, "image_mean": True}, "image_mean True"),
        ({"rescale_factor": math.nan}, "rescale_factor"),
        ({"rescale_factor": "x"}, "rescale_factor"),
        ({"do_resize": False}, "do_resize"),
        ({"do_normalize": True, "image_mean": [1, 2]}, "image_mean"),
        ({"do_normalize": True, "image_std": [1, 0, 1]}, "image_std"),
        ({"do_normalize": True, "image_std": [1, math.inf, 1]}, "inf"),
        ({"do_normalize": True, "image_mean": [1, [2], 1]}, r"image_mean\.1 \[2\] is not a number"),
        ({"do_normalize": True, "image_mean": [1, 1e300, 1]}, r"image_mean\.1 is 1e\+300"),
        ({"do_normalize": True, "image_std": [1, 1, 1e-300]}, r"image_std\.2 is 1e-300"),
        ({"rescale_factor": 10**30}, "rescale_factor is 10000"),
    ],
)
def test_an_unsupported_preprocessor_is_refused_by_its_field(config: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        Preprocessing.from_json(config, size_divisor=32)


@pytest.mark.parametrize("name", ["bicubic", "BICUBIC", "PILImageResampling.BICUBIC", "Resampling.BICUBIC", 3])
def test_a_filter_is_read_by_its_name_too(name: str | int) -> None:
    assert Preprocessing.from_json({"resample": name}).resample == Image.Resampling.BICUBIC


def test_a_network_without_masks_gets_none_of_a_padded_batch() -> None:
    settings = {"size": {"max_height": 64, "max_width": 64}, "do_pad": True, "pad_size": {"height": 64, "width": 64}}
    padded = Preprocessing.from_json(settings, size_divisor=32)
    batch = Preprocessor(padded, torch.device("cpu")).batch([frame(image((50, 100)))])
    assert (padded.size_hw, batch.mask, batch.pixels.shape) == ((64, 64), None, (1, 3, 64, 64))
    assert batch.resized_hw.tolist() == [[32, 64]]
    assert not batch.pixels[:, :, 32:].any()
    with pytest.raises(UnsupportedModelError, match="pad_size 100 is not a multiple of 32; 96 is"):
        Preprocessing.from_json({**settings, "pad_size": {"height": 100, "width": 64}}, size_divisor=32)


def test_an_unsupported_image_size_is_a_usage_error() -> None:
    assert Preprocessing().with_size((320, 416), 32).size_hw == (320, 416)
    with pytest.raises(UsageError, match="`image_size` 333 is not a multiple of 32; 320 is"):
        Preprocessing().with_size((333, 416), 32)
