"""The default batch size on a GPU follows from the memory that small batches need."""

import pytest

from detcli.errors import DeviceError
from detcli.inference.batches.batch_probe import probed_batch

MIB = 1 << 20


@pytest.mark.parametrize(
    ("base", "each", "free", "expected"),
    [
        (100, 200, 140_000, 64),  # a large GPU: the most that is useful
        (100, 200, 8_000, 16),  # 0.8 * 8000 = 6400 -> 31 images
        (100, 200, 800, 2),
        (100, 2_000, 1_000, 1),
        (0, 0, 1_000, 64),
    ],
)
def test_the_largest_power_of_two_that_fits(base: int, each: int, free: int, expected: int) -> None:
    assert probed_batch(lambda count: (base + each * count) * MIB, free * MIB, most=64) == expected


def test_a_batch_of_two_that_does_not_fit_means_one() -> None:
    def peak_bytes(count: int) -> int:
        if count == 2:
            raise DeviceError("out of memory", out_of_memory=True)
        return 1000 * MIB

    assert probed_batch(peak_bytes, 100 * MIB, most=64) == 1


def test_a_lost_device_is_not_hidden() -> None:
    def peak_bytes(count: int) -> int:
        raise DeviceError("cuda:0 was lost")

    with pytest.raises(DeviceError, match="lost"):
        probed_batch(peak_bytes, 100 * MIB, most=64)


def test_memory_that_shrinks_from_one_to_two_images_is_no_error() -> None:
    assert probed_batch(lambda count: (300 - 100 * count) * MIB, 1000 * MIB, most=8) == 8
