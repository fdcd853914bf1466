"""The score threshold of a model folder: a field of config.json that `eval` and `train` write and `detect` uses."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import CONFIG
from detcli.errors import DamagedModelError
from detcli.io.atomic_write import write_atomically

KEY = "score_threshold"
_MAX_SOURCE = 300  # characters


@dataclass(frozen=True, slots=True)
class StoredThreshold:
    """The threshold above which detections of a model are kept by default.

    value    of all classes without one of their own
    source   how it was found, for the user
    classes  thresholds by class name
    """

    value: float
    source: str = ""
    classes: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The field of config.json."""
        classes = {"classes": dict(self.classes)} if self.classes else {}
        return {"value": self.value, "source": self.source, **classes}


def read_score_threshold(config: Mapping[str, Any]) -> StoredThreshold | None:
    """Read the threshold of a config.json; None if it has none, or a field of another program.

    Raises DamagedModelError for numbers that are not from 0 to 1.
    """
    stored = config.get(KEY)
    if not isinstance(stored, dict):
        return None
    classes, source = stored.get("classes", {}), stored.get("source", "")
    if not isinstance(classes, dict):
        raise DamagedModelError(f"{CONFIG}: {KEY}.classes must be an object of class names and numbers")
    return StoredThreshold(
        _fraction(stored.get("value"), "value"),
        source[:_MAX_SOURCE] if isinstance(source, str) else "",
        {name: _fraction(value, f"classes['{name[:40]}']") for name, value in classes.items()},
    )


def threshold_of_folder(folder: Path) -> StoredThreshold | None:
    """The threshold of a model folder; None if it has none, or cannot be read."""
    with suppress(DamagedModelError, OSError, ValueError):
        if (folder / CONFIG).is_file():
            return read_score_threshold(read_document(folder / CONFIG))
    return None


def write_score_threshold(folder: Path, threshold: StoredThreshold) -> None:
    """Write the threshold into the config.json of a model folder; its other fields stay.

    Raises DamagedModelError if the file cannot be read, and OutputError if it cannot be written.
    """
    config = read_document(folder / CONFIG) | {KEY: threshold.to_dict()}
    text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / CONFIG, text.encode("utf-8", "surrogatepass") + b"\n")


def _fraction(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise DamagedModelError(f"{CONFIG}: {KEY}.{name} must be a number from 0 to 1, not {str(value)[:40]!r}")
    return float(value)
