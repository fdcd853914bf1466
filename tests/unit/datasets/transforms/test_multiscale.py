import numpy as np
import pytest
import torch

from detcli.datasets.transforms.multiscale import draw_size, resize_batch, scales


def test_sizes_for_640_are_those_of_d_fine() -> None:
    sides = [height for height, width in scales((640, 640), 4) if height == width]
    assert sides == [480, 512, 544, 576, 608, 640, 640, 640, 640, 800, 768, 736, 704, 672]


def test_without_a_repeat_there_is_one_size() -> None:
    assert scales((640, 320), None) == ((640, 320),)


@pytest.mark.parametrize("size_hw", [(640, 480), (320, 320), (64, 96), (32, 32), (384, 1280)])
@pytest.mark.parametrize("repeat", [0, 3])
def test_every_size_is_a_multiple_within_25_percent(size_hw: tuple[int, int], repeat: int) -> None:
    sizes = scales(size_hw, repeat, 32)
    for size in sizes:
        for side, base in zip(size, size_hw, strict=True):
            assert side % 32 == 0
            assert abs(side - base) <= max(base / 4 + 32, 32)
    assert sizes.count(size_hw) >= max(repeat, len(sizes) == 1)


def test_a_seed_determines_the_size_and_all_sizes_occur() -> None:
    sizes = scales((320, 320), 1)
    assert {draw_size(sizes, seed) for seed in range(200)} == set(sizes)
    assert draw_size(sizes, 7) == draw_size(sizes, 7)


def test_a_batch_is_resized_to_the_nearest_pixel() -> None:
    batch = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resize_batch(batch, (4, 4)) is batch
    assert np.array_equal(resize_batch(batch, (2, 2))[0, 0], batch[0, 0, ::2, ::2])
