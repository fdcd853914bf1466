"""What is known of a loaded model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detcli.checkpoints.score_threshold import StoredThreshold
from detcli.structures.class_labels import ClassLabels

if TYPE_CHECKING:
    from detcli.checkpoints.model_files import ModelFiles


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    files    where its files are, and where they are from
    labels   class names and category ids
    notes    sentences that the user should see: what is missing or unusual in the checkpoint
    assumed  what the model's files do not tell, with the value that is taken: "num_queries=300"
    queries, decoder_layers  fewer than the model has, as they were asked for; None: all
    stored_threshold  the threshold that `eval` or `train` wrote into the model folder; None: none
    uncertainty  detections have the standard deviation of each edge
    """

    files: "ModelFiles"
    labels: ClassLabels
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    queries: int | None = None
    decoder_layers: int | None = None
    stored_threshold: StoredThreshold | None = None
    uncertainty: bool = False
