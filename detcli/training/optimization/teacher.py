"""The teacher in a training step: what it predicts for the images of a batch, and the losses that follow."""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from detcli.models.losses.guidance import GuidedPredictions, TeacherPredictions, guidance_losses
from detcli.structures.network_io import Outputs


class _TokenDetails(Protocol):
    """Details of a network whose queries are selected from tokens."""

    enc_topk_indices: Tensor
    enc_outputs_class: Tensor
    enc_outputs_coord_logits: Tensor


class _GuidedDetails(Protocol):
    """Details of such a network in training, with a guide."""

    guided: GuidedPredictions


class Teacher:
    """A trained network that others learn from; it stays as it is.

    network  in evaluation, without gradients, on the device of the training
    rows     its class index of each class that is trained
    weight   of its losses
    """

    def __init__(self, network: nn.Module, rows: Sequence[int], weight: float) -> None:
        self._network, self._weight = network, weight
        device = next(network.parameters()).device
        self._rows = torch.tensor(rows, device=device)

    @torch.no_grad()
    def predict(self, pixels: Tensor) -> TeacherPredictions:
        """The predictions for a batch, in float32 at least."""
        outputs: Outputs = self._network(pixels, details=True)
        details = cast("_TokenDetails", outputs.details)
        exact = torch.promote_types(outputs.boxes_cxcywh.dtype, torch.float32)
        return TeacherPredictions(
            token_scores=self._scores(details.enc_outputs_class.to(exact)),
            token_boxes=details.enc_outputs_coord_logits.to(exact).sigmoid(),
            indices=details.enc_topk_indices,
            scores=self._scores(outputs.logits.to(exact)),
            boxes=outputs.boxes_cxcywh.to(exact),
        )

    def losses(self, outputs: Outputs, predictions: TeacherPredictions) -> dict[str, Tensor]:
        """The losses of the outputs of `network(pixels, targets=…, guide=predictions.indices)`, by name, weighted."""
        guided = cast("_GuidedDetails", outputs.details).guided
        with torch.autocast(outputs.logits.device.type, enabled=False):
            losses = guidance_losses(guided, predictions)
        return {name: self._weight * loss for name, loss in losses.items()}

    def _scores(self, logits: Tensor) -> Tensor:
        return logits.index_select(-1, self._rows).sigmoid()
