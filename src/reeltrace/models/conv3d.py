"""The 3D convolution of the video networks: that of torch, by a faster algorithm where torch would not choose it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, the same function and parameters.

    For a single clip torch often leaves oneDNN aside and unfolds the input into a matrix, at two to four times
    the cost for kernels such as 3 x 1^2. So inference on a CPU asks oneDNN for the convolution itself, with the
    channels innermost in memory. Training, other devices, the counters on the meta device, and bfloat16 on a processor
    on which oneDNN refuses it (AVX2) go through torch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, T, H, W) to (N, C_out, T', H', W')."""
        if not _asks_onednn(x):
            return super().forward(x)
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        out: Tensor = torch.ops.aten.mkldnn_convolution(
            x.contiguous(memory_format=torch.channels_last_3d),
            weight,
            bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
        )
        return out


def _asks_onednn(x: Tensor) -> bool:
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or not torch.backends.mkldnn.enabled:
        return False
    on_cpu = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)
    computes_in = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    if computes_in == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return on_cpu and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
