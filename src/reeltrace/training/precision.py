"""Arithmetic that suits the device: which precision is trained in, and convolutions that take another way.

`choose` says which precision a training has. In bfloat16 a processor without units for it computes through float32 and
takes many times as long.

oneDNN 3.13 (in torch 2.15) has two faults that the nets here would meet on a CPU:

- In bfloat16 it computes the weight gradient of a `conv3d` wrongly where an axis of the input is shorter than the
  kernel: it reads memory that nobody wrote, so that equal runs differ and some meet NaN, and for some shapes it writes
  past its buffers. Found with kernel 3 and padding 1 on two frames, and with stride 2 on frames of one pixel; the
  32-frame ResNet-18 of basu2021 has two frames in its last stage. In float32 none of the same shapes fail.
- In float32, where the processor has AVX2 and nothing newer, the weight gradient of a channels-last `conv2d` of kernel
  1 with a stride writes past its workspace if there are fewer input channels than in one of its blocks (8), and the
  process dies or, with several threads, goes on with wrong numbers (oneDNN's issue 6035). The narrow nets on frames
  have such projections.

`way_of` says which way a convolution takes; what it decides on is shape and type alone, never the processor at hand:
the ways are the same function, and a net is then computed alike on every CPU.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltrace.machine import processor
from reeltrace.models.group_conv import GroupConv3d

Precision = Literal["float32", "bfloat16"]
Way = Literal["plain", "float32", "sliced"]
BLOCK = 16  # input channels in the widest of oneDNN's blocks (AVX-512); with AVX2 they have 8


def choose(
    asked: Literal["auto", "float32", "bfloat16"], device: torch.device, *, autocast: bool, who: str
) -> Precision:
    """The precision of a training: what is asked for; `auto` is bfloat16 where the device multiplies it itself.

    Without `autocast` a net stays in float32 on a CPU. A request for bfloat16 on a processor that only emulates it is
    granted, and `who` asked is told in one line on standard error what it costs.
    """
    if asked == "float32" or (device.type == "cpu" and not autocast):
        return "float32"
    native = is_native(device)
    if asked == "auto":
        return "bfloat16" if native else "float32"
    if not native:
        converts = device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        print(f"{who}: {processor.cost_of_emulation(device.type, converts)}", file=sys.stderr)
    return "bfloat16"


def is_native(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 numbers itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and processor.has_bfloat16_units()


def arithmetic(asked: str, chosen: Precision, device: torch.device) -> dict[str, Any]:
    """What the numbers of a training depend on beside its spec, as plain JSON data: the same in every run here."""
    return {
        "asked": asked,
        "precision": chosen,
        "device": device.type,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "processor": processor.describe(),
    }


def conform(model: nn.Module) -> None:
    """Let each convolution of `model` take the way that `way_of` names for its input on a CPU.

    It becomes one of a class derived from its own, as with torch's parametrizations. The weights, their names and the
    function stay. The layers concerned are the smallest of a net, so the time of a training step hardly changes.
    """
    for module in model.modules():
        if isinstance(module, GroupConv3d | nn.Conv2d | nn.Conv3d) and not isinstance(module, _Conforming):
            own: Any = type(module)
            module.__class__ = _conforming(own)


def way_of(
    size: Sequence[int], weight: Sequence[int], stride: Sequence[int], padding: Sequence[int], dtype: torch.dtype
) -> Way:
    """How to convolve an input (N, C, ..., H, W) of `size` with a `weight` (C_out, C_in per group, ..., kh, kw).

    `dtype` is the type that the convolution computes in, under autocast that of autocast.

    plain: as torch does it. float32: in float32, outside of autocast. sliced: a stride-1 convolution of the pixels
    that a kernel of one pixel lands on, `x[:, :, ::sh, ::sw]`.
    """
    if dtype == torch.bfloat16 and any(n < k for n, k in zip(size[2:], weight[2:], strict=True)):
        return "float32"
    pointwise = len(weight) == 4 and max(weight[2:]) == 1 and not any(padding)
    if pointwise and max(stride) > 1 and weight[1] < BLOCK:
        return "sliced"
    return "plain"


class _Conforming(nn.Module):
    """What a convolution does of its own; on a CPU by the way that `way_of` names."""

    def forward(self, x: Tensor) -> Tensor:
        module = cast(Any, self)
        plain: Callable[[Tensor], Tensor] = super().forward
        if x.device.type != "cpu" or isinstance(module.padding, str) or _pads(module):
            return plain(x)
        shape = (module.out_channels, module.in_channels // getattr(module, "groups", 1), *module.kernel_size)
        way = way_of(x.shape, shape, module.stride, module.padding, _computes_in(x))
        if way == "float32":
            with torch.autocast("cpu", enabled=False):
                return plain(x.to(module.weight.dtype))
        if way == "sliced":
            rows, columns = module.stride
            return F.conv2d(x[:, :, ::rows, ::columns], module.weight, module.bias, groups=module.groups)
        return plain(x)


@functools.cache
def _conforming(kind: Any) -> Any:
    return type(kind.__name__, (_Conforming, kind), {})


def _pads(module: Any) -> bool:
    """Whether it pads with anything but zeros."""
    return getattr(module, "padding_mode", "zeros") != "zeros"


def _computes_in(x: Tensor) -> torch.dtype:
    autocasts = torch.is_autocast_enabled("cpu") and x.dtype != torch.float64
    return torch.get_autocast_dtype("cpu") if autocasts else x.dtype
