"""How often a batch is copied to a device and back; a tensor without data stands for a GPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from detcli.inference.batches.host_copy import EarlierWork, HostCopy, upload
from detcli.inference.postprocessing import tensor_postprocess
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.postprocessing.tensor_postprocess import select, without_padding
from detcli.inference.preprocessing import tensor_preprocessor
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge, Sizing
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.operator_modes import HostWaits
from detcli.structures.frame import Frame, Origin
from detcli.structures.network_io import Batch, Outputs

DEVICE = torch.device("meta")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Uploads(TorchDispatchMode):
    """Collects, for each copy to the device, whether the host may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.non_blocking: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func.overloadpacket.__name__ == "_to_copy" and args[0].device.type == "cpu" and result.device == DEVICE:
            self.non_blocking.append(bool(kwargs.get("non_blocking")))
        return result


def frames(sizes_hw: Sequence[tuple[int, int]]) -> list[Frame]:
    origins = [Origin(i, f"{i}", f"{i}", str(i)) for i in range(len(sizes_hw))]
    return [
        Frame(origin, size_hw, np.zeros((*size_hw, 3), np.uint8))
        for origin, size_hw in zip(origins, sizes_hw, strict=True)
    ]


def uploads(preprocessing: Preprocessing, sizes_hw: Sequence[tuple[int, int]], *, resize: bool = False) -> list[bool]:
    """The copies of the second batch of images of these sizes."""
    preprocessor = Preprocessor(preprocessing, DEVICE, resize_on_device=resize)
    preprocessor.batch(frames(sizes_hw))
    with Uploads() as seen:
        batch = preprocessor.batch(frames(sizes_hw))
    assert batch.pixels.device == DEVICE
    return seen.non_blocking


@pytest.mark.parametrize("normalization", [{}, {"mean": MEAN, "std": STD}])
@pytest.mark.parametrize("sizing", [FixedSize((32, 48)), ShortestEdge(32, 64)])
def test_a_batch_of_one_size_is_one_copy(sizing: Sizing, normalization: dict[str, Any]) -> None:
    assert uploads(Preprocessing(sizing, **normalization), [(40, 60)] * 4) == [True]


def test_a_padded_batch_is_its_pixels_and_its_mask() -> None:
    assert (
        uploads(Preprocessing(ShortestEdge(32, 64), mean=MEAN, std=STD), [(40, 60), (60, 40), (40, 40)]) == [True] * 2
    )


def test_images_that_the_device_resizes_are_one_copy_for_each_size() -> None:
    sizes = [(40, 60), (61, 45), (40, 60), (32, 48), (61, 45)]
    assert uploads(Preprocessing(FixedSize((32, 48))), sizes, resize=True) == [True] * 3


def test_large_images_are_resized_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_preprocessor, "_VALUES_TOGETHER", 2 * 40 * 60 * 3)
    assert uploads(Preprocessing(FixedSize((32, 48))), [(40, 60)] * 5, resize=True) == [True] * 3


def test_filters_of_a_new_size_do_not_wait_either() -> None:
    preprocessor = Preprocessor(Preprocessing(FixedSize((32, 48))), DEVICE, resize_on_device=True)
    with Uploads() as seen:
        preprocessor.batch(frames([(301, 211)]))
    assert seen.non_blocking == [True] * 5  # the image, and two tensors for each of two axes


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("class_ids", [None, (2, 0)])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_selection_copies_nothing_to_the_device(scores: Any, class_ids: tuple[int, ...] | None, device: str) -> None:
    tensor_postprocess._class_ids.cache_clear()
    selection = Selection(0.1, 10, class_ids, scores)
    outputs = Outputs(torch.rand(2, 30, 5, device=device), torch.rand(2, 30, 4, device=device))
    select(outputs, selection)
    with HostWaits() as waits:
        rows = select(outputs, selection)
    assert waits.names == []
    assert rows.shape == (2, 10, 6)


def test_boxes_of_padded_inputs_need_one_copy() -> None:
    sizes = torch.tensor([[40, 60], [50, 30]])
    batch = Batch(torch.empty(2, 3, 64, 64, device=DEVICE), None, sizes, sizes)
    outputs = Outputs(torch.empty(2, 30, 5, device=DEVICE), torch.empty(2, 30, 4, device=DEVICE))
    with Uploads() as seen:
        without_padding(outputs, batch)
    assert seen.non_blocking == [True]


def test_a_copy_has_the_numbers_of_its_tensor() -> None:
    tensor = torch.arange(6).reshape(2, 3)
    with EarlierWork(tensor.device).only():
        assert torch.equal(HostCopy(tensor + 1).wait(), tensor + 1)
    assert torch.equal(HostCopy(tensor).wait(), tensor)
    assert torch.equal(upload(tensor, torch.device("cpu")), tensor)
