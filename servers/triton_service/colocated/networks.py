"""The networks of the co-located models in PyTorch, with seeded weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

N_CATEGORIES, N_DENSE = 26, 13
"""Fields of one sample of the Criteo display advertising data (Kaggle 2014), as in DeepFM."""

LAST_SCALE = 0.2
"""Scale of the last normalisation of a block. With 1, as in a network that will be trained, the
activations of an untrained one double from block to block, and FP16 would overflow. (Goyal et al.
2017, arXiv:1706.02677, section 5.1, start training with 0.)"""


def seeded_network(name: str, size: Mapping[str, Any], seed: int) -> nn.Module:
    """`vision` or `recommender` in FP32, ready for inference; same seed, same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = {"vision": ResNet, "recommender": DeepFm}[name](**size)
    return network.eval().requires_grad_(False)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut (He et al. 2015, figure 5, right)."""

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        n_out = 4 * width
        self.body = nn.Sequential(
            *(*_convolution(n_in, width, 1), nn.ReLU()),
            *(*_convolution(width, width, 3, stride), nn.ReLU()),
            *_convolution(width, n_out, 1),
        )
        nn.init.constant_(self.body[-1].weight, LAST_SCALE)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Sequential(*([] if same else _convolution(n_in, n_out, 1, stride)))

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))


class ResNet(nn.Module):
    """Class scores float[n, 1000] of images uint8[n, 3, image_px, image_px]."""

    def __init__(self, width: int, blocks: Sequence[int], image_px: int) -> None:
        super().__init__()
        del image_px  # any size goes through: it is the cost that depends on it
        layers: list[nn.Module] = [*_convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        n_in = width
        for stage, n_blocks in enumerate(blocks):
            inside = width * 2**stage
            for block in range(n_blocks):
                layers.append(Bottleneck(n_in, inside, 2 if stage and not block else 1))
                n_in = 4 * inside
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classes = nn.Linear(n_in, 1000)
        # Means and deviations of ImageNet's channels.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        scaled = (image.to(self.mean.dtype) / 255 - self.mean) / self.deviation
        scores: Tensor = self.classes(self.features(scaled))
        return scores


class DeepFm(nn.Module):
    """Click probability float[n, 1] of categories int64[n, 26] and dense float32[n, 13]: first
    order, plus products of pairs by factors, plus a network over the factors (Guo et al. 2017)."""

    def __init__(self, rows_per_field: int, factors: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.rows_per_field = rows_per_field
        n_rows = N_CATEGORIES * rows_per_field
        self.factors, self.weights = nn.Embedding(n_rows, factors), nn.Embedding(n_rows, 1)
        self.dense_factors = nn.Parameter(0.1 * torch.randn(N_DENSE, factors))
        self.dense_weights = nn.Linear(N_DENSE, 1)
        nn.init.normal_(self.factors.weight, std=0.1)
        nn.init.normal_(self.weights.weight, std=0.1)
        layers: list[nn.Module] = []
        n_in = (N_CATEGORIES + N_DENSE) * factors
        for n_out in hidden:
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            n_in = n_out
        self.deep = nn.Sequential(*layers, nn.Linear(n_in, 1))
        self.register_buffer("first_row", torch.arange(N_CATEGORIES) * rows_per_field)

    def forward(self, categories: Tensor, dense: Tensor) -> Tensor:
        rows = categories.remainder(self.rows_per_field) + self.first_row
        values = torch.log1p(dense.clamp(min=0)).to(self.dense_factors.dtype)
        factors = torch.cat([self.factors(rows), values[:, :, None] * self.dense_factors], dim=1)
        first_order = self.weights(rows).sum(dim=1) + self.dense_weights(values)
        # The sum over all pairs of fields in linear time (Rendle 2010, lemma 3.1).
        pairs = (factors.sum(dim=1) ** 2 - (factors**2).sum(dim=1)).sum(dim=1, keepdim=True) / 2
        probability: Tensor = torch.sigmoid(first_order + pairs + self.deep(factors.flatten(1)))
        return probability


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution with its normalisation; weights as in He et al. 2015, arXiv:1502.01852."""
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(n_out)]
