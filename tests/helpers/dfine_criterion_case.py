"""Losses of the original D-FINE criterion for one case: 6 classes, 24 queries, 3 layers, 2 denoising groups of 3 + 3.

Source: Peterande/D-FINE, commit 4a1f73a, run on a CPU in float32.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detcli.models.dfine.network import DFinePredictions, DFineTrainingDetails
from detcli.models.losses.denoising import DenoisingLayout
from detcli.structures.network_io import Outputs, Targets


@dataclass(frozen=True)
class OriginalCase:
    """Outputs and targets as ours; inputs with gradients, by the original's names; the original's losses."""

    outputs: Outputs
    targets: list[Targets]
    inputs: dict[str, Tensor]
    losses: dict[str, float]
    total: float
    gradients: dict[str, Tensor]


def original_case(dtype: torch.dtype = torch.float32) -> OriginalCase:
    """The case, its inputs in this dtype."""
    with np.load(Path(__file__).parent / "dfine_criterion.npz") as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files}
    gradients = {name.removeprefix("grad/"): array for name, array in arrays.items() if name.startswith("grad/")}
    inputs = {name: arrays[name].to(dtype).requires_grad_() for name in gradients}

    def answers(names: list[str], before: str, start: str) -> DFinePredictions:
        kinds = ("pred_logits", "pred_boxes")
        logits, boxes = (tuple(inputs[f"outputs/{name}/{kind}"] for name in [before, *names[:-1]]) for kind in kinds)
        last = names[-1]
        return DFinePredictions(
            logits=(*logits, inputs[f"outputs/{last}pred_logits"]),
            boxes_cxcywh=(*boxes, inputs[f"outputs/{last}pred_boxes"]),
            corners=tuple(
                inputs[f"outputs/{name}pred_corners"] for name in [*(f"{name}/" for name in names[:-1]), last]
            ),
            initial_boxes=arrays[f"outputs/{start}ref_points"].to(dtype),
        )

    found = answers(["aux_outputs/0", "aux_outputs/1", ""], "pre_outputs", "")
    made = answers(["dn_outputs/0", "dn_outputs/1", "dn_outputs/2/"], "dn_pre_outputs", "dn_outputs/0/")
    targets = [Targets(arrays[f"targets/{i}/labels"], arrays[f"targets/{i}/boxes"]) for i in range(2)]
    details = DFineTrainingDetails(
        predictions=found,
        encoder_logits=inputs["outputs/enc_aux_outputs/0/pred_logits"],
        encoder_boxes=inputs["outputs/enc_aux_outputs/0/pred_boxes"],
        denoising=made,
        layout=DenoisingLayout(groups=2, max_boxes=3, counts=(3, 1)),
        reg_scale=arrays["outputs/reg_scale"].float(),
        up=arrays["outputs/up"],
    )
    losses = {name.removeprefix("losses/"): float(x) for name, x in arrays.items() if name.startswith("losses/")}
    outputs = Outputs(found.logits[-1], found.boxes_cxcywh[-1], details)
    return OriginalCase(outputs, targets, inputs, losses, float(arrays["total"]), gradients)
