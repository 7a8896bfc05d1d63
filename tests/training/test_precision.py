import copy
import itertools
import json

import pytest
import torch
from torch import nn

from reeltrace.artifacts.json_values import read_json
from reeltrace.machine import processor
from reeltrace.models.group_conv import GroupConv3d
from reeltrace.models.groups import get_group
from reeltrace.training import precision, stage
from reeltrace.training.precision import conform, way_of
from training.older import OLDER, run_python

NARROW_PROJECTIONS = """
import itertools
import torch
from torch import nn
from reeltrace.training.precision import conform

torch.set_num_threads(1)
worst = 0.0
for channels, filters, stride, size in itertools.product(
    (2, 3, 4, 5, 6, 7, 8, 12), (4, 16), ((2, 2), (2, 1), (3, 3)), ((8, 8), (6, 12))
):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(channels, filters, 1, stride)).double()
    x = torch.randn(4, channels, *size, dtype=torch.float64, requires_grad=True)
    wanted = torch.autograd.grad((net(x) ** 3).sum(), [x, *net.parameters()])
    conform(net.float())
    for _ in range(3):
        x = x.detach().float().contiguous(memory_format=torch.channels_last).requires_grad_()
        found = torch.autograd.grad((net(x) ** 3).sum(), [x, *net.parameters()])
        worst = max(worst, *(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(found, wanted)))
print(worst)
"""


@pytest.mark.parametrize("older", [True, False])
def test_narrow_strided_projections_have_right_gradients(older):
    """oneDNN writes past its workspace there with AVX2 only: the process dies or the numbers are wrong."""
    done = run_python(NARROW_PROJECTIONS, older=older)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


@pytest.mark.parametrize(
    ("size", "weight", "stride", "padding", "dtype", "way"),
    [
        ((4, 4, 8, 8), (8, 4, 1, 1), (2, 2), (0, 0), torch.float32, "sliced"),
        ((4, 4, 8, 8), (8, 4, 1, 1), (1, 2), (0, 0), torch.bfloat16, "sliced"),
        ((4, 16, 8, 8), (8, 16, 1, 1), (2, 2), (0, 0), torch.float32, "plain"),
        ((4, 4, 8, 8), (8, 4, 1, 1), (1, 1), (0, 0), torch.float32, "plain"),
        ((4, 4, 8, 8), (8, 4, 3, 3), (2, 2), (1, 1), torch.float32, "plain"),
        ((4, 4, 8, 8), (8, 4, 1, 1), (2, 2), (1, 1), torch.float32, "plain"),
        ((4, 4, 8, 8, 8), (8, 4, 1, 1, 1), (2, 2, 2), (0, 0, 0), torch.float32, "plain"),
        ((4, 4, 2, 8, 8), (8, 4, 3, 3, 3), (1, 1, 1), (1, 1, 1), torch.bfloat16, "float32"),
        ((4, 4, 2, 8, 8), (8, 4, 3, 3, 3), (1, 1, 1), (1, 1, 1), torch.float32, "plain"),
        ((4, 4, 3, 8, 8), (8, 4, 3, 3, 3), (1, 1, 1), (1, 1, 1), torch.bfloat16, "plain"),
    ],
)
def test_the_way_of_a_convolution(size, weight, stride, padding, dtype, way):
    assert way_of(size, weight, stride, padding, dtype) == way


def convolutions():
    for groups, bias, stride, padding in itertools.product((1, 2), (True, False), (1, 2, (2, 1)), (0, 1)):
        yield nn.Conv2d(4, 6, 1, stride, padding, groups=groups, bias=bias), (2, 4, 7, 8)
    yield nn.Conv2d(4, 6, 1, 2, 1, padding_mode="reflect"), (2, 4, 7, 8)
    yield nn.Conv2d(4, 6, 3, padding="same"), (2, 4, 7, 8)
    yield nn.Conv3d(4, 6, 1, 2), (2, 4, 3, 7, 8)
    yield GroupConv3d(get_group("t2"), 4, 3, 3, 2, 1, lifting=True), (2, 4, 2, 7, 8)


