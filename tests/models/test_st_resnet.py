"""The thesis's layer numbers, and the laws of its connections through time."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from reeltrace.errors import UserError
from reeltrace.models.st_resnet import Connection, Kind, StResNet

# iqbal2017, sections 5.4 to 5.6: the connections that it evaluates
BEST = (Connection(98, 104, "identity"),)
CONTEXTS = {
    2: [BEST],
    3: [
        (Connection(92, 98, "identity"), *BEST),
        (*BEST, Connection(98, 104, "identity", delay=2)),
    ],
    5: [(Connection(79, 85, "identity"), Connection(86, 92, "identity"), Connection(92, 98, "identity"), *BEST)],
}
POSITIONS = ((5, 11), (49, 55), (86, 92), (98, 104))


def small(connections: tuple[Connection, ...] = (), **options: object) -> StResNet:
    torch.manual_seed(0)
    return StResNet(5, connections, width=4, **options)  # type: ignore[arg-type]


def test_resnet_50_has_106_layers_and_the_numbers_of_the_thesis() -> None:
    net = StResNet(1000)
    assert len(net.layer_names) == 106
    shapes: dict[int, tuple[int, ...]] = {}
    for number in range(1, 107):
        net.layer(number).register_forward_hook(
            lambda module, inputs, out, number=number: shapes.__setitem__(number, tuple(out.shape[1:]))
        )
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 224, 224))
    pinned = {
        4: ("maxpool", (64, 56, 56)),
        5: ("layer1.0.downsample", (256, 56, 56)),
        11: ("layer1.0.bn3", (256, 56, 56)),
        23: ("layer1.2.bn3", (256, 56, 56)),
        48: ("layer2.3.bn3", (512, 28, 28)),
        49: ("layer3.0.downsample", (1024, 14, 14)),
        55: ("layer3.0.bn3", (1024, 14, 14)),
        85: ("layer3.5.bn3", (1024, 14, 14)),
        86: ("layer4.0.downsample", (2048, 7, 7)),
        92: ("layer4.0.bn3", (2048, 7, 7)),
        98: ("layer4.1.bn3", (2048, 7, 7)),
        104: ("layer4.2.bn3", (2048, 7, 7)),
        105: ("avgpool", (2048, 1, 1)),
        106: ("fc", (1000,)),
    }
    assert {number: (net.layer_names[number - 1], shapes[number]) for number in pinned} == pinned
    for source, target in POSITIONS:
        assert shapes[source] == shapes[target]


def test_a_block_adds_what_arrives_at_its_end_beside_the_shortcut() -> None:
    """Layer 104 of the last step by hand: ReLU(branch + shortcut + output of layer 98 one frame earlier)."""
    net = small(BEST).eval()
    x = torch.rand(1, 2, 3, 40, 40)
    with torch.no_grad():
        before, now = (backbone_of(net).layer4[:2](below(net, x[:, step])) for step in (0, 1))
        last = net.layer4[2]
        branch = last.relu(last.bn2(last.conv2(last.relu(last.bn1(last.conv1(now))))))
        out = torch.relu(last.bn3(last.conv3(branch)) + now + before)
        torch.testing.assert_close(net.features(x), out.mean((2, 3)))


def below(net: StResNet, x: torch.Tensor) -> torch.Tensor:
    """What enters the fourth stage."""
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    result: torch.Tensor = net.layer3(net.layer2(net.layer1(x)))
    return result


def test_it_is_torchvisions_resnet_50() -> None:
    torch.manual_seed(0)
    theirs, ours = resnet50().eval().to(memory_format=torch.channels_last), StResNet(1000).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


def backbone_of(net: StResNet) -> StResNet:
    plain = small()
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith("wires")})
    return plain.eval()


@pytest.mark.parametrize("source", POSITIONS)
@pytest.mark.parametrize("kind", ["identity", "linear", "non-linear"])
def test_one_frame_gives_the_backbone_bit_for_bit(source: tuple[int, int], kind: Kind) -> None:
    net = small((Connection(*source, kind),)).eval()
    x = torch.rand(2, 1, 3, 40, 40)
    with torch.no_grad():
        assert torch.equal(net(x), backbone_of(net)(x[:, 0]))


@pytest.mark.parametrize("source", POSITIONS)
def test_a_zeroed_connection_gives_the_backbone_bit_for_bit(source: tuple[int, int]) -> None:
    net = small((Connection(*source, "linear"),)).eval()
    x = torch.rand(2, 3, 3, 40, 40)
    with torch.no_grad():
        assert not torch.equal(net(x), backbone_of(net)(x[:, -1]))
        next(net.wires.parameters()).zero_()
        assert torch.equal(net(x), backbone_of(net)(x[:, -1]))


def test_an_identity_adds_no_parameters_and_a_convolution_its_own() -> None:
    def count(net: nn.Module) -> int:
        return sum(parameter.numel() for parameter in net.parameters())

    plain = count(StResNet(101))
    for wires in (wires for group in CONTEXTS.values() for wires in group):
        assert count(StResNet(101, wires)) == plain
    assert count(StResNet(101, [Connection(98, 104, "linear")])) == plain + 2048 * 2048


@pytest.mark.parametrize(("frames", "wires"), [(t, wires) for t, group in CONTEXTS.items() for wires in group])
def test_the_output_depends_on_exactly_so_many_frames(frames: int, wires: tuple[Connection, ...]) -> None:
    net = small(wires).eval()
    x = torch.rand(2, 7, 3, 40, 40, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is not None
    seen = [bool(x.grad[:, step].abs().sum() > 0) for step in range(7)]
    assert seen == [step >= 7 - frames for step in range(7)]


@pytest.mark.parametrize("wires", [wires for group in CONTEXTS.values() for wires in group])
def test_steps_that_are_dropped_early_make_no_difference(wires: tuple[Connection, ...]) -> None:
    """Against the net that carries every frame to the end."""
    net = small(wires).eval()
    whole = small(wires).eval()
    whole._needed = lambda steps: [tuple(range(steps))] * (1 + len(whole._blocks))  # type: ignore[method-assign]
    x = torch.rand(2, 6, 3, 40, 40)
    with torch.no_grad():
        assert torch.allclose(net(x), whole(x), atol=1e-6)


def test_a_frame_below_the_connection_is_computed_once() -> None:
    """Two frames: both pass the layers up to the connection in one call, only the last passes what follows."""
    net = small(BEST).eval()
    seen: dict[int, list[int]] = {}
    for number in range(1, 107):
        net.layer(number).register_forward_hook(
            lambda module, inputs, out, number=number: seen.setdefault(number, []).append(len(out))
        )
    with torch.no_grad():
        net(torch.rand(3, 2, 3, 40, 40))
    assert seen[1] == seen[98] == [6]
    assert seen[99] == seen[104] == [3]


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (Connection(98, 107, "identity"), "the layers 1 to 106"),
        (Connection(0, 104, "identity"), "the layers 1 to 106"),
        (Connection(98, 105, "identity"), "the last layer where a connection can end is 104"),
        (Connection(104, 98, "identity"), "a later layer"),
        (Connection(98, 104, "identity", delay=0), "at least one frame"),
        (Connection(86, 90, "identity"), "cannot be added"),
        (Connection(48, 92, "linear"), "frames of different sizes"),
    ],
)
def test_connections_that_cannot_be_are_refused(wire: Connection, said: str) -> None:
    with pytest.raises(UserError, match=said):
        small((wire,))


def test_a_shallow_small_net_keeps_the_rules() -> None:
    net = small(BEST, stem_kernel=3, stem_stride=1, max_pool=False)
    assert net(torch.rand(2, 2, 3, 16, 16)).shape == (2, 5)
    assert net.layer_names == StResNet(5).layer_names
