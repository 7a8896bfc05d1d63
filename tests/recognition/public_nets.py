"""Small networks as the public implementations name their weights, and what those give, written out from the names.

Nothing of ours is used: a rule of `recognition.public` that is wrong gives other outputs, not the same ones twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]
SLOW, FAST, RATIO, LATERAL, ALPHA, CLASSES = 8, 2, 2, 5, 4, 5
# temporal kernels of the blocks of s2 to s5
SLOW_KERNELS = {2: [1], 3: [1, 1], 4: [3, 3, 1], 5: [3]}
FAST_KERNELS = {2: [3], 3: [3, 3], 4: [3, 3, 3], 5: [3]}
NONLOCAL = {4: (0, 1)}  # numbers of the blocks behind which one stands


class _Drawn:
    """Weights with names, drawn one after the other."""

    def __init__(self) -> None:
        self.state: State = {}
        self._draws = torch.Generator().manual_seed(7)

    def conv(self, name: str, out: int, into: int, *kernel: int, bias: bool = False) -> None:
        fan = into * kernel[0] * kernel[1] * kernel[2]
        self.state[f"{name}.weight"] = torch.randn(out, into, *kernel, generator=self._draws) / fan**0.5
        if bias:  # of a non-local block, whose products of three grow with the cube
            self.state[f"{name}.weight"] *= 0.2
            self.state[f"{name}.bias"] = 0.1 * torch.randn(out, generator=self._draws)

    def norm(self, name: str, channels: int) -> None:
        for part in ("weight", "running_var"):
            self.state[f"{name}.{part}"] = 0.5 + torch.rand(channels, generator=self._draws)
        for part in ("bias", "running_mean"):
            self.state[f"{name}.{part}"] = 0.2 * torch.randn(channels, generator=self._draws)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(3)

    def blocks(self, stage: int, pathway: int, into: int, kernels: list[int], width: int) -> None:
        inner = width * 2 ** (stage - 2)
        for number, kernel in enumerate(kernels):
            name = f"s{stage}.pathway{pathway}_res{number}"
            if number == 0:
                self.conv(f"{name}.branch1", 4 * inner, into, 1, 1, 1)
                self.norm(f"{name}.branch1_bn", 4 * inner)
            for letter, out, of, size in (
                ("a", inner, into if number == 0 else 4 * inner, (kernel, 1, 1)),
                ("b", inner, inner, (1, 3, 3)),
                ("c", 4 * inner, inner, (1, 1, 1)),
            ):
                self.conv(f"{name}.branch2.{letter}", out, of, *size)
                self.norm(f"{name}.branch2.{letter}_bn", out)

    def nonlocal_(self, stage: int, number: int, channels: int) -> None:
        name = f"s{stage}.pathway0_nonlocal{number}"
        for part in ("theta", "phi", "g"):
            self.conv(f"{name}.conv_{part}", channels // 2, channels, 1, 1, 1, bias=True)
        self.conv(f"{name}.conv_out", channels, channels // 2, 1, 1, 1, bias=True)
        self.norm(f"{name}.bn", channels)

    def head(self, name: str, features: int) -> None:
        """Logits of about 1, so that no probability is 0 or 1."""
        self.state[f"{name}.weight"] = torch.randn(CLASSES, features, generator=self._draws) / features
        self.state[f"{name}.bias"] = 0.3 * torch.randn(CLASSES, generator=self._draws)


def pyslowfast_slowfast() -> State:
    """A SlowFast with non-local blocks by PySlowFast's names."""
    drawn = _Drawn()
    for pathway, (width, kernel) in enumerate(((SLOW, 1), (FAST, 5))):
        drawn.conv(f"s1.pathway{pathway}_stem.conv", width, 3, kernel, 7, 7)
        drawn.norm(f"s1.pathway{pathway}_stem.bn", width)
    fast = FAST
    slow = SLOW
    for stage in range(1, 5):
        drawn.conv(f"s{stage}_fuse.conv_f2s", RATIO * fast, fast, LATERAL, 1, 1)
        drawn.norm(f"s{stage}_fuse.bn", RATIO * fast)
        drawn.blocks(stage + 1, 0, slow + RATIO * fast, SLOW_KERNELS[stage + 1], SLOW)
        drawn.blocks(stage + 1, 1, fast, FAST_KERNELS[stage + 1], FAST)
        slow, fast = 4 * SLOW * 2 ** (stage - 1), 4 * FAST * 2 ** (stage - 1)
        for number in NONLOCAL.get(stage + 1, ()):
            drawn.nonlocal_(stage + 1, number, slow)
    drawn.head("head.projection", slow + fast)
    return drawn.state


