"""Spatio-Temporal Residual Networks (iqbal2017, chapter 4): a 2D bottleneck ResNet with connections through time.

The thesis names positions by the number of a layer and counts 106 of them. Counted from one they are: the stem's four
(convolution, batch norm, ReLU, max-pool), then block by block the shortcut's projection where there is one, and three
convolutions each with its batch norm; 105 is the average pool, 106 the classifier. So the stages end at layers 23, 48,
85 and 104, where the thesis takes its features, and the connections that it evaluates lead from the projection or the
end of a block to the end of the next; see `StResNet.layer_names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.weights import Names

Kind = Literal["identity", "linear", "non-linear"]
BLOCKS = (3, 4, 6, 3)
EXPANSION = 4


@dataclass(frozen=True)
class Connection:
    """A connection through time: the output of layer `source`, `delay` frames ago, is added to that of `target`.

    The last layer of a block gives out what the block does: what arrives there is added where the shortcut is, before
    the ReLU, and what leaves from there has passed it.
    `kind` is what it does on the way: nothing ("identity", not trained), a 1x1 convolution ("linear"), or a 1x1
    convolution and ReLU ("non-linear").
    """

    source: int
    target: int
    kind: Kind
    delay: int = 1


class Bottleneck(nn.Module):
    """1x1, 3x3 (which strides) and 1x1 convolution around a shortcut; parameters bear torchvision's names."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=False)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """One frame at a time, without any connection through time."""
        shortcut = x if self.downsample is None else self.downsample(x)
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(branch)))))
        out: Tensor = self.relu(branch + shortcut)
        return out

    def layers(self) -> list[tuple[str, nn.Module]]:
        """The thesis's layers in its order: the projection with its batch norm as one, then the residual branch."""
        found: list[tuple[str, nn.Module]] = []
        if self.downsample is not None:
            found.append(("downsample", self.downsample))
        return found + [(name, getattr(self, name)) for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")]


class _Sequence:
    """The frames of a batch of sequences on their way through the layers.

    Tensors are (S * B, C, H, W), the steps of time outermost. Only the steps that the output depends on are kept:
    `steps` are their numbers.
    """

    def __init__(self, net: StResNet, steps: tuple[int, ...], batch: int) -> None:
        self.net, self.steps, self.batch = net, steps, batch
        self.held: dict[int, dict[int, Tensor]] = {}

    def pass_layer(self, number: int, x: Tensor) -> Tensor:
        """Add to the output `x` of a layer what arrives there, and remember it where a connection begins."""
        return self.leave(number, self.arrive(number, x))

    def arrive(self, number: int, x: Tensor) -> Tensor:
        """Add what the connections that end at a layer bring."""
        arriving = [place for place, wire in enumerate(self.net.connections) if wire.target == number]
        if arriving:
            parts = list(torch.split(x, self.batch))
            for place in arriving:
                wire = self.net.connections[place]
                for index, step in enumerate(self.steps):
                    earlier = self.held[wire.source].get(step - wire.delay)
                    if earlier is not None:
                        parts[index] = parts[index] + self.net.wires[place](earlier)
            x = torch.cat(parts)
        return x

    def leave(self, number: int, x: Tensor) -> Tensor:
        """Remember the output of a layer where a connection begins."""
        if any(wire.source == number for wire in self.net.connections):
            self.held[number] = dict(zip(self.steps, torch.split(x, self.batch), strict=True))
        return x

    def keep(self, steps: tuple[int, ...], x: Tensor) -> Tensor:
        """Drop the steps that no later layer needs."""
        if steps == self.steps:
            return x
        parts = dict(zip(self.steps, torch.split(x, self.batch), strict=True))
        self.steps = steps
        return torch.cat([parts[step] for step in steps])


class StResNet(nn.Module):
    """Sequences (N, T, 3, H, W) to logits (N, classes) of the last step; with T = 1, or no connections, the plain net.

    `width` is that of the first stage's inner convolutions (64: ResNet-50), `blocks` the bottlenecks per stage.
    `stem_kernel`, `stem_stride` and `max_pool` shrink the stem for small frames. Parameters of the backbone are named
    as in torchvision's `resnet50`, whose weights `weights.load_images` takes.
    """

    image_names = Names(renamed={}, own=("wires.",))

    def __init__(
        self,
        classes: int,
        connections: Sequence[Connection] = (),
        *,
        width: int = 64,
        blocks: Sequence[int] = BLOCKS,
        stem_kernel: int = 7,
        stem_stride: int = 2,
        max_pool: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, stem_kernel, stem_stride, padding=stem_kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=False)
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1) if max_pool else nn.Identity()
        channels = width
        for stage, count in enumerate(blocks):
            inner = width * 2**stage
            members = []
            for place in range(count):
                members.append(Bottleneck(channels, inner, 2 if stage and place == 0 else 1))
                channels = EXPANSION * inner
            setattr(self, f"layer{stage + 1}", nn.Sequential(*members))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        self._blocks: list[tuple[int, str, Bottleneck]] = []
        names = ["conv1", "bn1", "relu", "maxpool"]
        for stage in range(len(blocks)):
            for place, block in enumerate(getattr(self, f"layer{stage + 1}")):
                self._blocks.append((1 + len(names), f"layer{stage + 1}.{place}", block))
                names += [f"layer{stage + 1}.{place}.{name}" for name, _ in block.layers()]
        self.layer_names = (*names, "avgpool", "fc")
        """The names of the layers, from layer 1 on."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.connections = tuple(connections)
        self.wires = nn.ModuleList(self._wire(connection) for connection in self.connections)
        self.to(memory_format=torch.channels_last)

    def begin_untrained(self) -> None:
        """Let each block begin as its shortcut alone: a net this deep then trains from random weights."""
        for _, _, block in self._blocks:
            nn.init.zeros_(block.bn3.weight)

    def layer(self, number: int) -> nn.Module:
        """The module that the thesis calls layer `number`. Raises UserError when there is none."""
        if not 1 <= number <= len(self.layer_names):
            raise UserError(f"layer {number}: this net has the layers 1 to {len(self.layer_names)}")
        return self.get_submodule(self.layer_names[number - 1])

    def _channels(self, number: int) -> int:
        module = self.layer(number)
        if isinstance(module, nn.Sequential):  # a projection
            module = module[0]
        if isinstance(module, nn.Conv2d):
            return module.out_channels
        return module.num_features if isinstance(module, nn.BatchNorm2d) else self.conv1.out_channels

    def _level(self, number: int) -> int:
        """How often the frame was halved before layer `number`'s output; equal levels are frames of equal size."""
        name = self.layer_names[number - 1]
        if not name.startswith("layer"):
            return 1 if name == "maxpool" else 0
        stage, place, part = name.split(".", 2)
        level = int(stage.removeprefix("layer"))
        return level - 1 if level > 1 and place == "0" and part in ("conv1", "bn1") else level

    def _wire(self, connection: Connection) -> nn.Module:
        source, target = self._channels(connection.source), self._channels(connection.target)
        where = f"connection {connection.source}-{connection.target}"
        if connection.source >= connection.target or connection.delay < 1:
            raise UserError(f"{where}: expected a later layer as target, and a delay of at least one frame")
        if connection.target > (last := len(self.layer_names) - 2):
            raise UserError(
                f"{where}: the last layer where a connection can end is {last}; pool and classifier follow it"
            )
        if self._level(connection.source) != self._level(connection.target):
            raise UserError(f"{where}: the two layers see frames of different sizes; join layers of one stage")
        if connection.kind == "identity":
            if source != target:
                raise UserError(f"{where}: {source} channels cannot be added to {target} without a convolution")
            return nn.Identity()
        conv = nn.Conv2d(source, target, 1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="linear")
        return conv if connection.kind == "linear" else nn.Sequential(conv, nn.ReLU())

    def _needed(self, steps: int) -> list[tuple[int, ...]]:
        """The steps of time that must pass the stem, and each block, for the last step to leave the net."""
        needed = {steps - 1}
        at: dict[int, set[int]] = {}
        for number in range(len(self.layer_names), 0, -1):
            for wire in self.connections:
                if wire.source == number:
                    needed = needed | {step - wire.delay for step in at[wire.target] if step >= wire.delay}
            at[number] = needed
        return [tuple(sorted(at[number])) for number in (1, *(first for first, _, _ in self._blocks))]

    def forward(self, x: Tensor) -> Tensor:
        """Classify sequences of frames (N, T, 3, H, W), or single frames (N, 3, H, W)."""
        return self.classify(self.features(x))

    def blocks_of(self, x: Tensor) -> dict[str, Tensor]:
        """Features of single frames (N, 3, H, W): the outputs of stages 2, 3 and 4, averaged over the frame.

        They stand behind the thesis's layers 48, 85 and 105, where the frame is halved or ends (section 5.2).
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found: dict[str, Tensor] = {}
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
            if stage > 1:
                found[f"block{stage}"] = self.avgpool(x).flatten(1)
        return found

    def classify(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of features (N, C) behind the last stage."""
        logits: Tensor = self.fc(features)
        return logits

    def features(self, x: Tensor) -> Tensor:
        """Pooled features (N, C) of the last step, before the linear layer."""
        if x.dim() == 4:
            x = x.unsqueeze(1)
        count, steps = x.shape[:2]
        stem, *blocks = self._needed(steps)
        sequence = _Sequence(self, stem, count)
        x = torch.cat([x[:, step] for step in stem])
        for number, module in enumerate((self.conv1, self.bn1, self.relu, self.maxpool), start=1):
            x = sequence.pass_layer(number, module(x))
        for steps_here, (first, _, block) in zip(blocks, self._blocks, strict=True):
            x = self._through(block, first, sequence, sequence.keep(steps_here, x))
        pooled: Tensor = self.avgpool(sequence.keep((steps - 1,), x)).flatten(1)
        return pooled

    def _through(self, block: Bottleneck, first: int, sequence: _Sequence, x: Tensor) -> Tensor:
        shortcut, number = x, first
        if block.downsample is not None:
            shortcut = sequence.pass_layer(number, block.downsample(x))
            number += 1
        branch = x
        for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            branch = sequence.pass_layer(number, conv(branch))
            branch = block.relu(sequence.pass_layer(number + 1, norm(branch)))
            number += 2
        branch = sequence.pass_layer(number, block.conv3(branch))
        total = sequence.arrive(number + 1, block.bn3(branch) + shortcut)
        return sequence.leave(number + 1, block.relu(total))


class SequenceNet(StResNet):
    """An ST-ResNet on clips (N, 3, T, H, W), as the training loop hands them out.

    With `fixed_statistics` batch norm uses the mean and variance that it was loaded with, in training too.
    """

    def __init__(self, *args: Any, fixed_statistics: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fixed_statistics = fixed_statistics

    def train(self, mode: bool = True) -> SequenceNet:
        super().train(mode)
        if self.fixed_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2))


def build(description: Mapping[str, Any]) -> SequenceNet:
    """The net that a description describes, with random weights."""
    options = {name: value for name, value in description.items() if name != "architecture"}
    wires = [Connection(**wire) for wire in options.pop("connections")]
    return SequenceNet(options.pop("classes"), wires, **options)
