"""On which cluster a run is computed."""

import re
from dataclasses import dataclass
from typing import Final

from detcli.argument_checks import check_int, check_type
from detcli.engine.requests.record_fields import store
from detcli.errors import UsageError

MAX_CLUSTER_WORKERS: Final = 10_000
MAX_CHUNK: Final = 1_000_000
_ADDRESS = re.compile(r"ray://[^/\s:@]+:\d{1,5}/?|ray://\[[0-9a-fA-F:.]+\]:\d{1,5}/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which Ray cluster, and how the input is shared out.

    address  "local": Ray is started on this machine for the run; "auto": the cluster that this machine belongs to;
             "ray://HOST:PORT": the cluster of this head node
    workers  processes with a copy of the model each; None: one for each GPU of the cluster, or for each four processors
    chunk    images that a worker takes at a time and writes as one part; None: few at first, at most 1,000 (5,000 with GPUs)
    """

    address: str
    workers: int | None = None
    chunk: int | None = None

    def __post_init__(self) -> None:
        check_type("cluster", self.address, str, "a str")
        if self.address not in ("auto", "local") and not _ADDRESS.fullmatch(self.address):
            raise UsageError(f"`cluster` must be local, auto or ray://HOST:PORT, not {self.address[:60]!r}")
        for name, limit in (("workers", MAX_CLUSTER_WORKERS), ("chunk", MAX_CHUNK)):
            value = getattr(self, name)
            if value is not None:
                store(self, **{name: check_int(f"cluster_{name}", value, at_least=1, at_most=limit)})

    @classmethod
    def of(cls, address: str | None, workers: int | None = None, chunk: int | None = None) -> "ClusterSettings | None":
        """The settings of three arguments; None without an address. Raises UsageError for the others without it."""
        if address is not None:
            return cls(address=address, workers=workers, chunk=chunk)
        for name, value in (("workers", workers), ("chunk", chunk)):
            if value is not None:
                raise UsageError(f"`cluster_{name}` needs `cluster`: local, auto or ray://HOST:PORT")
        return None
