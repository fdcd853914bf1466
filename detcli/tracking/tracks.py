"""The tracks that are alive: one row each, kept in columns."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.tracking.kalman import Beliefs, begin, correct, joined, predict

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tracks:
    """N tracks at one time, the oldest first.

    beliefs    where they are
    ids        int64 [N]    0 for a track that was seen only once: it has no number yet
    class_ids  int64 [N]
    unseen_s   float64 [N]  seconds since the last detection
    present    bool [N]     the last frame had a detection of it
    """

    beliefs: Beliefs
    ids: Ints
    class_ids: Ints
    unseen_s: Floats
    present: Bools

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, which: npt.NDArray[Any]) -> "Tracks":
        """Those that a mask or indices pick."""
        return Tracks(
            self.beliefs[which], self.ids[which], self.class_ids[which], self.unseen_s[which], self.present[which]
        )

    @classmethod
    def new(cls, boxes_xyxy: Floats, class_ids: Ints) -> "Tracks":
        """Tracks that begin with these detections [N, 4], [N]; without a number."""
        count = len(class_ids)
        return cls(begin(boxes_xyxy), np.zeros(count, np.int64), class_ids, np.zeros(count), np.ones(count, np.bool_))

    def later(self, seconds: float) -> "Tracks":
        """The same so many seconds later; what was present still is."""
        return replace(self, beliefs=predict(self.beliefs, seconds), unseen_s=self.unseen_s + seconds)

    def seen(self, rows: Ints, boxes_xyxy: Floats) -> "Tracks":
        """The tracks of these rows, corrected by one box [4] each, and present."""
        tracks = self[rows]
        beliefs, count = correct(tracks.beliefs, boxes_xyxy), len(rows)
        return replace(tracks, beliefs=beliefs, unseen_s=np.zeros(count), present=np.ones(count, np.bool_))

    def absent(self) -> "Tracks":
        """The same, without a detection in the last frame."""
        return replace(self, present=np.zeros(len(self), np.bool_))

    def joined(self, others: "Tracks") -> "Tracks":
        """These, then the others."""
        return Tracks(
            joined(self.beliefs, others.beliefs),
            np.concatenate((self.ids, others.ids)),
            np.concatenate((self.class_ids, others.class_ids)),
            np.concatenate((self.unseen_s, others.unseen_s)),
            np.concatenate((self.present, others.present)),
        )

    def in_order(self) -> "Tracks":
        """By number, those without one last."""
        return self[np.lexsort((np.arange(len(self)), self.ids == 0, self.ids))]
