"""The networks of mahler2020: their exact parameter counts, their parts by hand, equality to the public r2plus1d_18."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.video import r2plus1d_18

from reeltrace.errors import UserError
from reeltrace.kinds.network import VideoConfig, build_video, video_config
from reeltrace.models.nonlocal_block import NonLocal
from reeltrace.models.nonlocal_i3d import NonLocalI3D, NonLocalI3DConfig
from reeltrace.models.r2plus1d import R2Plus1D, R2Plus1DConfig, intermediate_channels
from reeltrace.models.residual3d import Residual, bottleneck
from reeltrace.models.slowfast import SlowFast, SlowFastConfig

R152 = {"block": "bottleneck", "blocks": (3, 8, 36, 3)}
DETECTION = {"classes": 80, "head": "detect", "strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 2)}
SMALL_SLOWFAST = SlowFastConfig(classes=5, blocks=(1, 1, 2, 1), width=16, nonlocal_after=((), (), (0,), ()))
SMALL_I3D = NonLocalI3DConfig(classes=5, blocks=(1, 1, 2, 1), width=8, nonlocal_after=((), (0,), (1,), ()))
SMALL_R2PLUS1D = R2Plus1DConfig(classes=5, blocks=(1, 1, 1, 1), width=8)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def randomise(network: nn.Module) -> nn.Module:
    """Scales, offsets and statistics of normalisations as after training, so that no branch is switched off."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


@pytest.mark.parametrize(
    ("architecture", "values", "count"),
    [
        ("nonlocal_i3d", {"blocks": (3, 4, 6, 3)}, 35_401_936),  # mahler2020, Table 7.3
        ("nonlocal_i3d", {}, 59_112_656),  # Table 7.3
        ("slowfast", DETECTION, 59_342_488),  # Table 7.3
        ("slowfast", {"classes": 80}, 59_342_488),  # the two heads have the same parameters
        ("slowfast", {}, 60_080_088),
        ("r2plus1d", {"stem_kernel": 7, "stem_between": None}, 63_747_500),  # Table 7.3
        ("r2plus1d", {"stem_kernel": 7, "stem_between": None, **R152}, 118_277_110),  # Table 7.3
        ("r2plus1d", {}, 63_697_175),
        ("r2plus1d", R152, 118_226_785),
        ("r2plus1d", {"blocks": (2, 2, 2, 2), "rule": "block"}, 31_505_325),  # as torchvision states it
    ],
)
def test_parameters_at_full_size(architecture: str, values: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        network = build_video(video_config(architecture, values))
    assert parameters(network) == count


def test_depth_18_is_torchvisions_r2plus1d_18() -> None:
    reference = randomise(r2plus1d_18(weights=None, num_classes=7))
    ours = R2Plus1D(R2Plus1DConfig(classes=7, blocks=(2, 2, 2, 2), rule="block"))
    theirs, state = reference.state_dict(), ours.state_dict()
    assert [v.shape for v in state.values()] == [v.shape for v in theirs.values()]
    ours.load_state_dict(dict(zip(state, theirs.values(), strict=True)))
    x = torch.randn(2, 3, 6, 40, 36)
    for mode in (False, True):
        ours.train(mode), reference.train(mode)
        with torch.no_grad():
            torch.testing.assert_close(ours(x), reference(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("c_in", "c_out", "t", "d"), [(64, 64, 3, 3), (64, 128, 3, 3), (3, 64, 7, 7), (3, 64, 3, 7)])
def test_factored_convolutions_have_at_most_the_weights_of_the_whole(c_in: int, c_out: int, t: int, d: int) -> None:
    def weights(between: int) -> int:
        return d * d * c_in * between + t * between * c_out

    between = intermediate_channels(c_in, c_out, t, d)
    assert weights(between) <= t * d * d * c_in * c_out < weights(between + 1)


@pytest.mark.parametrize("affinity", ["dot_product", "softmax"])
def test_nonlocal_block_is_the_sum_over_positions(affinity: str) -> None:
    """mahler2020, equations 5.1 to 5.4, position by position."""
    block = randomise(NonLocal(6, affinity, (1, 2, 2))).double().eval()
    x = torch.randn(2, 6, 2, 4, 5, dtype=torch.double)

    def points(conv: Any, maps: Tensor) -> list[Tensor]:
        """Channels of clip 0 at each position."""
        out = conv(maps)[0]
        return [out[:, t, h, w] for t in range(out.shape[1]) for h in range(out.shape[2]) for w in range(out.shape[3])]

    with torch.no_grad():
        pooled = nn.functional.max_pool3d(x, (1, 2, 2))
        theta, phi, g = points(block.theta, x), points(block.phi, pooled), points(block.g, pooled)
        expected = []
        for here in theta:
            products = torch.stack([here @ there for there in phi])
            weights = torch.softmax(products / 3**0.5, 0) if affinity == "softmax" else products / len(phi)
            expected.append(sum(weight * value for weight, value in zip(weights, g, strict=True)))
        y = torch.stack(expected, dim=1).view(1, 3, 2, 4, 5)  # type: ignore[arg-type]
        z = x[:1] + block.norm(block.z(y))
        torch.testing.assert_close(block(x)[:1], z)


def test_networks_start_with_identity_branches() -> None:
    for config in (SMALL_SLOWFAST, SMALL_I3D):
        network = build_video(config)
        scales = [m.norm.weight for m in network.modules() if isinstance(m, NonLocal)]
        scales += [m.branch[-1].norm.weight for m in network.modules() if isinstance(m, Residual)]  # type: ignore
        assert len(scales) > 5
        assert all(bool((scale == 0).all()) for scale in scales)


def test_bottleneck_kernels_stride_and_dilation() -> None:
    block = bottleneck(8, 4, temporal_kernel=3, stride=2, dilation=2)
    convs = [m for m in block.branch.modules() if isinstance(m, nn.Conv3d)]
    assert [c.kernel_size for c in convs] == [(3, 1, 1), (1, 3, 3), (1, 1, 1)]
    assert [c.stride for c in convs] == [(1, 1, 1), (1, 2, 2), (1, 1, 1)]
    assert [c.dilation for c in convs] == [(1, 1, 1), (1, 2, 2), (1, 1, 1)]
    assert block(torch.randn(1, 8, 3, 9, 8)).shape == (1, 16, 3, 5, 4)
    assert isinstance(bottleneck(16, 4, 1).shortcut, nn.Identity)


@pytest.mark.parametrize("frames", [4, 8, 9])
@pytest.mark.parametrize("config", [SMALL_SLOWFAST, SMALL_I3D, SMALL_R2PLUS1D, replace(SMALL_R2PLUS1D, max_pool=True)])
def test_clips_become_logits(config: VideoConfig, frames: int) -> None:
    network = randomise(build_video(config)).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, frames, 32, 48))
    assert logits.shape == (2, 5)
    assert (logits[0] - logits[1]).abs().max() > 1e-6


