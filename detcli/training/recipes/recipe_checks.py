"""Finds fields of a recipe that contradict each other."""

from collections.abc import Mapping
from typing import Any

from detcli.errors import UsageError

_ONE_SIZE = ("zoom_out", "iou_crop", "mosaic", "multi_scale_repeat")  # for images that are stretched to one size
_RANGES = ("gamma_range", "blur_sigma", "noise_sigma", "jpeg_quality")  # smallest and largest value


def check_fields(recipe: Mapping[str, Any], where: str) -> None:
    """Raise UsageError, naming `where`, for fields of a complete recipe that contradict each other."""
    if recipe["batch"] % recipe["accumulate"]:
        raise UsageError(
            f"{where}: batch {recipe['batch']} cannot be divided into accumulate = {recipe['accumulate']} micro-batches"
        )
    if recipe["schedule"] == "step" and not recipe["milestone_epochs"]:
        raise UsageError(f'{where}: schedule = "step" needs milestone_epochs, the epochs at which the rates fall')
    if recipe["rotation"] and not recipe["max_rotation"]:
        raise UsageError(
            f"{where}: rotation is {recipe['rotation']:g}, but max_rotation is 0: give the largest angle in degrees"
        )
    if recipe["shortest_edges"]:
        _check_edges(recipe, where)
    for name in _RANGES:
        smallest, largest = recipe[name]
        if smallest > largest:
            raise UsageError(f"{where}: {name} is [{smallest:g}, {largest:g}]; the smallest value comes first")


def _check_edges(recipe: Mapping[str, Any], where: str) -> None:
    if recipe["resize"] != "stretch":
        raise UsageError(
            f"{where}: resize is {recipe['resize']}, which is for images of one size; this network takes many and keeps "
            "their aspect ratio (see shortest_edges)"
        )
    for name in _ONE_SIZE:
        if recipe[name]:
            raise UsageError(
                f"{where}: {name} is {recipe[name]:g}, which is for images that are stretched to one size; "
                "this network takes many (see shortest_edges): leave it at 0"
            )
    largest, longest = max(recipe["shortest_edges"]), recipe["longest_edge"]
    if largest > longest:
        raise UsageError(f"{where}: of shortest_edges, {largest} is above longest_edge = {longest}")
    edges, sides = list(recipe["crop_edges"]), list(recipe["crop_sides"])
    if recipe["random_crop"] and (not edges or sides[0] > sides[1]):
        raise UsageError(
            f"{where}: random_crop needs crop_edges, and crop_sides with the smallest first; they are {edges} and {sides}"
        )