def pyslowfast_i3d() -> State:
    """A non-local I3D by PySlowFast's names."""
    drawn = _Drawn()
    drawn.conv("s1.pathway0_stem.conv", SLOW, 3, 5, 7, 7)
    drawn.norm("s1.pathway0_stem.bn", SLOW)
    into = SLOW
    for stage, kernels in {2: [3], 3: [3, 1], 4: [3, 1, 3], 5: [1]}.items():
        drawn.blocks(stage, 0, into, kernels, SLOW)
        into = 4 * SLOW * 2 ** (stage - 2)
        if stage == 3:
            drawn.nonlocal_(stage, 1, into)
    drawn.head("head.projection", into)
    return drawn.state


def pytorchvideo_names(state: Mapping[str, Tensor]) -> State:
    """A SlowFast without non-local blocks, by pytorchvideo's names in place of PySlowFast's."""
    renamed: State = {}
    for name, value in state.items():
        stage, _, rest = name.partition(".")
        if stage == "head":
            new = f"blocks.6.proj.{rest.removeprefix('projection.')}"
        elif stage.endswith("_fuse"):
            part = rest.replace("conv_f2s", "conv_fast_to_slow").replace("bn.", "norm.")
            new = f"blocks.{int(stage[1]) - 1}.multipathway_fusion.{part}"
        else:
            pathway, rest = rest.removeprefix("pathway").split("_", 1)
            new = f"blocks.{int(stage[1]) - 1}.multipathway_blocks.{pathway}."
            if rest.startswith("stem."):
                new += rest.removeprefix("stem.").replace("bn.", "norm.")
            else:
                block, rest = rest.removeprefix("res").split(".", 1)
                rest = rest.replace("branch1_bn", "branch1_norm").replace("branch1.weight", "branch1_conv.weight")
                for letter in "abc":
                    rest = rest.replace(f"branch2.{letter}_bn", f"branch2.norm_{letter}")
                    rest = rest.replace(f"branch2.{letter}.", f"branch2.conv_{letter}.")
                new += f"res_blocks.{block}.{rest}"
        renamed[new] = value
    return renamed


