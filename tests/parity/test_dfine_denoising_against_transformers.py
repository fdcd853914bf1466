"""Denoising queries without noise and their mask, against transformers."""

import pytest
import torch
from torch import nn

from detcli.models.losses.denoising import DenoisingNoise, make_denoising_queries
from detcli.structures.network_io import Targets

d_fine = pytest.importorskip("transformers.models.d_fine.modeling_d_fine")


def test_denoising_queries_without_noise_match() -> None:
    boxes = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.2
    targets = [
        Targets(torch.tensor([1, 4, 0]), boxes[:3]),
        Targets(torch.tensor([5]), boxes[3:]),
        Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4)),
    ]
    embedding = nn.Embedding(7, 1)
    embedding.weight.data = torch.arange(7.0)[:, None]  # so that what comes out is the label
    labels, references, mask, about = d_fine.get_contrastive_denoising_training_group(
        [{"class_labels": target.class_ids, "boxes": target.boxes_cxcywh} for target in targets],
        num_classes=6,
        num_queries=5,
        class_embed=embedding,
        num_denoising_queries=7,
        label_noise_ratio=0.0,
        box_noise_scale=1e-9,
    )
    ours = make_denoising_queries(
        targets, classes=6, total=7, noise=DenoisingNoise(label_ratio=0, box_scale=0), dtype=torch.float32
    )
    assert ours is not None
    assert ours.layout.groups == about["dn_num_group"] == 2
    assert ours.class_ids.tolist() == labels[..., 0].long().tolist()
    assert torch.allclose(ours.references, references, atol=1e-5)
    assert torch.equal(ours.layout.mask(5, torch.device("cpu")), mask == 0)
    positives = [own + image * 12 for image, own in enumerate(about["dn_positive_idx"])]
    assert ours.layout.positives().queries.tolist() == torch.cat(positives).tolist()
