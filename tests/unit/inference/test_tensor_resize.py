"""Resizing with tensors gives Pillow's bits."""

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.inference.preprocessing.tensor_resize import is_supported, resize
from detcli.structures.frame import Frame, Origin

FILTERS = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX]


def random_sizes(count: int) -> list[tuple[int, int, int, int]]:
    random = np.random.default_rng(11)
    sizes = [tuple(int(side) for side in random.integers(1, 400, 4)) for _ in range(count - 6)]
    extreme = [(1, 1, 64, 64), (640, 480, 640, 480), (37, 500, 37, 9), (500, 37, 9, 37), (2, 999, 3, 1), (999, 2, 1, 3)]
    return [*sizes, *extreme]  # type: ignore[list-item]


@pytest.mark.parametrize("resample", FILTERS)
def test_two_hundred_sizes_have_the_bits_of_pillow(resample: Image.Resampling) -> None:
    random = np.random.default_rng(3)
    for height, width, new_height, new_width in random_sizes(200):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if height % 2:
            pixels = np.where(pixels > 127, np.uint8(255), np.uint8(0))  # overshoots of the cubic filter
        expected = np.asarray(Image.fromarray(pixels).resize((new_width, new_height), resample))
        found = resize(torch.from_numpy(pixels), (new_height, new_width), resample)
        assert found.numpy().tobytes() == expected.tobytes(), (height, width, new_height, new_width)


@pytest.mark.parametrize("resample", FILTERS)
@pytest.mark.parametrize("size_hw", [(20, 90), (90, 20), (50, 20), (31, 70)])
def test_several_images_have_the_bits_of_each(resample: Image.Resampling, size_hw: tuple[int, int]) -> None:
    pixels = torch.randint(0, 256, (2, 3, 50, 70, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    together = resize(pixels, size_hw, resample)
    assert together.shape == (2, 3, *size_hw, 3)
    for row, images in zip(together, pixels, strict=True):
        assert all(torch.equal(one, resize(image, size_hw, resample)) for one, image in zip(row, images, strict=True))


def test_other_filters_are_not_supported() -> None:
    assert all(is_supported(filter_) for filter_ in FILTERS)
    assert not is_supported(Image.Resampling.NEAREST)
    assert not is_supported(Image.Resampling.LANCZOS)


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
def test_a_batch_resized_on_the_device_has_the_same_bits(resample: Image.Resampling) -> None:
    random = np.random.default_rng(5)
    sizes = [(50, 70), (32, 64), (200, 31), (64, 128), (50, 70), (200, 31), (50, 70)]
    frames = [
        Frame(Origin(i, f"{i}", f"{i}", str(i)), size, random.integers(0, 256, (*size, 3), dtype=np.uint8))
        for i, size in enumerate(sizes)
    ]
    preprocessing = Preprocessing(FixedSize((32, 64)), resample=resample)
    expected = Preprocessor(preprocessing, torch.device("cpu"))
    ours = Preprocessor(preprocessing, torch.device("cpu"), resize_on_device=True)
    batch = ours.batch([ours.prepare(frame) for frame in frames])
    reference = expected.batch(frames)
    assert torch.equal(batch.pixels, reference.pixels)
    assert torch.equal(batch.sizes_hw, reference.sizes_hw)
    assert torch.equal(batch.resized_hw, reference.resized_hw)


def test_frames_keep_their_pixels_until_the_device_resizes_them() -> None:
    preprocessing = Preprocessing(FixedSize((32, 64)))
    image = Image.new("RGB", (120, 90), (10, 20, 30))
    assert Preprocessor(preprocessing, torch.device("cpu"), resize_on_device=True).resize(image).shape == (90, 120, 3)
    assert Preprocessor(preprocessing, torch.device("cpu")).resize(image).shape == (32, 64, 3)
