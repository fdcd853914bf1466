"""The provenance of a run, which is written into results."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from detcli.errors import UsageError
from detcli.structures.class_labels import ClassLabels

_EPOCH = "SOURCE_DATE_EPOCH"
_LAST_SECOND = 253402300799  # of the year 9999


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which model, version and arguments made the results.

    model      name as the user gave it
    revision   commit of the Hub repository, or None for a local model
    sha256     of the weights file, or None where none was read
    version    of detcli
    arguments  option -> value, only options that change results
    created    ISO 8601 time in UTC
    labels     of the checkpoint
    assumed    what the model's files do not tell, with the value that is taken
    """

    model: str
    revision: str | None
    sha256: str | None
    version: str
    labels: ClassLabels
    created: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """A dictionary for headers and COCO's `info`."""
        return {
            "model": self.model,
            "revision": self.revision,
            "sha256": self.sha256,
            "detcli": self.version,
            "created": self.created,
            "arguments": dict(self.arguments),
            "assumed": list(self.assumed),
        }


def run_info_of(info: Mapping[str, Any], labels: ClassLabels, version: str) -> RunInfo:
    """The provenance that `RunInfo.as_json` wrote; what is missing is "unknown", None or empty.

    version  of detcli, where the provenance does not say it
    """

    def text(name: str) -> str | None:
        return info[name] if isinstance(info.get(name), str) else None

    arguments, assumed = info.get("arguments"), info.get("assumed")
    return RunInfo(
        text("model") or "unknown",
        text("revision"),
        text("sha256"),
        text("detcli") or version,
        labels,
        text("created") or now(),
        arguments if isinstance(arguments, dict) else {},
        tuple(str(entry) for entry in assumed) if isinstance(assumed, list) else (),
    )


def now() -> str:
    """The time in UTC, ISO 8601; SOURCE_DATE_EPOCH sets it, for outputs that are identical to the byte.

    Raises UsageError if SOURCE_DATE_EPOCH is not a number of seconds from 1970 to the year 9999.
    """
    epoch = os.environ.get(_EPOCH, "").strip()
    if epoch and not (epoch.isascii() and epoch.isdecimal() and len(epoch) <= 30 and int(epoch) <= _LAST_SECOND):
        is_milliseconds = epoch.isascii() and epoch.isdecimal() and len(epoch) == 13
        raise UsageError(
            f"{_EPOCH} must be a number of seconds since 1970, up to {_LAST_SECOND}, not '{epoch[:40]}'"
            + (", which has the length of milliseconds" if is_milliseconds else "")
        )
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
