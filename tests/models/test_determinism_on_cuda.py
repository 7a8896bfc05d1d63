"""What each net would run on a GPU, found without one: torch's fake tensors know devices and shapes, and hold no data.

A tensor that was left on another device is refused, as CUDA would refuse it; and the gradient functions of the graph
are those that a GPU would be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from nets import build_model
from reeltrace.kinds.network import build_video
from reeltrace.models import group_conv
from reeltrace.models.baselines import AveragePool, GRUClassifier
from reeltrace.models.nonlocal_i3d import NonLocalI3DConfig
from reeltrace.models.r2plus1d import R2Plus1DConfig
from reeltrace.models.rcn import RCN
from reeltrace.models.slowfast import SlowFastConfig
from reeltrace.models.st_resnet import Connection, StResNet

# Gradients that CUDA adds in any order: torch's list of what `use_deterministic_algorithms` refuses or replaces, under
# the names of the graph. What newer versions replace (3D max pooling; not 2.11) counts as well.
NOT_DETERMINISTIC = {
    "AvgPool3DBackward0",
    "MaxPool3DWithIndicesBackward0",
    "AdaptiveAvgPool2DBackward0",
    "AdaptiveAvgPool3DBackward0",
    "AdaptiveMaxPool2DBackward0",
    "AdaptiveMaxPool3DBackward0",
    "FractionalMaxPool2DBackward0",
    "FractionalMaxPool3DBackward0",
    "MaxUnpool2DBackward0",
    "MaxUnpool3DBackward0",
    "UpsampleLinear1DBackward0",
    "UpsampleBilinear2DBackward0",
    "UpsampleBilinear2DAaBackward0",
    "UpsampleBicubic2DBackward0",
    "UpsampleBicubic2DAaBackward0",
    "UpsampleTrilinear3DBackward0",
    "ReflectionPad1DBackward0",
    "ReflectionPad2DBackward0",
    "ReflectionPad3DBackward0",
    "NllLoss2DBackward0",
    "CtcLossBackward0",
    "EmbeddingBagBackward0",
    "GridSampler2DBackward0",
    "GridSampler3DBackward0",
    "PutBackward0",
    "MedianBackward0",
    "ScatterReduceBackward0",
    "CumsumBackward0",
}
SMALL_VIDEO = {"classes": 4, "blocks": (1, 1, 1, 1), "width": 8}
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        f"cnn4-{group}": (lambda group=group: build_model("cnn4", group, 4, widths=[4] * 4), (2, 3, 7, 15, 15))
        for group in ("z3", "t2", "p43d")
    },
    **{
        f"resnet18-{group}": (lambda group=group: build_model("resnet18", group, 4, widths=[4] * 4), (2, 3, 9, 33, 33))
        for group in ("z3", "t2", "p43d")
    },
    "st-resnet": (lambda: StResNet(4, [Connection(98, 104, "identity")], width=4), (2, 2, 3, 32, 32)),
    "rcn": (lambda: RCN(4, widths=[4] * 4), (2, 3, 3, 32, 32)),
    "average-pool": (lambda: AveragePool(6, 4, True), (2, 5, 7)),
    "gru": (lambda: GRUClassifier(6, 4, True, 3), (2, 5, 7)),
    "slowfast": (
        lambda: build_video(SlowFastConfig(**SMALL_VIDEO, nonlocal_after=((), (0,), (), ()))),
        (1, 3, 8, 64, 64),
    ),
    "nonlocal_i3d": (
        lambda: build_video(NonLocalI3DConfig(**SMALL_VIDEO, nonlocal_after=((), (0,), (), ()))),
        (1, 3, 8, 64, 64),
    ),
    "r2plus1d": (lambda: build_video(R2Plus1DConfig(**SMALL_VIDEO, max_pool=True)), (1, 3, 8, 64, 64)),
}


@pytest.fixture(autouse=True)
def _no_fake_tables() -> Iterator[None]:
    """Tables that are kept for later calls must not be fake ones."""
    group_conv._row_tables.cache_clear()
    yield
    group_conv._row_tables.cache_clear()


def graph(loss: Tensor) -> set[str]:
    """The names of all gradient functions behind a loss."""
    found, todo = set(), [loss.grad_fn]
    seen = set(todo)
    while todo:
        node = todo.pop()
        assert node is not None
        found.add(node.name())
        new = {following for following, _ in node.next_functions if following is not None} - seen
        seen |= new
        todo += new
    return found


def on_cuda(net: nn.Module, shape: tuple[int, ...]) -> set[str]:
    """The gradient functions of one training step of a net on a fake GPU."""
    mode = FakeTensorMode(allow_non_fake_inputs=False)
    with mode, torch.backends.cudnn.flags(enabled=False):  # cuDNN's recurrent nets ask for a real device
        state = {
            name: mode.from_tensor(tensor).to("cuda").detach().requires_grad_(isinstance(tensor, nn.Parameter))
            for name, tensor in (*net.named_parameters(), *net.named_buffers())
        }
        x = torch.empty(shape, device="cuda")
        logits = functional_call(net, state, (x,))
        assert logits.device.type == "cuda"
        loss = F.cross_entropy(logits.float(), torch.zeros(shape[0], dtype=torch.int64, device="cuda"))
        return graph(loss)


@pytest.mark.parametrize("name", NETS)
def test_every_gradient_of_a_net_is_deterministic_on_cuda(name):
    build, shape = NETS[name]
    found = on_cuda(build(), shape)
    assert len(found) > 4
    assert not found & NOT_DETERMINISTIC


def test_the_check_sees_what_it_looks_for():
    plain = nn.Sequential(nn.Conv3d(3, 4, 3), nn.MaxPool3d(3, 2), nn.AvgPool3d(2), nn.Flatten(), nn.LazyLinear(4))
    plain(torch.zeros(2, 3, 15, 15, 15))
    found = on_cuda(plain, (2, 3, 15, 15, 15))
    assert found & NOT_DETERMINISTIC == {"AvgPool3DBackward0", "MaxPool3DWithIndicesBackward0"}
    assert "AdaptiveAvgPool3DBackward0" in graph(F.adaptive_avg_pool3d(torch.ones(1, 1, 4, 4, 4).requires_grad_(), 2))


def test_a_tensor_that_stayed_on_the_cpu_is_refused():
    class Forgotten(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.ones(4, device="cpu")

    with pytest.raises(RuntimeError, match="on the same device"):
        on_cuda(Forgotten(6, 4), (2, 6))