def test_the_slow_pathway_sees_every_alpha_th_frame() -> None:
    network = randomise(SlowFast(SMALL_SLOWFAST)).eval()
    seen: dict[str, Tensor] = {}
    network.slow[0].register_forward_pre_hook(lambda _, x: seen.update(slow=x[0]))  # type: ignore[union-attr]
    network.fast[0].register_forward_pre_hook(lambda _, x: seen.update(fast=x[0]))  # type: ignore[union-attr]
    clip = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        network(clip)
    assert torch.equal(seen["fast"], clip)
    assert torch.equal(seen["slow"], clip[:, :, [0, 4]])


def test_every_part_of_slowfast_is_used() -> None:
    network = randomise(SlowFast(SMALL_SLOWFAST))
    network(torch.randn(2, 3, 8, 64, 64)).square().sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The offsets of theta and of phi may cancel; every weight must matter.
    assert [name for name in idle if not name.endswith("bias")] == []


def test_detection_scores_boxes() -> None:
    """A box sees its own clip and region; the whole frame of a constant map is the map."""
    config = replace(SMALL_SLOWFAST, head="detect", strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    network = randomise(SlowFast(config)).eval()
    clip = torch.randn(2, 3, 8, 64, 64)
    boxes = torch.tensor([[0.0, 0, 0, 64, 64], [1, 0, 0, 64, 64], [1, 5, 30, 20, 60]])
    with torch.no_grad():
        logits = network(clip, boxes)
        assert logits.shape == (3, 5)
        alone = network(clip[1:], boxes[1:] * torch.tensor([0.0, 1, 1, 1, 1]))
        torch.testing.assert_close(alone, logits[1:], rtol=1e-4, atol=1e-4)
        assert (logits[1] - logits[2]).abs().max() > 1e-6
        one = torch.ones(1, 1, 3, 8, 8) * torch.tensor([1.0, 2, 3]).view(1, 1, 3, 1, 1)
        head = network.head
        head.fc = nn.Linear(2, 2, bias=False)
        nn.init.eye_(head.fc.weight)
        torch.testing.assert_close(head(boxes[:1], 64, one, 2 * one), torch.tensor([[2.0, 4.0]]))


@pytest.mark.parametrize(
    ("architecture", "values", "message"),
    [
        ("c3d", {}, r"no network architecture is named 'c3d'; "),
        ("slowfast", {"beta": 8}, r"unknown value .beta. of architecture slowfast: expected one of classes, head"),
        ("slowfast", {"head": "segment"}, r"unknown head 'segment'"),
        ("slowfast", {"blocks": [3, 4, 6]}, r"blocks takes 4 values, one per residual stage, found 3"),
        ("slowfast", {"beta_inverse": 7}, r"width 64 .* beta_inverse 7"),
        ("slowfast", {"lateral_kernel": 4}, r"lateral_kernel must be odd"),
        ("slowfast", {"nonlocal_after": [[], [], [23], []]}, r"ResStage4: found \[23\], expected numbers from 0 to 22"),
        ("slowfast", {"fast_temporal_kernels": [[2], [3], [3], [3]]}, r"temporal kernels must be odd"),
        ("nonlocal_i3d", {"temporal_kernels": [[3], [3], [], [3]]}, r"each stage needs one"),
        ("nonlocal_i3d", {"nonlocal_affinity": "cosine"}, r"unknown affinity 'cosine'"),
        ("r2plus1d", {"block": "wide"}, r"unknown block 'wide'"),
        ("r2plus1d", {"rule": "net"}, r"unknown rule 'net'"),
        ("r2plus1d", {"stem_kernel": 4}, r"stem_kernel must be odd"),
    ],
)
def test_wrong_values_are_refused(architecture: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message), torch.device("meta"):
        build_video(video_config(architecture, values))


@pytest.mark.parametrize("config", [SMALL_SLOWFAST, SMALL_I3D])
def test_wrong_clips_are_refused(config: VideoConfig) -> None:
    network = build_video(config)
    for shape, message in (
        ((3, 8, 32, 32), r"expected a batch of clips \(N, C, T, H, W\)"),
        ((1, 2, 8, 32, 32), r"clips of 2 channels, expected 3"),
        ((1, 3, 1, 32, 32), r"clips of 1 frames .* expected at least"),
        ((1, 3, 8, 32, 31), r"expected at least . of 32 x 32"),
    ):
        with pytest.raises(UserError, match=message):
            network(torch.randn(shape))
    with pytest.raises(UserError, match="without boxes"):
        SlowFast(replace(SMALL_SLOWFAST, head="detect"))(torch.randn(1, 3, 4, 32, 32))
    with pytest.raises(UserError, match="with boxes for a network with head 'classify'"):
        SlowFast(SMALL_SLOWFAST)(torch.randn(1, 3, 4, 32, 32), torch.zeros(1, 5))


@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2), (1, 3, 3)])
@pytest.mark.parametrize("after", [((), (), (0,), ()), ((), (0,), (), (0,)), ((), (), (), ())])
@pytest.mark.parametrize("small", [SMALL_SLOWFAST, SMALL_I3D])
def test_limits_are_the_smallest_clip_that_works(small: Any, after: Any, pool: tuple[int, int, int]) -> None:
    """At its limits a network gives logits; with one frame or one row less it refuses, it does not fail."""
    network = build_video(replace(small, nonlocal_after=after, nonlocal_pool=pool)).eval()
    channels, frames, side = network.limits  # type: ignore[misc]
    with torch.no_grad():
        assert network(torch.randn(1, channels, frames, side, side)).isfinite().all()
        for shape in ((1, channels, frames - 1, side, side), (1, channels, frames, side - 1, side)):
            with pytest.raises(UserError, match=f"expected at least {frames} of {side} x {side}"):
                network(torch.randn(shape))


def test_lists_count_as_tuples() -> None:
    """Values from a file make the same configuration as the defaults."""
    listed = {"blocks": [3, 4, 23, 3], "nonlocal_after": [[], [], [6, 13, 20], []]}
    assert video_config("slowfast", listed) == SlowFastConfig()
    assert isinstance(build_video(SMALL_I3D), NonLocalI3D)