def caffe2_blobs(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A one-pathway network in Caffe2's names, with what training leaves in such a file."""
    blobs: dict[str, Any] = {"model_iter": 7, "lr": 0.1}
    ends = {"bn.weight": "bn_s", "bn.bias": "bn_b", "bn.running_mean": "bn_rm", "bn.running_var": "bn_riv"}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        stage, _, rest = name.partition(".")
        if stage == "head":
            blob, array = f"pred_{'w' if rest.endswith('weight') else 'b'}", value.numpy()
        else:
            rest = rest.removeprefix("pathway0_")
            end = next((new for old, new in ends.items() if rest.endswith(old)), None)
            layer = rest.rpartition(".")[0]
            suffix = {"weight": "w", "bias": "b"}.get(rest.rpartition(".")[2], "")
            if layer.startswith("stem"):
                blob = f"res_conv1_{end}" if end else f"conv1_{suffix}"
            elif layer.startswith("nonlocal"):
                number, part = layer.removeprefix("nonlocal").split(".")
                blob = f"nonlocal_conv{stage[1]}_{number}_" + (end or f"{part.removeprefix('conv_')}_{suffix}")
            else:
                block, branch = layer.removeprefix("res").split(".", 1)
                blob = f"res{stage[1]}_{block}_{branch.removesuffix('_bn').replace('.', '')}_{end or suffix}"
            array = value.numpy()
        blobs[blob] = array
        blobs[f"{blob}_momentum"] = 0 * array
    return blobs


# --- what they give ---


def _conv(x: Tensor, state: State, name: str, stride: tuple[int, ...] = (1, 1, 1)) -> Tensor:
    weight = state[f"{name}.weight"]
    padding = [size // 2 for size in weight.shape[2:]]
    return F.conv3d(x, weight, state.get(f"{name}.bias"), stride, padding)


def _norm(x: Tensor, state: State, name: str) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)


def _block(x: Tensor, state: State, name: str, stride: int) -> Tensor:
    y = F.relu(_norm(_conv(x, state, f"{name}.branch2.a"), state, f"{name}.branch2.a_bn"))
    y = F.relu(_norm(_conv(y, state, f"{name}.branch2.b", (1, stride, stride)), state, f"{name}.branch2.b_bn"))
    y = _norm(_conv(y, state, f"{name}.branch2.c"), state, f"{name}.branch2.c_bn")
    if f"{name}.branch1.weight" in state:
        x = _norm(_conv(x, state, f"{name}.branch1", (1, stride, stride)), state, f"{name}.branch1_bn")
    return F.relu(x + y)


def _nonlocal(x: Tensor, state: State, name: str, softmax: bool) -> Tensor:
    pooled = F.max_pool3d(x, (1, 2, 2))
    theta = _conv(x, state, f"{name}.conv_theta").flatten(2)
    phi = _conv(pooled, state, f"{name}.conv_phi").flatten(2)
    g = _conv(pooled, state, f"{name}.conv_g").flatten(2)
    products = torch.einsum("nci,ncj->nij", theta, phi)
    weights = (products * theta.shape[1] ** -0.5).softmax(2) if softmax else products / phi.shape[2]
    y = torch.einsum("nij,ncj->nci", weights, g).reshape(x.shape[0], -1, *x.shape[2:])
    return x + _norm(_conv(y, state, f"{name}.conv_out"), state, f"{name}.bn")


def _stage(x: Tensor, state: State, stage: int, pathway: int, softmax: bool) -> Tensor:
    block = 0
    while f"s{stage}.pathway{pathway}_res{block}.branch2.a.weight" in state:
        first = block == 0 and stage > 2
        x = _block(x, state, f"s{stage}.pathway{pathway}_res{block}", 2 if first else 1)
        if f"s{stage}.pathway{pathway}_nonlocal{block}.conv_g.weight" in state:
            x = _nonlocal(x, state, f"s{stage}.pathway{pathway}_nonlocal{block}", softmax)
        block += 1
    return x


def _stem(x: Tensor, state: State, pathway: int) -> Tensor:
    name = f"s1.pathway{pathway}_stem"
    x = F.relu(_norm(_conv(x, state, f"{name}.conv", (1, 2, 2)), state, f"{name}.bn"))
    return F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


def _head(maps: list[Tensor], state: State, mean: str) -> Tensor:
    """Windows of 7 x 7, classified one by one: probabilities, or the mean of the logits as probabilities."""
    pooled = torch.cat([F.avg_pool3d(one, (one.shape[2], 7, 7), stride=1) for one in maps], 1)
    logits = F.linear(pooled.permute(0, 2, 3, 4, 1), state["head.projection.weight"], state["head.projection.bias"])
    if mean == "probabilities":
        return logits.softmax(4).mean((1, 2, 3))
    return logits.mean((1, 2, 3)).softmax(1)


def slowfast_gives(clip: Tensor, state: State, mean: str = "probabilities") -> Tensor:
    """Probabilities (N, classes) of clips (N, 3, T, 224 or more, ...)."""
    frames = clip.shape[2]
    slow = clip[:, :, torch.linspace(0, frames - 1, frames // ALPHA).long()]
    slow, fast = _stem(slow, state, 0), _stem(clip, state, 1)
    for stage in range(1, 5):
        lateral = _conv(fast, state, f"s{stage}_fuse.conv_f2s", (ALPHA, 1, 1))
        slow = torch.cat([slow, F.relu(_norm(lateral, state, f"s{stage}_fuse.bn"))], 1)
        slow, fast = (_stage(x, state, stage + 1, p, softmax=False) for p, x in enumerate((slow, fast)))
    return _head([slow, fast], state, mean)


def i3d_gives(clip: Tensor, state: State) -> Tensor:
    """Probabilities (N, classes) of clips (N, 3, T, 224 or more, ...)."""
    x = _stem(clip, state, 0)
    for stage in range(2, 6):
        x = _stage(x, state, stage, 0, softmax=True)
        if stage == 2:
            x = F.max_pool3d(x, (2, 1, 1))
    return _head([x], state, "probabilities")
