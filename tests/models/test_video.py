"""The networks of mahler2020: their exact parameter counts, their parts by hand, equality to the public r2plus1d_18."""

from __future__ import annotations

import math
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
from reeltrace.models.slowfast import Detection, SlowFast, SlowFastConfig

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
        ("r2plus1d", {"channels": 2}, 63_694_970),  # of optical flow: 45 x 49 weights fewer in the stem
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
        torch.testing.assert_close(head(boxes[:1] / 2, one, 2 * one), torch.tensor([[2.0, 4.0]]))


def aligned_by_hand(maps: Tensor, box: list[float], stride: int, points: int, aligned: bool) -> Tensor:
    """RoIAlign of a map (C, H, W) to 7 x 7 bins, point by point, and its largest bin, (C,): mahler2020, 6.2.1.

    Without points, each bin has as many as it has cells, rounded up.
    """
    height, width = maps.shape[1:]

    def value(y: float, x: float) -> Tensor:
        if not (-1 <= y <= height and -1 <= x <= width):
            return torch.zeros_like(maps[:, 0, 0])
        y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
        top, left = int(y), int(x)
        below, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = y - top, x - left
        upper = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
        return upper * (1 - down) + (maps[:, below, left] * (1 - across) + maps[:, below, right] * across) * down

    left, top, right, bottom = (side / stride - aligned / 2 for side in box)
    wide, high = right - left, bottom - top
    if not aligned:
        wide, high = max(wide, 1.0), max(high, 1.0)
    down, across = points or math.ceil(high / 7), points or math.ceil(wide / 7)
    bins = []
    for row in range(7):
        for column in range(7):
            here = [
                value(top + high / 7 * (row + (i + 0.5) / down), left + wide / 7 * (column + (j + 0.5) / across))
                for i in range(down)
                for j in range(across)
            ]
            bins.append(torch.stack(here).mean(0))
    return torch.stack(bins).amax(0)


@pytest.mark.parametrize(("sampling", "aligned"), [(2, False), (0, False), (2, True), (3, True)])
def test_regions_are_sampled_as_by_hand(sampling: int, aligned: bool) -> None:
    """On maps of a clip that is not square, for boxes within cells, over many of them and at the border."""
    head = Detection([2, 1], 3, 0.5, stride=16, sampling=sampling, aligned=aligned).double().eval()
    maps = [torch.randn(2, channels, frames, 9, 22, dtype=torch.double) for channels, frames in ((2, 2), (1, 8))]
    boxes = [[0, 3.0, 5.5, 301.0, 131.0], [1, 17.0, 20.0, 21.0, 29.0], [1, 200.25, 0.0, 341.0, 143.0]]
    for number, *box in boxes:
        features = [aligned_by_hand(one[int(number)].mean(1), box, 16, sampling, aligned) for one in maps]
        with torch.no_grad():
            found = head(torch.tensor([[number, *box]]), *maps)
            torch.testing.assert_close(found[0], head.fc(torch.cat(features)))


def test_a_cell_of_the_maps_is_as_many_pixels_as_the_strides_say() -> None:
    """On a side that they do not divide too, where the maps are rounded up."""
    for strides, stride in (((1, 2, 2, 1), 16), ((1, 2, 2, 2), 32)):
        config = replace(SMALL_SLOWFAST, head="detect", strides=strides, roi_sampling=0, roi_aligned=True)
        network = SlowFast(config)
        assert isinstance(network.head, Detection)
        assert (network.head.stride, network.head.sampling, network.head.aligned) == (stride, 0, True)
        clip = torch.zeros(1, 3, 4, 65, 96)
        with torch.no_grad():
            for pathway in (network.slow, network.fast):
                for stage in pathway[:1]:
                    assert stage(clip).shape[-2:] == (17, 24)


def test_regions_of_bfloat16_maps_keep_their_place() -> None:
    head = Detection([2], 3, 0.5, stride=16)
    maps = torch.randn(1, 2, 2, 16, 24)
    box = torch.tensor([[0, 201.3, 100.7, 300.9, 190.1]])
    features: list[Tensor] = []
    head.fc.register_forward_pre_hook(lambda _, given: features.append(given[0]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for each in (maps.bfloat16(), maps.bfloat16().float()):
            head.eval()(box, each)
    torch.testing.assert_close(features[0], features[1], rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (torch.zeros(2, 4), r"found boxes \(2, 4\): expected \(K, 5\)"),
        (torch.tensor([[1.0, 0, 0, 9, 9]]), r"found a box of clip 1 .* in a batch of 1 clips"),
        (torch.tensor([[-1.0, 0, 0, 9, 9]]), r"in a batch of 1 clips"),
    ],
)
def test_boxes_of_no_clip_are_refused(boxes: Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SlowFast(replace(SMALL_SLOWFAST, head="detect"))(torch.randn(1, 3, 4, 32, 32), boxes)


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
