"""Images of many sizes enter the network as transformers' Pillow-backed processors make them, padded ones too."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FitWithin, FixedSize, LongestEdge, NoResize, ShortestEdge
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor, real_pixels
from detcli.models.dfine import DFineFamily
from detcli.structures.frame import Frame, Origin
from detcli.structures.network_io import Batch

REFERENCES = {
    "detr": ("transformers.models.detr.image_processing_pil_detr", "DetrImageProcessorPil"),
    "deformable_detr": (
        "transformers.models.deformable_detr.image_processing_pil_deformable_detr",
        "DeformableDetrImageProcessorPil",
    ),
}
# As the published files of both families have it.
USUAL: dict[str, Any] = {
    "do_resize": True,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_pad": True,
}
LEGACY: dict[str, Any] = {
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "DetrFeatureExtractor",
    "format": "coco_detection",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "max_size": 133,
    "size": 80,
}
SMALL = {**USUAL, "size": {"shortest_edge": 80, "longest_edge": 133}}
SIZES = [(48, 64), (64, 48), (43, 64), (80, 80), (80, 133), (81, 134), (200, 21), (7, 9), (333, 500), (79, 131)]


class ManySizesFamily(DFineFamily):
    name = "wide"
    size_divisor = 1
    preprocessor = USUAL
    scores = "softmax"


FAMILY = ManySizesFamily()
CPU = torch.device("cpu")


def frames(sizes: Sequence[tuple[int, int]]) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [
        Frame(Origin(i, f"{i}.png", f"{i}.png", str(i)), size, rng.integers(0, 256, (*size, 3), np.uint8))
        for i, size in enumerate(sizes)
    ]


def reference_output(family: str, settings: dict[str, Any], given: Sequence[Frame]) -> Any:
    module, name = REFERENCES[family]
    reference = getattr(pytest.importorskip(module), name)(**settings)
    return reference([Image.fromarray(cast("Any", frame.pixels)) for frame in given], return_tensors="pt")


def prepared(config: dict[str, Any], given: Sequence[Frame]) -> Batch:
    return Preprocessor(Preprocessing.of(config, FAMILY), CPU).batch(given)


@pytest.mark.parametrize("family", REFERENCES)
@pytest.mark.parametrize("settings", [SMALL, LEGACY, {**SMALL, "resample": 3}, {**SMALL, "do_normalize": False}])
def test_pixels_of_single_images_are_bit_equal_to_the_reference(family: str, settings: dict[str, Any]) -> None:
    for frame in frames(SIZES):
        batch = prepared(settings, [frame])
        assert torch.equal(batch.pixels, reference_output(family, settings, [frame])["pixel_values"]), frame.size_hw
        assert batch.mask is None


@pytest.mark.parametrize("size", [(427, 640), (801, 1334), (2000, 301)])
def test_pixels_at_the_published_size_are_bit_equal_to_the_reference(size: tuple[int, int]) -> None:
    given = frames([size])
    assert torch.equal(prepared({}, given).pixels, reference_output("detr", {}, given)["pixel_values"])


@pytest.mark.parametrize("family", REFERENCES)
@pytest.mark.parametrize("pad_size", [None, {"height": 140, "width": 150}])
def test_a_padded_batch_and_its_mask_are_those_of_the_reference(family: str, pad_size: dict[str, int] | None) -> None:
    given, settings = frames(SIZES), {**SMALL, "pad_size": pad_size}
    batch, expected = prepared(settings, given), reference_output(family, settings, given)
    assert batch.mask is not None
    assert torch.equal(batch.pixels, expected["pixel_values"])
    assert torch.equal(batch.mask, expected["pixel_mask"].bool())
    assert batch.sizes_hw.tolist() == [list(size) for size in SIZES]
    assert torch.equal(real_pixels(batch.resized_hw, cast("Any", batch.mask.shape[1:])), batch.mask)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)


def test_a_missing_or_old_file_means_the_defaults_of_the_family() -> None:
    assert Preprocessing.of({}, FAMILY) == Preprocessing.of(USUAL, FAMILY)
    old = Preprocessing.of(LEGACY, FAMILY)
    assert (old.sizing, old.rescale, old.pads) == (ShortestEdge(80, 133), 1 / 255, True)
    assert Preprocessing.of({"pad_and_return_pixel_mask": False}, FAMILY).pads is False
    assert Preprocessing.of({"size": {"height": 64, "width": 32}}, DFineFamily()).size_hw == (64, 32)


def test_the_batch_size_of_a_frame_is_known_before_it_is_prepared() -> None:
    ours = Preprocessor(Preprocessing.of(SMALL, FAMILY), CPU)
    for frame in frames(SIZES):
        ready = ours.prepare(frame).without_pixels()
        assert ready.prepared is not None
        assert ours.batch_size_hw(frame) == ours.batch_size_hw(ready) == ready.prepared.shape[:2]


def test_an_image_of_the_input_size_is_not_resized() -> None:
    frame = frames([(37, 91)])[0]
    assert Preprocessor(Preprocessing(NoResize()), CPU).prepare(frame).prepared is frame.pixels
    assert Preprocessor(Preprocessing(ShortestEdge(37, 91)), CPU).prepare(frame).prepared is frame.pixels


@pytest.mark.parametrize("longest", [800, 1000])
@pytest.mark.parametrize(
    "size_hw", [(1100, 850), (850, 1100), (40, 30), (1000, 1000), (7, 3000), (799, 801), (1237, 333)]
)
def test_a_longest_edge_alone_is_the_length_of_the_longer_side(longest: int, size_hw: tuple[int, int]) -> None:
    """Table Transformer 1.1, with the rounding of its authors' code: a scale for both sides, rounded."""
    sizing = Preprocessing.of({"size": {"longest_edge": longest}}, FAMILY).sizing
    assert sizing == LongestEdge(longest)
    scale = longest / max(size_hw)
    assert sizing.resized_hw(size_hw) == (
        max(1, round(scale * size_hw[0])),
        max(1, round(scale * size_hw[1])),
    )
    assert max(sizing.resized_hw(size_hw)) == longest


