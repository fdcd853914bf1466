"""How those who fetch tell somebody how far they are."""

from typing import Protocol


class DownloadProgress(Protocol):
    """Somebody who shows how far a download is."""

    def start(self, total: int | None, description: str) -> None:
        """A download of so many bytes begins; None: nobody knows how many."""

    def advance(self, count: int) -> None:
        """So many more bytes are there; negative where damaged ones were thrown away."""

    def finish(self) -> None:
        """It is over, well or not."""


class NoProgress:
    """Progress that nobody looks at."""

    def start(self, total: int | None, description: str) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
