"""How a model resizes images, read from its files without its network."""

from detcli.checkpoints.hub.locate_model import locate
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import Letterbox
from detcli.inference.read_model import describe_model
from detcli.inspection.box_table import InputSizing
from detcli.models.family import family_of


def input_sizing(model: str, image_size: tuple[int, int] | None = None) -> InputSizing:
    """The rule of a model, which is downloaded if it is missing.

    image_size  height and width instead of the model's own

    Raises ModelError, HubError, AccessError and OutputError as `locate`, and UsageError for a size that the model cannot take.
    """
    files = locate(model)
    documents = describe_model(files)
    family = family_of(documents.config)
    fields = documents.preprocessor.fields or family.preprocessor_of(family.read_config(documents.config))
    rule = Preprocessing.of(fields, family, file=documents.preprocessor.name)
    if image_size is not None:
        rule = rule.with_size(image_size, family.size_divisor)
    sizing = rule.sizing
    resized_hw = sizing.content_hw if isinstance(sizing, Letterbox) else sizing.resized_hw
    limits = rule.size_hw or rule.image_size
    return InputSizing(f"images as '{model}' gets them ({_described(rule)})", resized_hw, limits)


def _described(rule: Preprocessing) -> str:
    size_hw = rule.size_hw or rule.image_size
    if size_hw is None:
        return "in their own size"
    return f"{size_hw[0]} x {size_hw[1]}" if rule.size_hw is not None else f"at most {size_hw[0]} x {size_hw[1]}"
