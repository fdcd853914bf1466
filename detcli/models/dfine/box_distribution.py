"""Boxes as distributions over bins of edge offsets, and location quality from the shape of the distributions."""

import torch
from torch import Tensor, nn

from detcli.models.layers.heads import Mlp
from detcli.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


class EdgeBins(nn.Module):
    """Converts distributions over bins, one for each edge, to a box.

    bins       number of bins minus one; even
    reg_scale  resolution of small offsets
    up         range of the bins without the two outermost ones, in box sizes

    Both numbers are parameters without training; those of a checkpoint replace the configured ones.
    Source: D-FINE (Peng et al. 2024), section 4.1, equations 2 to 4.
    """

    offsets: Tensor | None

    def __init__(self, bins: int, *, reg_scale: float, up: float) -> None:
        super().__init__()
        self.bins = bins
        self.reg_scale = nn.Parameter(torch.tensor([reg_scale]), requires_grad=False)
        self.up = nn.Parameter(torch.tensor([up]), requires_grad=False)
        self.offsets = None

    def forward(self, corners: Tensor, boxes_cxcywh: Tensor) -> Tensor:
        """Move the edges of boxes.

        corners       [B, Q, 4 * R] logits over R = bins + 1 bins for the left, top, right and bottom edge
        boxes_cxcywh  [B, Q, 4] the boxes whose edges they move
        returns       [B, Q, 4] center and size; not clamped to the image, sizes may be negative
        """
        dtype = boxes_cxcywh.dtype
        offsets = self.bin_offsets() if self.offsets is None else self.offsets
        scale = self.reg_scale.abs().to(dtype)
        probabilities = corners.to(dtype).view(*corners.shape[:2], 4, self.bins + 1).softmax(-1)  # [B, Q, 4, R]
        distances = probabilities @ offsets.to(dtype)  # [B, Q, 4]
        outward = (0.5 * scale + distances) * (boxes_cxcywh[..., 2:] / scale).repeat(1, 1, 2)
        center = boxes_cxcywh[..., :2]
        return xyxy_to_cxcywh(torch.cat((center - outward[..., :2], center + outward[..., 2:]), dim=-1))

    def edge_std(self, corners: Tensor, boxes_cxcywh: Tensor) -> Tensor:
        """Standard deviation of the distributions of the edges.

        corners, boxes_cxcywh  as for `forward`
        returns                [B, Q, 4] of the left, top, right and bottom edge, as a fraction of the width of the input
                               for left and right, of its height for top and bottom
        """
        dtype = boxes_cxcywh.dtype
        offsets = (self.bin_offsets() if self.offsets is None else self.offsets).to(dtype)
        probabilities = corners.to(dtype).view(*corners.shape[:2], 4, self.bins + 1).softmax(-1)  # [B, Q, 4, R]
        distances = offsets - (probabilities @ offsets).unsqueeze(-1)  # from the mean, [B, Q, 4, R]
        variance = (probabilities * distances.square()).sum(-1)
        return variance.sqrt() * (boxes_cxcywh[..., 2:] / self.reg_scale.abs().to(dtype)).repeat(1, 1, 2)

    def bin_offsets(self) -> Tensor:
        """Offset of each bin: [R], symmetric, dense near zero, the two outermost twice as far."""
        return bin_offsets(self.bins, reg_scale=self.reg_scale, up=self.up)

    def fold(self) -> None:
        """Compute the offsets once."""
        if self.offsets is None:
            dtype = self.reg_scale.dtype
            exact = EdgeBins(self.bins, reg_scale=float(self.reg_scale), up=float(self.up)).double()
            del self.offsets
            self.register_buffer("offsets", exact.bin_offsets().to(self.reg_scale.device, dtype))


def bin_offsets(bins: int, *, reg_scale: Tensor, up: Tensor) -> Tensor:
    """Offset of each bin: [R], symmetric, dense near zero, the two outermost twice as far.

    reg_scale, up  [1] of an EdgeBins
    """
    reach = up.abs() * reg_scale.abs()
    step = (reach + 1) ** (2 / (bins - 2))
    exponents = torch.arange(1, bins // 2, device=reach.device, dtype=reach.dtype)
    right = step**exponents - 1
    return torch.cat((-2 * reach, -right.flip(0), torch.zeros_like(reach), right, 2 * reach))


@torch.no_grad()
def edge_targets(
    initial_cxcywh: Tensor, targets_cxcywh: Tensor, *, bins: int, reg_scale: Tensor, up: Tensor
) -> tuple[Tensor, Tensor]:
    """The bins of ground-truth edges, relative to initial boxes: the inverse of `EdgeBins`.

    initial_cxcywh   [N, 4]
    targets_cxcywh  [N, 4]
    reg_scale, up  [1] of the EdgeBins
    returns        int64 [N, 4] the left one of the two bins around the left, top, right and bottom edge; and [N, 4] the
                   weight of the right one, from 0 to 1. Edges beyond the outermost bin have that bin only.

    Source: D-FINE (Peng et al. 2024), section 4.1, the weights of equation 6.
    """
    scale = reg_scale.abs().to(initial_cxcywh.dtype)
    offsets = bin_offsets(bins, reg_scale=reg_scale, up=up).to(initial_cxcywh.dtype)
    center, size = initial_cxcywh[:, :2], initial_cxcywh[:, 2:].repeat(1, 2)
    corners = cxcywh_to_xyxy(targets_cxcywh)
    outward = torch.cat((center - corners[:, :2], corners[:, 2:] - center), dim=-1)
    distances = outward * scale / size.clamp(min=torch.finfo(size.dtype).tiny) - 0.5 * scale
    left = (torch.searchsorted(offsets, distances.contiguous(), right=True) - 1).clamp(0, bins - 1)
    share = (distances - offsets[left]) / (offsets[left + 1] - offsets[left])
    return left, share.clamp(0, 1)


class LocationQualityEstimator(nn.Module):
    """Location quality estimator (LQE): a correction of class logits from the sharpness of the edge distributions.

    Source: Generalized Focal Loss V2 (Li et al. 2021), as D-FINE uses it.
    """

    def __init__(self, bins: int, *, top: int, hidden: int, layers: int, activation: str = "relu") -> None:
        super().__init__()
        self.bins = bins
        self.top = top
        self.head = Mlp(4 * (top + 1), hidden, 1, layers, activation)
        nn.init.zeros_(self.head.linears[-1].weight)
        nn.init.zeros_(self.head.linears[-1].bias)

    def forward(self, corners: Tensor) -> Tensor:
        """Take corners [B, Q, 4 * R] to [B, Q, 1], to be added to every class logit."""
        probabilities = corners.view(*corners.shape[:2], 4, self.bins + 1).softmax(-1)
        peaks = probabilities.topk(self.top, dim=-1).values  # [B, Q, 4, top]
        statistics = torch.cat((peaks, peaks.mean(-1, keepdim=True)), dim=-1)
        output: Tensor = self.head(statistics.flatten(2))
        return output
