"""The non-local block: every position of a clip looks at every other (mahler2020, section 5.2.1.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.conv3d import Conv3d
from reeltrace.models.pooling import MaxPool3d
from reeltrace.models.residual3d import Triple

AFFINITIES = ("dot_product", "softmax")


class MatrixProduct(nn.Module):
    """Batched matrix product (N, n, k) x (N, k, m); a module, so that its multiply-adds can be told from others."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """One product per clip of the batch."""
        return torch.bmm(a, b)


class NonLocal(nn.Module):
    """z = x + norm(W_z y), y_i a mean of g(x_j) over positions j, weighted by theta(x_i) . phi(x_j).

    Takes (N, C, T, H, W) to the same shape, with half the channels inside. Positions j are those of the maps
    after max pooling by `pool` (T, H, W). `affinity`: "dot_product" divides each weight by the number of
    positions j, "softmax" divides the products by the root of the inner channels and normalises them by
    softmax. At the start the block is the identity, because the scale of its normalisation is zero.
    """

    def __init__(self, channels: int, affinity: str, pool: Triple = (1, 2, 2), bias: bool = True) -> None:
        super().__init__()
        if affinity not in AFFINITIES:
            raise UserError(f"unknown affinity {affinity!r} of a non-local block: expected {' or '.join(AFFINITIES)}")
        inner = channels // 2
        self.affinity = affinity
        self.theta = Conv3d(channels, inner, 1, bias=bias)
        self.pool = MaxPool3d(pool) if max(pool) > 1 else nn.Identity()
        self.phi = Conv3d(channels, inner, 1, bias=bias)
        self.g = Conv3d(channels, inner, 1, bias=bias)
        self.similarity = MatrixProduct()
        self.gathering = MatrixProduct()
        self.z = Conv3d(inner, channels, 1, bias=bias)
        self.norm = nn.BatchNorm3d(channels)

    def start_as_identity(self) -> None:
        """Set the scale of the normalisation to zero."""
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to the same shape."""
        theta = self.theta(x)
        pooled = self.pool(x)
        phi, g = self.phi(pooled).flatten(2), self.g(pooled).flatten(2)
        weights = self.similarity(theta.flatten(2).transpose(1, 2), phi)  # (N, positions i, positions j)
        if self.affinity == "softmax":
            weights = torch.softmax(weights * phi.shape[1] ** -0.5, dim=2)
        else:
            weights /= phi.shape[2]
        y = self.gathering(weights, g.transpose(1, 2)).transpose(1, 2).unflatten(2, theta.shape[2:])
        z: Tensor = self.norm(self.z(y))
        z += x
        return z


def count_nonlocal(channels: int, bias: bool) -> int:
    """Parameters of a non-local block, by arithmetic."""
    inner = channels // 2
    return 4 * channels * inner + bias * (3 * inner + channels) + 2 * channels
