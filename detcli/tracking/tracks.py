"""The current tracks, one row each, stored by columns."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.structures.detections import Detections
from detcli.tracking.kalman import KalmanState, concatenate, correct, initial_states, predict

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


EVIDENCE_S = 1.0  # seconds in which the evidence of a track falls to 1/e


@dataclass(frozen=True, slots=True)
class Tracks:
    """N tracks at one time: the lost ones, then those of the last frame.

    states     positions and sizes
    ids        int64 [N]    0 for a track that was never returned: it has no id yet
    class_ids  int64 [N]
    evidence   float64 [N]  sum of the scores of its detections, decaying with time
    lost_s   float64 [N]  seconds since the last detection
    confirmed      bool [N]     detected more than once, or in the first frame
    visible    bool [N]     detected in the last frame
    """

    states: KalmanState
    ids: Ints
    class_ids: Ints
    evidence: Floats
    lost_s: Floats
    confirmed: Bools
    visible: Bools

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, which: npt.NDArray[Any]) -> "Tracks":
        """The tracks selected by a mask or by indices."""
        return Tracks(
            self.states[which],
            self.ids[which],
            self.class_ids[which],
            self.evidence[which],
            self.lost_s[which],
            self.confirmed[which],
            self.visible[which],
        )

    @classmethod
    def new(cls, detections: Detections, *, confirmed: bool = False) -> "Tracks":
        """Tracks that start with these detections, without an id."""
        count = len(detections)
        return cls(
            initial_states(detections.boxes_xyxy),
            np.zeros(count, np.int64),
            detections.class_ids,
            detections.scores.astype(np.float64),
            np.zeros(count),
            np.full(count, confirmed),
            np.ones(count, np.bool_),
        )

    def predicted(self, seconds: float) -> "Tracks":
        """The tracks after a number of seconds; `visible` does not change."""
        return replace(
            self,
            states=predict(self.states, seconds),
            evidence=self.evidence * np.exp(-seconds / EVIDENCE_S),
            lost_s=self.lost_s + seconds,
        )

    def updated(self, detections: Detections) -> "Tracks":
        """The tracks after one detection each: corrected by it, confirmed and visible."""
        count = len(self)
        return replace(
            self,
            states=correct(self.states, detections.boxes_xyxy),
            evidence=self.evidence + detections.scores,
            lost_s=np.zeros(count),
            confirmed=np.ones(count, np.bool_),
            visible=np.ones(count, np.bool_),
        )

    def not_visible(self) -> "Tracks":
        """The tracks without a detection in the last frame."""
        return replace(self, visible=np.zeros(len(self), np.bool_))

    def concatenated(self, others: "Tracks") -> "Tracks":
        """These tracks, then the others."""
        return Tracks(
            concatenate(self.states, others.states),
            np.concatenate((self.ids, others.ids)),
            np.concatenate((self.class_ids, others.class_ids)),
            np.concatenate((self.evidence, others.evidence)),
            np.concatenate((self.lost_s, others.lost_s)),
            np.concatenate((self.confirmed, others.confirmed)),
            np.concatenate((self.visible, others.visible)),
        )
