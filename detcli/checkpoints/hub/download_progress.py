"""The interface for the progress of downloads."""

from typing import Protocol


class DownloadProgress(Protocol):
    """Gets the progress of downloads."""

    def start(self, total: int | None, description: str) -> None:
        """A download of `total` bytes starts; None: the size is unknown."""

    def advance(self, count: int) -> None:
        """`count` more bytes were received; negative if damaged bytes were deleted."""

    def finish(self) -> None:
        """The download ended, successful or not."""


class NoProgress:
    """Ignores the progress."""

    def start(self, total: int | None, description: str) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
