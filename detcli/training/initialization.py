"""The network that training starts from: a model whose class head fits the data, or random weights."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detcli.checkpoints import catalog
from detcli.checkpoints.checkpoint_files import read_config
from detcli.checkpoints.hub.locate_model import DownloadProgress, locate
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import PREPROCESSOR, ModelFiles, Variant, trainer_checkpoint
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessing.preprocessing import complete_fields
from detcli.inference.read_model import describe_model, read_model
from detcli.models.family import FAMILIES, Family, ReplacedClassHead, family_of
from detcli.training.optimization.freezing import frozen_parameters
from detcli.training.recipes.published_recipes import variant_of
from detcli.training.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A network to train.

    family        it belongs to
    config        its record, with the classes of the data
    state         its state dict
    preprocessor  preprocessor_config.json
    kept          class indices whose rows are kept
    notes         sentences for the user
    """

    family: Family
    config: Any
    state: dict[str, Tensor]
    preprocessor: dict[str, Any]
    kept: tuple[int, ...]
    notes: tuple[str, ...]


def starting_point(
    model: str,
    *,
    scratch: bool,
    names: Sequence[str],
    revision: str | None = None,
    offline: bool = False,
    cache_dir: Path | None = None,
    progress: DownloadProgress | None = None,
    variant: Variant | None = None,
    recipe: Recipe,
) -> StartingPoint:
    """The network that training starts from.

    model    name of the catalog, Hub repository, folder or file; from scratch also a config.json, and nothing is
             downloaded for a name of the catalog
    scratch  start from random weights, drawn from the recipe's seed
    names    classes of the data, by class index
    variant  of the network of a .pth file, if the user gives it
    recipe   its `network` fields go into the configuration

    Raises UsageError, ModelError, HubError, AccessError or OutputError.
    """
    where = partial(
        locate, model, revision=revision, offline=offline, cache_dir=cache_dir, progress=progress, variant=variant
    )
    if scratch:
        return _from_scratch(_configuration(model, where), names, recipe)
    if model.endswith(".json") and not model.endswith(".index.json"):
        raise UsageError(f"'{model}' describes a network without weights; use `scratch` to start from random ones")
    checkpoint = read_model(where())
    family, config = _read(checkpoint.config, recipe)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        state = family.read_weights(checkpoint.tensors, config)
    with _seeded(recipe):
        made = family.replace_class_head(state, config, names)
        headed = _with_mask_head(family, made, recipe)
    notes = (*checkpoint.notes, *(str(warning.message) for warning in warned), _kept(made.kept, names))
    if headed is not made:
        _check_detector(family, made, names, recipe)
        notes, made = (*notes, "the model is a box detector: new mask head"), headed
    # Complete, with its kind, or transformers would not read it.
    preprocessor = complete_fields(checkpoint.preprocessor, family)
    return StartingPoint(family, made.config, made.state, preprocessor, made.kept, notes)


def resumed_point(run: Path) -> StartingPoint:
    """The network of a run to resume; its state comes from the run itself.

    Raises UsageError if there is no run, and ModelError if its files are damaged.
    """
    folder = run / "last"
    if not folder.is_dir():
        raise UsageError(f"cannot `resume`: there is no run in '{run}'")
    config_json = read_config(folder)
    family = family_of(config_json)
    preprocessor = read_document(folder / PREPROCESSOR)
    note = f"the network is that of the run in '{run}'; `model` is ignored"
    return StartingPoint(family, family.read_config(config_json), {}, preprocessor, (), (note,))


def _from_scratch(config_json: Mapping[str, Any], names: Sequence[str], recipe: Recipe) -> StartingPoint:
    own = ("num_labels", "category_ids", "stuff", "label2id")
    plain = {name: value for name, value in config_json.items() if name not in own}
    labels = {"id2label": {str(i): name for i, name in enumerate(names)}}
    family, config = _read({**plain, **labels}, recipe)
    if recipe.mask_head and not family.has_masks(config):
        config = family.with_mask_head(config)
    with _seeded(recipe):
        state = family.build(config).state_dict()
    return StartingPoint(
        family,
        config,
        state,
        dict(family.preprocessor),
        (),
        ("training from scratch: the network starts from random weights",),
    )


def _configuration(model: str, where: Callable[[], ModelFiles]) -> dict[str, Any]:
    """config.json of a network to train from scratch; `where` locates its files."""
    entry = catalog.find(model)
    if entry is not None and not entry.is_bundled:
        family = FAMILIES[entry.family]
        return family.write_config(family.published_config(variant_of(entry), ["any"]))
    if model.endswith(".json") and not model.endswith(".index.json"):
        if not Path(model).is_file():
            raise UsageError(f"the configuration '{model}' does not exist")
        return read_document(Path(model))
    if Path(model).is_dir() and entry is None:
        return read_config(trainer_checkpoint(Path(model))[0])
    return describe_model(where()).config


def _read(config_json: Mapping[str, Any], recipe: Recipe) -> tuple[Family, Any]:
    """The family and its record, with what the recipe sets. Raises UsageError for a field that cannot be set."""
    family = family_of(config_json)
    family.read_config(config_json)  # so that errors of the model itself are not attributed to the recipe
    try:
        config = family.read_config({**config_json, **recipe.network})
    except UnsupportedModelError as error:
        raise UsageError(f"the recipe's [network] does not fit the model: {error}") from error
    for name in recipe.network.keys() - family.write_config(config).keys():
        raise UsageError(f"the recipe's [network] sets '{name}', which the model does not have")
    return family, config


def _with_mask_head(family: Family, made: ReplacedClassHead, recipe: Recipe) -> ReplacedClassHead:
    """The network with a new mask head, if the recipe asks for one and there is none."""
    if not recipe.mask_head or family.has_masks(made.config):
        return made
    config = family.with_mask_head(made.config)
    fresh = family.build(config).state_dict()
    return ReplacedClassHead(config, {name: made.state.get(name, tensor) for name, tensor in fresh.items()}, made.kept)


def _check_detector(family: Family, made: ReplacedClassHead, names: Sequence[str], recipe: Recipe) -> None:
    """Raise UsageError if a frozen detector does not have all classes of the data."""
    heads = [name for name in made.state if name.startswith(family.class_heads)]
    is_frozen = any(name in frozen_parameters(recipe.frozen, family, made.state) for name in heads)
    unknown = [f"'{name}'" for index, name in enumerate(names) if index not in set(made.kept)]
    if not is_frozen or not unknown:
        return
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    raise UsageError(
        "a mask head is trained for a frozen detector, and this one does not have the classes "
        f"{', '.join(unknown[:5])}{more}: train it on this data without `masks` first, and then the mask head on the "
        "result; or train everything at once with frozen=[] in `changes`"
    )


@contextmanager
def _seeded(recipe: Recipe) -> Iterator[None]:
    """Seed torch's random numbers with the recipe's seed, for the duration of the block."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        yield


def _kept(kept: Sequence[int], names: Sequence[str]) -> str:
    """A sentence on how many classes the model has already."""
    if len(kept) == len(names):
        return (
            f"the model has all {len(names)} classes already" if len(names) > 1 else "the model has the class already"
        )
    known = ", ".join(f"'{names[index]}'" for index in kept[:5]) + (" …" if len(kept) > 5 else "")
    if kept:
        return f"the model has {len(kept)} of the {len(names)} classes already ({known}); the others start from random weights"
    return f"the model has none of the {len(names)} classes by name: new class head"
