"""bfloat16 on a CPU, and the convolutions that must not use it.

oneDNN 3.13 (in torch 2.15) computes the weight gradient of a bfloat16 `conv3d` wrongly where an axis of the input is
shorter than the kernel: it reads memory that nobody wrote, so that equal runs differ and some meet NaN, and for some
shapes it writes past its buffers. Found with kernel 3 and padding 1 on two frames, and with stride 2 on frames of one
pixel; the 32-frame ResNet-18 of basu2021 has two frames in its last stage. In float32 none of the same shapes fail.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reeltrace.models.group_conv import GroupConv3d


def keep_small_convolutions_in_float32(model: nn.Module) -> None:
    """Let each convolution of `model` leave autocast for inputs (N, C, T, H, W) that are smaller than its kernel.

    These are the smallest layers of a net, so the time of a training step hardly changes.
    """
    for module in model.modules():
        if isinstance(module, GroupConv3d):
            _guard(module)


def _guard(convolution: GroupConv3d) -> None:
    forward = convolution.forward

    def guarded(x: Tensor) -> Tensor:
        if all(extent >= kernel for extent, kernel in zip(x.shape[2:], convolution.kernel_size, strict=True)):
            return forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.to(convolution.weight.dtype))

    setattr(convolution, "forward", guarded)  # noqa: B010 - mypy refuses the assignment to a method
