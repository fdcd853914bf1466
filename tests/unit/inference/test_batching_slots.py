"""Positions of images in deterministic batches: images in a row have different ones, and so have those of a shard."""

from math import gcd

from detcli.inference.batches.batching import slot_of


def test_images_in_a_row_and_those_of_a_shard_fill_batches() -> None:
    for size in (1, 2, 3, 4, 8, 32):
        for count in (1, 2, 3, 4, 5, 7, 16, 64):
            for number in (0, count - 1):
                slots = [slot_of(index, size) for index in range(number, 4 * size * count, count)]
                different = size // gcd(size, count)
                for start in range(0, len(slots), different):
                    assert len(set(slots[start : start + different])) == different
                    assert set(slots[start : start + different]) <= set(range(size))
