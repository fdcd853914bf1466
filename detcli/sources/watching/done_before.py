"""The files that an interrupted run has processed, for the run that resumes it."""

from array import array

import numpy as np
import numpy.typing as npt

from detcli.sources.watching.file_states import FileState


class DoneBefore:
    """Files by path, 8 bytes each; they are complete before the first question.

    changed_ns  when the last result was written: a file that was written again after that is not done
    """

    def __init__(self, changed_ns: int = 0) -> None:
        self.changed_ns = changed_ns
        self.count = 0  # of results, also of files that were processed twice
        self._added = array("q")
        self._sorted: npt.NDArray[np.int64] | None = None

    def add(self, path: str) -> None:
        """Add a file."""
        self._added.append(hash(path))
        self.count += 1

    def has(self, path: str, state: FileState) -> bool:
        """Whether a file was processed, and not written again since."""
        if self._sorted is None:
            self._sorted = np.sort(np.asarray(self._added, np.int64))
        at = int(np.searchsorted(self._sorted, hash(path)))
        known = at < len(self._sorted) and int(self._sorted[at]) == hash(path)
        return known and state.changed_ns <= self.changed_ns

    def release(self) -> None:
        """Free the memory: from here on, the states of the files tell what is done."""
        self._added, self._sorted = array("q"), None
