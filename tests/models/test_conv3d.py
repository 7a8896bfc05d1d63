"""The convolution by oneDNN is torch's: the same values and gradients, whatever the layout and precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from reeltrace.models.conv3d import Conv3d

KERNELS = [(1, 1, 1), (3, 1, 1), (1, 3, 3), (5, 7, 7)]
STRIDES = [(1, 1, 1), (1, 2, 2), (2, 1, 1)]


def twins(**options: object) -> tuple[Conv3d, nn.Conv3d]:
    ours, theirs = Conv3d(4, 6, **options), nn.Conv3d(4, 6, **options)  # type: ignore[arg-type]
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize(("kernel", "stride"), list(itertools.product(KERNELS, STRIDES)))
def test_the_same_function(kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
    for batch, bias, groups, dilation in itertools.product((1, 2), (True, False), (1, 2), (1, 2)):
        spread = (1, dilation, dilation)
        padding = tuple(k // 2 * d for k, d in zip(kernel, spread, strict=True))
        ours, theirs = twins(
            kernel_size=kernel, stride=stride, padding=padding, bias=bias, groups=groups, dilation=spread
        )
        x = torch.randn(batch, 4, 5, 9, 8)
        laid_out = [
            x,
            x.contiguous(memory_format=torch.channels_last_3d),
            x.transpose(3, 4).contiguous().transpose(3, 4),
        ]
        for layout, filters in itertools.product(laid_out, (torch.contiguous_format, torch.channels_last_3d)):
            ours.to(memory_format=filters)
            with torch.no_grad():
                torch.testing.assert_close(ours(layout), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_onednn_is_asked_in_inference_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    through_torch = nn.Conv3d.forward

    def spy(self: nn.Conv3d, x: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(x.shape))
        return through_torch(self, x)

    monkeypatch.setattr(nn.Conv3d, "forward", spy)
    conv, x = Conv3d(4, 6, 1), torch.randn(1, 4, 3, 5, 5)
    conv(x)
    assert len(asked) == 1, "training goes through torch"
    with torch.no_grad():
        conv.double()(x.double())
        assert len(asked) == 2, "oneDNN has no float64"
        conv.float().to("meta")(x.to("meta"))
        assert len(asked) == 3, "the meta device has no kernels"
        if torch.backends.mkldnn.is_available():
            Conv3d(4, 6, 1)(x)
            assert len(asked) == 3
            with torch.backends.mkldnn.flags(enabled=False):
                Conv3d(4, 6, 1)(x)
            assert len(asked) == 4, "the user's switch is respected"


def test_gradients_are_torchs() -> None:
    ours, theirs = twins(kernel_size=(3, 1, 1), padding=(1, 0, 0))
    x = torch.randn(2, 4, 5, 6, 6)
    for conv in (ours, theirs):
        conv(x).square().sum().backward()
    assert ours.weight.grad is not None and theirs.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)


def test_autocast_gives_bfloat16() -> None:
    ours, theirs = twins(kernel_size=3, padding=1)
    x = torch.randn(1, 4, 5, 6, 6)
    with torch.no_grad():
        expected = theirs(x)
        with torch.autocast("cpu", torch.bfloat16):
            rough = ours(x)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), expected, rtol=0.05, atol=0.05)