@pytest.mark.parametrize(("module", "size"), list(convolutions()), ids=lambda value: str(value))
def test_every_way_is_the_same_function(module, size):
    module = module.double()
    other = copy.deepcopy(module)
    conform(other)
    x = torch.randn(size, dtype=torch.float64, requires_grad=True)
    found, wanted = ([m(x), *torch.autograd.grad((m(x) ** 3).sum(), [x, *m.parameters()])] for m in (other, module))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_copy_of_a_conforming_net_computes_with_its_own_weights():
    net = nn.Sequential(nn.Conv2d(4, 6, 1, 2))
    conform(net)
    other = copy.deepcopy(net)
    nn.init.zeros_(other[0].weight)
    nn.init.zeros_(other[0].bias)
    x = torch.rand(1, 4, 8, 8)
    assert not other(x).any()
    assert net(x).any()


def test_a_conforming_net_keeps_its_weights_and_nothing_of_it_is_replaced():
    net = nn.Sequential(nn.Conv2d(4, 6, 1, 2), nn.BatchNorm2d(6), nn.Sequential(nn.Conv2d(6, 6, 1)))
    given = dict(net.named_parameters())
    for _ in range(2):  # a second time changes nothing
        conform(net)
        assert [type(module).__name__ for module in net.modules()].count("Conv2d") == 2
        assert isinstance(net[0], nn.Conv2d)
        assert not any("forward" in vars(module) for module in net.modules())
        found = dict(net.named_parameters())
        assert found.keys() == given.keys()
        assert all(found[name] is given[name] for name in given)
    assert len(type(net[0]).__mro__) == len(nn.Conv2d.__mro__) + 2


CHOSEN = """
import json, sys, torch
from reeltrace.training.precision import arithmetic, choose
cpu = torch.device("cpu")
found = {asked: choose(asked, cpu, autocast=True, who="a-run-s0") for asked in ("auto", "float32", "bfloat16")}
found["on frames"] = choose("bfloat16", cpu, autocast=False, who="another")
found["arithmetic"] = arithmetic("auto", found["auto"], cpu)
print(json.dumps(found))
"""


def test_an_older_processor_trains_in_float32_and_says_what_bfloat16_costs():
    done = run_python(CHOSEN, older=True)
    found = json.loads(done.stdout)
    assert (found["auto"], found["float32"], found["bfloat16"]) == ("float32", "float32", "bfloat16")
    assert found["on frames"] == "float32"
    assert done.stderr.splitlines() == [
        "a-run-s0: bfloat16 is only emulated on this processor and takes 19 to 30 times as long as float32; "
        "write `precision: float32` in params.yaml"
    ]
    assert found["arithmetic"]["processor"]["limits"] == OLDER
    assert found["arithmetic"]["precision"] == "float32"


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_what_the_device_does_itself(monkeypatch, capsys, native):
    monkeypatch.setattr(precision, "is_native", lambda device: native)
    for device in (torch.device("cpu"), torch.device("cuda")):
        assert precision.choose("auto", device, autocast=True, who="x") == ("bfloat16" if native else "float32")
        assert precision.choose("float32", device, autocast=True, who="x") == "float32"
        assert precision.choose("bfloat16", device, autocast=True, who="x") == "bfloat16"
        assert ("only emulated" in capsys.readouterr().err) == (not native)


def test_what_was_chosen_stands_in_the_results(spec_of, datasets, tmp_path):
    spec = spec_of(device={"precision": "auto"}, protocol={"epochs": 1, "milestones": []})
    facts = stage.run(spec, {"data/direction": datasets["direction"]}, tmp_path)
    found = read_json(tmp_path / "metrics.json")["arithmetic"]
    native = precision.is_native(torch.device("cpu"))
    assert found == {
        "asked": "auto",
        "precision": "bfloat16" if native else "float32",
        "device": "cpu",
        "gpu": None,
        "processor": processor.describe(),
    }
    assert facts["precision"] == found["precision"]
