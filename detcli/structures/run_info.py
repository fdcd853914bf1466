"""What a run is: written into results so that they can be told apart years later."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from detcli.structures.class_labels import ClassLabels


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The provenance of results.

    model      name as the user gave it
    revision   commit of the Hub repository, or None for a local model
    sha256     of the weights file, or None where none was read
    version    of detcli
    arguments  option -> value, those that change results
    created    ISO 8601 time in UTC
    labels     of the checkpoint
    """

    model: str
    revision: str | None
    sha256: str | None
    version: str
    labels: ClassLabels
    created: str
    arguments: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """A dictionary for headers and COCO's `info`."""
        return {
            "model": self.model,
            "revision": self.revision,
            "sha256": self.sha256,
            "detcli": self.version,
            "created": self.created,
            "arguments": dict(self.arguments),
        }
