"""All settings of a training run in one frozen record: published ones, then a TOML file, then the user's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from detcli.training.recipes.recipe_bounds import BOUNDS
from detcli.training.recipes.recipe_checks import check_fields
from detcli.training.recipes.recipe_file import read_fields, toml_text
from detcli.training.recipes.recipe_schema import checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The settings of a run: everything that decides the result, except network, data and machine.

    epochs                   number of epochs
    batch                    total batch size, over all processes and micro-batches
    base_batch               batch size that the learning rates are meant for
    lr_scaling               how they change with batch / base_batch: "linear", or "square-root"
    fit_to_data              change fields that the user did not set, where an epoch of the data has less than 100 steps
    accumulate               gradient accumulation steps: micro-batches that pass through the network one after the other;
                             losses and norms see one at a time, so the result differs a little from a single batch
    lr, backbone_lr          learning rates of AdamW for `base_batch` images, after the warm-up
    weight_decay, betas      of AdamW
    clip                     largest norm of the gradient; 0: no limit
    warmup_steps             steps in which the rates rise from 0; at most a tenth of all steps
    schedule                 of the rates after the warm-up: "constant"; "step", they are multiplied by `gamma` at each of
                             `milestone_epochs`; "cosine", they fall along half a cosine to `final_factor`; "flat-cosine",
                             the same after `flat_fraction` of all steps
    ema_decay                of the moving average of the weights, which is evaluated and saved; 0: no average, the
                             weights themselves
    ema_warmup_steps         warm-up of the average: decay x (1 - exp(-step / these))
    ema_restart_decay        its decay from `stop_augmentation_epoch` on
    stop_augmentation_epoch  from this epoch (counted from 0) on, images are only flipped, turned by quarters, and have their
                             validation size; training restarts from the best weights so far; 0: never
    photometric, flip        probability of each augmentation; the flip is horizontal
    vertical_flip            probability of a vertical flip
    quarter_turn             probability of a rotation by 90, 180 or 270 degrees
    rotation, max_rotation   probability of a rotation about the center, and its largest angle in degrees
    shortest_edges           for networks that take images of many sizes: lengths of the shortest edge, of which one is
                             drawn per image; validation uses the largest. Empty: all images have one size
    longest_edge             limit of the longest edge
    random_crop              probability of a crop before resizing: the shortest edge becomes one of `crop_edges`, height and
                             width of the crop are drawn from `crop_sides`, smallest and largest
    zoom_out, iou_crop, mosaic    probability of each augmentation for images of one size
    copy_paste, mixup        probability of objects of another image, pasted, and of the mean with another image
    hue, random_gamma, blur, noise, jpeg    probability of each change of pixels alone
    hue_shift                largest rotation of hues, in full rotations
    gamma_range, blur_sigma, noise_sigma, jpeg_quality    smallest and largest exponent, standard deviation in pixels,
                             standard deviation in gray levels of 255, and quality, of the changes above
    image_size               height and width of those images
    resize                   how they get this size: "stretch", or "letterbox", which keeps their aspect ratio and pads them
    multi_scale_repeat       weight of this size among the sizes of 0.75 to 1.25 times it that a batch may have; 0: always
                             this size
    precision                fp32 (IEEE 754); tf32 on CUDA; or torch's autocast of the forward pass to bf16 or fp16
    images_per_epoch         0: all of them, those of rare classes several times with `repeat_threshold`
    repeat_threshold         images with a class that less than this fraction of images has are drawn more often: sqrt(threshold
                             / fraction) times. 0: all equally often
    max_empty_fraction       largest fraction of an epoch's images that may be without boxes; 1: no limit
    class_weights            of the classification loss: "none"; "balanced", classes with few boxes weigh more; or a table of
                             class = weight, in which other classes have 1
    teacher_weight           of the losses of a teacher, where there is one, beside those of the ground truth
    max_failed_fraction      largest fraction of an epoch's images that may fail to be read
    seed                     random seed
    evaluate_every_epochs    epochs between validations; the last epoch is always validated
    save_every_s             seconds between two saved states within an epoch: what a killed run may lose
    log_every_steps          steps between two lines of metrics.jsonl within an epoch
    patience                 epochs without a higher AP after which training ends; 0: it never ends early
    max_skipped_steps        steps with NaN or infinity that are skipped, the weights unchanged; at the last of them the
                             rates fall to a tenth for the rest of the run, and after as many again training ends.
                             0: training ends at the first
    frozen                   what is not trained: "backbone", "encoder", "all-but-heads", or the start of the names of
                             parameters; norms within keep their statistics
    mask_head                add a mask head to a detector, to train masks
    network                  fields of config.json that training sets
    """

    epochs: int = 132
    batch: int = 32
    base_batch: int = 32
    lr_scaling: Literal["linear", "square-root"] = "linear"
    fit_to_data: bool = True
    accumulate: int = 1
    lr: float = 2e-4
    backbone_lr: float = 1e-4
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 0.1
    warmup_steps: int = 500
    schedule: Literal["constant", "step", "cosine", "flat-cosine"] = "constant"
    milestone_epochs: tuple[int, ...] = ()
    gamma: float = 0.1
    flat_fraction: float = 0.5
    final_factor: float = 0.01
    ema_decay: float = 0.9999
    ema_warmup_steps: int = 1000
    ema_restart_decay: float = 0.9999
    stop_augmentation_epoch: int = 120
    photometric: float = 0.5
    flip: float = 0.5
    vertical_flip: float = 0.0
    quarter_turn: float = 0.0
    rotation: float = 0.0
    max_rotation: float = 10.0
    shortest_edges: tuple[int, ...] = ()
    longest_edge: int = 1333
    random_crop: float = 0.0
    crop_edges: tuple[int, ...] = (400, 500, 600)
    crop_sides: tuple[int, int] = (384, 600)
    zoom_out: float = 0.5
    iou_crop: float = 0.8
    mosaic: float = 0.0
    copy_paste: float = 0.0
    mixup: float = 0.0
    hue: float = 0.0
    hue_shift: float = 0.1
    random_gamma: float = 0.0
    gamma_range: tuple[float, float] = (0.67, 1.5)
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.5, 2.0)
    noise: float = 0.0
    noise_sigma: tuple[float, float] = (2.0, 10.0)
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (30, 90)
    image_size: tuple[int, int] = (640, 640)
    resize: Literal["stretch", "letterbox"] = "stretch"
    multi_scale_repeat: int = 20
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    images_per_epoch: int = 0
    repeat_threshold: float = 0.0
    max_empty_fraction: float = 1.0
    class_weights: Literal["none", "balanced"] | Mapping[str, float] = field(default="none", hash=False)
    teacher_weight: float = 1.0
    max_failed_fraction: float = 0.1
    seed: int = 0
    evaluate_every_epochs: int = 1
    save_every_s: float = 300.0
    log_every_steps: int = 50
    patience: int = 0
    max_skipped_steps: int = 0
    frozen: tuple[str, ...] = ()
    mask_head: bool = False
    network: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def merged(self, changes: Mapping[str, Any], where: str = "the recipe") -> "Recipe":
        """The recipe with the fields that `changes` names, values as TOML or Python gives them.

        Where `epochs` changes and `stop_augmentation_epoch` or `milestone_epochs` does not, these change in
        proportion.

        Raises UsageError, naming `where` and the field, for what is unknown, of a wrong type or out of bounds.
        """
        values = checked(Recipe, BOUNDS, changes, where)
        for name in ("network", "class_weights"):
            before = getattr(self, name)
            if isinstance(before, Mapping) and isinstance(values.get(name), Mapping):
                values[name] = {**before, **values[name]}
        if "epochs" in values:
            share = values["epochs"] / self.epochs
            values.setdefault("stop_augmentation_epoch", round(self.stop_augmentation_epoch * share))
            values.setdefault("milestone_epochs", tuple(round(epoch * share) for epoch in self.milestone_epochs))
        made = replace(self, **values)
        made.check(where)
        return made

    def check(self, where: str = "the recipe") -> None:
        """Raise UsageError, naming `where`, for fields that contradict each other."""
        check_fields(self.as_mapping(), where)

    @property
    def rate_scale(self) -> float:
        """The factor of the learning rates for this batch size."""
        scale = self.batch / self.base_batch
        return scale if self.lr_scaling == "linear" else scale**0.5

    @property
    def trains_masks_alone(self) -> bool:
        """Whether the detector is frozen and only its masks are trained: then masks are evaluated."""
        return self.mask_head and bool(self.frozen)

    def resized(self, shortest: int, longest: int) -> dict[str, Any]:
        """The fields for validation images of this size; the other lengths change in proportion.

        shortest, longest  length of the shortest edge, and limit of the longest
        """
        share = shortest / max(self.shortest_edges)

        def scaled(lengths: tuple[int, ...]) -> list[int]:
            return [max(1, round(length * share)) for length in lengths]

        return {
            "shortest_edges": scaled(self.shortest_edges),
            "longest_edge": longest,
            "crop_edges": scaled(self.crop_edges),
            "crop_sides": scaled(self.crop_sides),
        }

    def as_mapping(self) -> dict[str, Any]:
        """Every field by its name, with lists instead of tuples, as JSON and TOML values."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
            for name, value in plain.items()
        }

    def to_toml(self) -> str:
        """The recipe as a TOML file that `merged_with_file` reads back unchanged."""
        return toml_text(self.as_mapping())

    def merged_with_file(self, path: Path) -> "Recipe":
        """The recipe with the fields of a TOML file. Raises UsageError naming the file."""
        return self.merged(read_fields(path), f"'{path}'")

    @classmethod
    def read_toml(cls, path: Path) -> "Recipe":
        """A complete recipe from a file that `to_toml` wrote; missing fields have their defaults."""
        return cls().merged_with_file(path)
