"""DETR's mask head: attention maps of queries, refined with the backbone's maps to masks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.detr.config import DetrConfig
from detcli.models.layers.activations import make_activation
from detcli.models.layers.graph_capture import is_traced
from detcli.models.layers.norm import GroupNorm, work_in_place

# Elements of the largest map of one chunk of queries: 128 MiB of float32; a few of them exist at the same time.
_CHUNK = 1 << 25

# Queries of one chunk in an exported graph, for each image; the graph has a copy of the operators for each chunk.
_TRACED_QUERIES = 10

# The logit of every cell of a mask that is not computed: a probability of almost 0.
_SKIPPED_LOGIT = -100.0


class MaskHead(nn.Module):
    """Queries, the encoder's map and the backbone's maps -> one map of mask logits per query.

    backbone_channels  of the backbone's three maps, from the coarsest to the finest

    Source: DETR (Carion et al. 2020), section 4.4 and figure 8.
    """

    def __init__(self, config: DetrConfig, backbone_channels: Sequence[int]) -> None:
        super().__init__()
        self.attention = AttentionMap(config.d_model, config.encoder_attention_heads)
        widths = config.mask_channels
        inputs = config.d_model + config.encoder_attention_heads
        act = config.activation_function
        self.enter = RefiningBlock(inputs, inputs, act)
        self.steps = nn.ModuleList(
            RefiningBlock(before, after, act) for before, after in zip((inputs, *widths), (*widths,), strict=False)
        )  # the first one at the encoder's resolution, the others each at that of a backbone map
        self.adapters = nn.ModuleList(
            nn.Conv2d(channels, width, 1) for channels, width in zip(backbone_channels, widths, strict=False)
        )
        self.output = nn.Conv2d(widths[-1], 1, 3, padding=1)
        for conv in (*self.adapters, self.output):
            _initialize(conv)

    def forward(
        self,
        queries: Tensor,
        projected: Tensor,
        memory: Tensor,
        backbone_maps: Sequence[Tensor],
        mask: Tensor | None,
        *,
        selected: Tensor | None = None,
    ) -> Tensor:
        """Compute the masks.

        queries        [B, Q, D] output of the decoder
        projected      [B, D, H, W] input of the encoder
        memory         [B, D, H, W] output of the encoder
        backbone_maps  three maps of the backbone, from the coarsest to the finest
        mask           bool [B, H, W], True where a cell is image; None: all are
        selected       bool [B, Q], queries whose masks are computed; masks of others have a probability of almost 0; None: all
        returns        [B, Q, h, w] logits, in the finest map's size

        In evaluation masks are computed in chunks of queries, so that memory does not grow with their number.
        """
        weights = self.attention(queries, memory, mask)  # [B, Q, M, H, W]
        adapted = [adapter(x) for adapter, x in zip(self.adapters, backbone_maps, strict=True)]
        # The part that all queries of an image share is convolved once; the attention weights are convolved separately.
        shared = self.enter.part(projected, 0)
        if is_traced():  # neither sizes nor the number of images may become constants of the graph
            starts = range(0, int(weights.shape[1]), _TRACED_QUERIES)
            chunks = (weights[:, first : first + _TRACED_QUERIES] for first in starts)
            return torch.cat([self._all_mask_logits(shared, chunk, adapted) for chunk in chunks], dim=1)
        height, width = adapted[-1].shape[-2:]
        at_once = weights.shape[1] if self.training else max(1, _CHUNK // (height * width * adapted[-1].shape[1]))
        which = None if selected is None else _positions(selected)
        images = []
        for image in range(len(weights)):
            rows = slice(image, image + 1)
            image_shared, image_maps = shared[rows], [x[rows] for x in adapted]
            chosen = None if which is None else which[image]
            image_weights = weights[image] if chosen is None else weights[image, chosen]
            masks = [
                self._mask_logits(image_shared, chunk, image_maps)
                for chunk in image_weights.split(at_once)
                if len(chunk)
            ]
            if chosen is None:
                images.append(torch.cat(masks))
            else:
                image_masks = weights.new_full((weights.shape[1], height, width), _SKIPPED_LOGIT)
                images.append(
                    image_masks.index_copy_(0, chosen, torch.cat(masks).to(image_masks.dtype)) if masks else image_masks
                )
        return torch.stack(images)

    def _all_mask_logits(self, shared: Tensor, weights: Tensor, adapted: Sequence[Tensor]) -> Tensor:
        """Shared [B, C, H, W] and the weights of some queries [B, q, M, H, W] -> [B, q, h, w]."""
        count = weights.shape[1]

        def repeated(x: Tensor) -> Tensor:  # [B, C, H, W] -> [B * Q, C, H, W]
            return x[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)

        logits = self._mask_logits(repeated(shared), weights.flatten(0, 1), [repeated(x) for x in adapted])
        return logits.view(-1, count, *logits.shape[-2:])

    def _mask_logits(self, shared: Tensor, weights: Tensor, adapted: Sequence[Tensor]) -> Tensor:
        """Shared [1 or q, C, H, W] and the weights of some queries [q, M, H, W] -> [q, h, w]."""
        first = shared.shape[1] - weights.shape[1]
        x = self.enter.finish(self.enter.part(weights, first).add_(shared))
        x = self.steps[0](x)
        for step, below in zip(self.steps[1:], adapted, strict=True):
            x = step(F.interpolate(x, size=below.shape[-2:], mode="nearest").add_(below))
        logits: Tensor = self.output(x)[:, 0]
        return logits


class RefiningBlock(nn.Module):
    """Convolution, group norm and activation."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = GroupNorm(min(8, outputs), outputs)
        self.activation = make_activation(activation)
        _initialize(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H, W]."""
        return self.finish(self.conv(x))

    def part(self, x: Tensor, first: int) -> Tensor:
        """Convolve some of the input channels, from `first` on; the bias is added with those from 0 on."""
        weight = self.conv.weight[:, first : first + x.shape[1]]
        return F.conv2d(x, weight, self.conv.bias if first == 0 else None, padding=1)

    def finish(self, x: Tensor) -> Tensor:
        """Apply norm and activation to a convolved map."""
        output: Tensor = self.activation(self.norm(x))
        return output

    def fold(self) -> None:
        """Activate in place."""
        work_in_place(self.activation)


class AttentionMap(nn.Module):
    """Attention weights of each head of each query over cells; the weights of all heads of a query sum to 1."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        for projection in (self.query, self.key):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """Take queries [B, Q, D] and memory [B, D, H, W] to [B, Q, M, H, W]; mask bool [B, H, W], True where image."""
        batch, count, width = queries.shape
        height, across = memory.shape[-2:]
        query = self.query(queries).view(batch, count, self.heads, -1) * (width // self.heads) ** -0.5
        key = self.key(memory.flatten(2).transpose(-2, -1)).view(batch, height * across, self.heads, -1)
        scores = query.transpose(1, 2) @ key.permute(0, 2, 3, 1)  # [B, M, Q, H * W]
        if mask is not None:
            scores = scores.masked_fill(~mask.flatten(1)[:, None, None], -torch.inf)
        weights: Tensor = scores.transpose(1, 2).flatten(2).softmax(-1)
        return weights.view(batch, count, self.heads, height, across)


def _positions(selected: Tensor) -> list[Tensor]:
    """Where each row of bool [B, Q] is True, in order; it waits once for the device, not once per row."""
    first = selected.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    return [row[:count] for row, count in zip(first, selected.sum(1).tolist(), strict=True)]


def _initialize(conv: nn.Module) -> None:
    if isinstance(conv, nn.Conv2d):
        nn.init.kaiming_uniform_(conv.weight, a=1)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
