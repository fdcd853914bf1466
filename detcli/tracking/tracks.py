"""The tracks that are alive: one row each, kept in columns."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.structures.detections import Detections
from detcli.tracking.kalman import KalmanState, begin, correct, joined, predict

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


EVIDENCE_S = 1.0  # seconds in which what speaks for a track falls to a third


@dataclass(frozen=True, slots=True)
class Tracks:
    """N tracks at one time: those that are lost, then those that the last frame shows.

    beliefs    where they are
    ids        int64 [N]    0 for a track that was never shown: it has no number yet
    class_ids  int64 [N]
    evidence   float64 [N]  scores of its detections, the older ones fading
    unseen_s   float64 [N]  seconds since the last detection
    known      bool [N]     seen more than once, or from the beginning
    present    bool [N]     the last frame had a detection of it
    """

    beliefs: KalmanState
    ids: Ints
    class_ids: Ints
    evidence: Floats
    unseen_s: Floats
    known: Bools
    present: Bools

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, which: npt.NDArray[Any]) -> "Tracks":
        """Those that a mask or indices pick."""
        return Tracks(
            self.beliefs[which],
            self.ids[which],
            self.class_ids[which],
            self.evidence[which],
            self.unseen_s[which],
            self.known[which],
            self.present[which],
        )

    @classmethod
    def new(cls, found: Detections, *, known: bool = False) -> "Tracks":
        """Tracks that begin with these detections; without a number."""
        count = len(found)
        return cls(
            begin(found.boxes_xyxy),
            np.zeros(count, np.int64),
            found.class_ids,
            found.scores.astype(np.float64),
            np.zeros(count),
            np.full(count, known),
            np.ones(count, np.bool_),
        )

    def later(self, seconds: float) -> "Tracks":
        """The same so many seconds later; what was present still is."""
        return replace(
            self,
            beliefs=predict(self.beliefs, seconds),
            evidence=self.evidence * np.exp(-seconds / EVIDENCE_S),
            unseen_s=self.unseen_s + seconds,
        )

    def seen(self, found: Detections) -> "Tracks":
        """The same with one detection each: corrected by it, known and present."""
        count = len(self)
        return replace(
            self,
            beliefs=correct(self.beliefs, found.boxes_xyxy),
            evidence=self.evidence + found.scores,
            unseen_s=np.zeros(count),
            known=np.ones(count, np.bool_),
            present=np.ones(count, np.bool_),
        )

    def absent(self) -> "Tracks":
        """The same, without a detection in the last frame."""
        return replace(self, present=np.zeros(len(self), np.bool_))

    def joined(self, others: "Tracks") -> "Tracks":
        """These, then the others."""
        return Tracks(
            joined(self.beliefs, others.beliefs),
            np.concatenate((self.ids, others.ids)),
            np.concatenate((self.class_ids, others.class_ids)),
            np.concatenate((self.evidence, others.evidence)),
            np.concatenate((self.unseen_s, others.unseen_s)),
            np.concatenate((self.known, others.known)),
            np.concatenate((self.present, others.present)),
        )
