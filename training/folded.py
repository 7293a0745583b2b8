"""A trained network in the form that is exported: every normalization folded into the weights beside it.

The strided convolutions become matrix products, so that dynamic quantization covers them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.model import PhoneNetwork


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return scale and shift of a batch norm in evaluation."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


class _StridedProduct(nn.Module):
    """A stride-2 causal convolution of width 5 and its batch norm, as one matrix product over gathered
    frames.
    """

    def __init__(self, convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        scale, shift = _affine(norm)
        assert convolution.bias is not None
        weight = convolution.weight * scale[:, None, None]
        self.product = nn.Linear(weight.shape[1] * weight.shape[2], weight.shape[0])
        self.product.weight.data = weight.permute(0, 2, 1).flatten(1)
        self.product.bias.data = convolution.bias * scale + shift

    def forward(self, frames: Tensor) -> Tensor:
        """Map (B, T + 3, C) to (B, T / 2, out)."""
        count = (frames.shape[1] - 3) // 2
        gathered = torch.cat([frames[:, tap : tap + 2 * count - 1 : 2] for tap in range(5)], 2)
        return functional.silu(self.product(gathered))


def _fold_blocks(blocks: nn.ModuleList) -> None:
    """Put the blocks' batch norms and scales into their weights."""
    for block in blocks:
        scale, shift = _affine(block.norm)
        block.depthwise.weight.data *= scale[:, None, None]
        block.depthwise.bias.data = block.depthwise.bias * scale + shift
        block.norm = nn.Identity()
        block.contract.weight.data *= block.scale[:, None]
        block.contract.bias.data *= block.scale
        block.scale.data = torch.ones_like(block.scale)


def _folded_head(norm: nn.BatchNorm1d, head: nn.Linear) -> nn.Linear:
    """Return the head with the batch norm before it in its weights."""
    scale, shift = _affine(norm)
    folded = nn.Linear(head.in_features, head.out_features)
    folded.weight.data = head.weight * scale
    folded.bias.data = head.bias + head.weight @ shift
    return folded


class FoldedNetwork(nn.Module):
    """The layers of a network, folded; what is exported says how they are run.

    Takes the blocks from `model`, which is of no use afterwards. `mean` and `scale` normalize features,
    `offset` is the label prior's part of the output.
    """

    def __init__(self, model: PhoneNetwork, log_prior: NDArray[np.float32], alpha: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer("mean", model.feature_mean.clone())
        self.register_buffer("scale", model.feature_scale.clone())
        self.register_buffer("offset", alpha * torch.from_numpy(log_prior))
        self.front1 = _StridedProduct(model.front1, model.front1_norm)
        self.front2 = _StridedProduct(model.front2, model.front2_norm)
        self.blocks = model.blocks
        _fold_blocks(self.blocks)
        self.head = _folded_head(model.final_norm, model.head)