def test_a_longest_edge_survives_writing_and_takes_one_number() -> None:
    preprocessing = Preprocessing.of({"size": {"shortest_edge": None, "longest_edge": 800}}, FAMILY)
    assert preprocessing.as_json()["size"] == {"longest_edge": 800}
    assert Preprocessing.of(preprocessing.as_json(), FAMILY) == preprocessing
    assert preprocessing.with_size((640, 640), 1).sizing == LongestEdge(640)
    assert preprocessing.image_size == (800, 800)
    with pytest.raises(UsageError, match=r"`image_size` 480 640: .* the longer side: `image_size` 640"):
        preprocessing.with_size((480, 640), 1)
    with pytest.raises(UnsupportedModelError, match=r"size is .*not a height and a width: .* multiples of 32"):
        Preprocessing.of({"size": {"longest_edge": 800}}, DFineFamily())


@pytest.mark.parametrize("value", [0, -800, 20000, "800", 800.0, True, [800]])
def test_a_longest_edge_that_is_no_length_is_refused(value: object) -> None:
    with pytest.raises(UnsupportedModelError, match=r"size .* is not an integer from 1 to 16384"):
        Preprocessing.of({"size": {"longest_edge": value}}, FAMILY)


def test_only_a_fixed_rule_has_one_size() -> None:
    assert Preprocessing(FixedSize((32, 64))).size_hw == (32, 64)
    assert Preprocessing(ShortestEdge(32, 64), pad_size_hw=(64, 64)).size_hw == (64, 64)
    for sizing in (ShortestEdge(32, 64), LongestEdge(64), FitWithin((32, 64)), NoResize()):
        assert Preprocessing(sizing).size_hw is None


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"pad_size": {"height": 1332, "width": 1333}}, "pad_size .* but images may be larger"),
        ({"pad_size": 1333}, "pad_size is 1333"),
        ({"pad_size": {"height": 1400, "width": 1400}, "do_resize": False}, "pad_size"),
    ],
)
def test_a_pad_size_that_images_may_not_fit_into_is_refused(config: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        Preprocessing.of(config, FAMILY)


def test_an_image_size_beyond_the_pad_size_is_a_usage_error() -> None:
    padded = Preprocessing(ShortestEdge(80, 133), pad_size_hw=(140, 150))
    assert padded.with_size((80, 140), 1).image_size == (80, 140)
    with pytest.raises(UsageError, match="pads every image to 140 x 150"):
        padded.with_size((80, 141), 1)
