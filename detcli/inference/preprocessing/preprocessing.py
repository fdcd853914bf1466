"""How images are turned into the input of a network, as preprocessor_config.json says; numpy only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessing.letterbox import is_letterboxed, letterbox_fields, read_letterbox
from detcli.inference.preprocessing.preprocessor_checks import check_fields, kind_of
from detcli.inference.preprocessing.preprocessor_values import (
    fits,
    modern,
    number_of,
    read_pad_size,
    resampling,
    three_of,
)
from detcli.inference.preprocessing.resize_rules import (
    FitWithin,
    FixedSize,
    Letterbox,
    NoResize,
    SizeHW,
    Sizing,
    read_sizing,
)
from detcli.structures.frame import Pixels
from detcli.structures.resize import InputBorder

if TYPE_CHECKING:
    from detcli.models.family import Family


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How images are turned into the input of a network.

    sizing       the rule for their size
    resample     Pillow's filter, antialiased, on uint8
    rescale      factor for 0 … 255; None: the network takes 0 … 255
    mean, std    per channel, after scaling; None: no normalization
    pads         whether images of different sizes may share a batch, with zeros at the bottom and the right
    pad_size_hw  every image is padded to this size, alone too; None: to the largest image in the batch. The network then
                 learned boxes as fractions of the padded input, as transformers' processors make them
    has_mask     whether the network is given the mask of padded batches
    """

    sizing: Sizing = field(default_factory=lambda: FixedSize((640, 640)))
    resample: Image.Resampling = Image.Resampling.BILINEAR
    rescale: float | None = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    pads: bool = True
    pad_size_hw: SizeHW | None = None
    has_mask: bool = True

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        family: "Family",
        *,
        size_divisor: int | None = None,
        file: str = "preprocessor_config.json",
    ) -> "Preprocessing":
        """Read preprocessor_config.json of a family; missing fields, perhaps all, have the defaults of the kind of processor.

        file  name for messages

        Raises UnsupportedModelError with the file and the field that is not supported.
        """
        divisor = family.size_divisor if size_divisor is None else size_divisor
        try:
            complete = complete_fields(config, family)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{file}: {error}") from error
        return cls.from_json(complete, size_divisor=divisor, file=file)

    @classmethod
    def from_json(
        cls, config: Mapping[str, Any], *, size_divisor: int = 1, file: str = "preprocessor_config.json"
    ) -> "Preprocessing":
        """Read a complete preprocessor_config.json; missing fields have the defaults of D-FINE.

        Raises UnsupportedModelError with the file and the field that is not supported.
        """
        try:
            check_fields(config)
            return cls._read(modern(config), size_divisor)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{file}: {error}") from error

    @classmethod
    def _read(cls, config: Mapping[str, Any], size_divisor: int) -> "Preprocessing":
        normalises = config.get("do_normalize", False) is True
        pads = config.get("do_pad", True) is True
        padded = pads and config.get("pad_size") is not None  # then the network's input has the size after padding
        sizing = read_sizing(config, 1 if padded else size_divisor)
        pad_size_hw = read_pad_size(config.get("pad_size"), sizing, size_divisor) if pads else None
        if padded and is_letterboxed(config):
            sizing, pad_size_hw = read_letterbox(config, sizing, pad_size_hw, size_divisor), None
        return cls(
            sizing,
            resample=resampling(config.get("resample", 2)),
            rescale=number_of(config.get("rescale_factor", 1 / 255), "rescale_factor")
            if config.get("do_rescale", True) is True
            else None,
            mean=three_of(config, "image_mean", (0.485, 0.456, 0.406)) if normalises else None,
            std=three_of(config, "image_std", (0.229, 0.224, 0.225)) if normalises else None,
            pads=pads,
            pad_size_hw=pad_size_hw,
            has_mask=size_divisor == 1,
        )

    def as_json(self) -> dict[str, Any]:
        """Write the complete preprocessor_config.json that `from_json` reads as this record."""
        document: dict[str, Any] = {
            "do_resize": not isinstance(self.sizing, NoResize),
            "resample": int(self.resample),
            "do_rescale": self.rescale is not None,
            "do_normalize": self.mean is not None,
            "do_pad": self.pads,
        }
        document |= self.size_fields()
        if self.rescale is not None:
            document["rescale_factor"] = self.rescale
        if self.mean is not None and self.std is not None:
            document |= {"image_mean": list(self.mean), "image_std": list(self.std)}
        return document

    def size_fields(self) -> dict[str, Any]:
        """The fields of preprocessor_config.json for the size of images and their padding to a fixed size."""
        fields: dict[str, Any] = {} if isinstance(self.sizing, NoResize) else {"size": self.sizing.as_json()}
        if isinstance(self.sizing, Letterbox):
            fields |= letterbox_fields(self.sizing)
        if self.pad_size_hw is not None:
            fields |= {"do_pad": True, "pad_size": dict(zip(("height", "width"), self.pad_size_hw, strict=True))}
        return fields

    @property
    def size_hw(self) -> SizeHW | None:
        """The input size, padding included, if it is the same for all images; else None."""
        if self.pad_size_hw is not None:
            return self.pad_size_hw
        return self.sizing.size_hw if isinstance(self.sizing, FixedSize | Letterbox) else None

    @property
    def border(self) -> InputBorder | None:
        """The border of images that keep their aspect ratio in an input of one size; None if they have none."""
        if isinstance(self.sizing, Letterbox):
            return self.sizing.border
        is_padded = isinstance(self.sizing, FitWithin) and self.sizing.max_hw == self.pad_size_hw
        return InputBorder() if is_padded else None

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule; None if there is none."""
        return self.sizing.image_size

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return self.sizing.resized_hw(size_hw)

    def with_size(self, size_hw: Sequence[int], divisor: int) -> "Preprocessing":
        """Return the same rule for another `image_size`. Raises UsageError if the network cannot take it."""
        sizing = self.sizing.with_image_size(size_hw, divisor)
        if isinstance(sizing, FitWithin) and self.border is not None:
            return replace(self, sizing=sizing, pad_size_hw=sizing.max_hw)
        if self.pad_size_hw is not None and not fits(sizing, self.pad_size_hw):
            height, width = self.pad_size_hw
            raise UsageError(
                f"`image_size`: the model pads every image to {height} x {width}; larger images do not fit"
            )
        return replace(self, sizing=sizing)

    def resize(self, image: Image.Image) -> Pixels:
        """Resize an RGB image for the network with Pillow; releases the GIL."""
        if isinstance(self.sizing, Letterbox):
            return self._letterboxed(image, self.sizing)
        height, width = self.resized_hw((image.height, image.width))
        return np.asarray(image.resize((width, height), self.resample))

    def _letterboxed(self, image: Image.Image, sizing: Letterbox) -> Pixels:
        size_hw = image.height, image.width
        (height, width), (top, left) = sizing.content_hw(size_hw), sizing.corner(size_hw)
        pixels: Pixels = np.full((*sizing.size_hw, 3), sizing.value, np.uint8)
        pixels[top : top + height, left : left + width] = np.asarray(image.resize((width, height), self.resample))
        return pixels


def complete_fields(config: Mapping[str, Any], family: "Family") -> dict[str, Any]:
    """Return preprocessor_config.json with all fields: missing ones are those of its kind of processor, else of the family.

    Raises UnsupportedModelError for an unknown kind, without the name of the file.
    """
    own = family.preprocessor
    kind = kind_of(config, str(own.get("image_processor_type")))
    if kind is None or kind == own.get("image_processor_type"):
        return {**own, **modern(config)}
    from detcli.models.family import FAMILIES

    others = (other.preprocessor for other in FAMILIES.values())
    return {**next((each for each in others if each.get("image_processor_type") == kind), own), **modern(config)}
