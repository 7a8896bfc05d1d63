"""Public weights in networks of ours: the same outputs, the options that come with them, and what is refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from recognition.public_nets import (
    caffe2_blobs,
    i3d_gives,
    pyslowfast_i3d,
    pyslowfast_slowfast,
    pytorchvideo_names,
    slowfast_gives,
)
from reeltrace.errors import UserError
from reeltrace.kinds.network import build_video, video_config
from reeltrace.models.slowfast import SlowFast, SlowFastConfig
from reeltrace.models.weights import read_state
from reeltrace.recognition import command, public
from reeltrace.recognition.convert import convert
from reeltrace.recognition.nets import load_net

State = dict[str, Tensor]


def saved(path: Path, what: Any, *, zipped: bool = True) -> Path:
    torch.save(what, path, _use_new_zipfile_serialization=zipped)
    return path


def probabilities(path: Path, clip: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = load_net(path).net(clip).softmax(1)
    return found


# --- the same function ---


@pytest.fixture(scope="module")
def slowfast() -> tuple[State, Tensor, Tensor]:
    """A network, clips whose pictures are not alike everywhere, and what the public implementation gives for them."""
    state = pyslowfast_slowfast()
    clip = torch.randn(1, 3, 8, 256, 224, generator=torch.Generator().manual_seed(1))
    clip *= torch.linspace(0, 3, 256).view(-1, 1) * torch.linspace(0.2, 1, 8).view(-1, 1, 1)
    wanted = slowfast_gives(clip, state)
    assert wanted.max() < 0.9 and wanted.std() > 0.05  # a number that can differ
    return state, clip, wanted


def test_a_slowfast_of_pyslowfast_gives_what_it_gives_there(
    tmp_path: Path, slowfast: tuple[State, Tensor, Tensor]
) -> None:
    state, clip, wanted = slowfast
    wrapped = {f"module.{name}": value for name, value in state.items()}
    file = saved(tmp_path / "a.pyth", {"epoch": 3, "model_state": wrapped, "cfg": "MODEL: ..."}, zipped=False)
    said = convert(file, "slowfast", tmp_path / "out.pt")
    assert said["implementation"] == "PySlowFast" and said["config"]["nonlocal_after"] == ((), (), (0, 1), ())
    torch.testing.assert_close(probabilities(tmp_path / "out.pt", clip), wanted, rtol=1e-5, atol=1e-6)
    # so that this can fail: both options matter at a crop of 256
    made = load_net(tmp_path / "out.pt")
    for changes in ({"head_window": 0}, {"slow_frames": "strided"}):
        other = build_video(replace(made.config, **changes)).eval()
        other.load_state_dict(made.net.state_dict())
        with torch.no_grad():
            assert (other(clip).softmax(1) - wanted).abs().max() > 1e-4


@pytest.mark.parametrize("file", ["pyth", "pkl"])
def test_an_i3d_of_pyslowfast_and_its_caffe2_file_give_what_it_gives_there(tmp_path: Path, file: str) -> None:
    state = pyslowfast_i3d()
    path = tmp_path / f"a.{file}"
    if file == "pkl":
        path.write_bytes(pickle.dumps({"blobs": caffe2_blobs(state)}, protocol=2))
    else:
        saved(path, {"model_state": state})
    said = convert(path, "nonlocal_i3d", tmp_path / "out.pt")
    assert said["config"]["blocks"] == (1, 2, 3, 1) and said["config"]["nonlocal_after"] == ((), (1,), (), ())
    clip = torch.randn(1, 3, 4, 256, 224) * torch.linspace(0, 3, 256).view(-1, 1)
    found, wanted = probabilities(tmp_path / "out.pt", clip), i3d_gives(clip, state)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert wanted.max() < 0.9


def test_a_slowfast_of_pytorchvideo_averages_logits(tmp_path: Path, slowfast: tuple[State, Tensor, Tensor]) -> None:
    state, clip, _ = slowfast
    state = {name: value for name, value in state.items() if "nonlocal" not in name}
    file = saved(tmp_path / "a.pyth", {"model_state": pytorchvideo_names(state)})
    assert convert(file, "slowfast", tmp_path / "out.pt")["implementation"] == "pytorchvideo"
    found, wanted = probabilities(tmp_path / "out.pt", clip), slowfast_gives(clip, state, "logits")
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


class _PerConvolution(BasicBlock):
    """A basic block whose second convolution has channels of its own between its halves, as in VMZ and ig65m."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        planes = self.conv2[1].num_features
        between = planes * planes * 27 // (planes * 9 + 3 * planes)
        self.conv2 = nn.Sequential(Conv2Plus1D(planes, planes, between), nn.BatchNorm3d(planes))


@pytest.mark.parametrize(
    ("block", "eps", "config"),
    [
        (BasicBlock, 1e-5, {"classes": 3, "blocks": (1, 2, 1, 1), "rule": "block"}),
        (_PerConvolution, 1e-3, {"classes": 3, "blocks": (1, 2, 1, 1), "norm_eps": 1e-3}),
    ],
)
def test_torchvisions_class_and_vmzs_give_what_they_give_there(
    tmp_path: Path, block: type[BasicBlock], eps: float, config: dict[str, Any]
) -> None:
    """VMZ's channels between are counted for each convolution, and its normalisations add 1e-3."""
    with torch.device("meta"):
        reference = VideoResNet(block, [Conv2Plus1D] * 4, [1, 2, 1, 1], R2Plus1dStem, num_classes=3).eval()
    reference.to_empty(device="cpu")
    draws = torch.Generator().manual_seed(3)
    for name, value in reference.state_dict().items():
        fan = value[0].numel() if value.ndim > 1 else 1
        value.uniform_(1e-3, 1e-2, generator=draws) if name.endswith("running_var") else None
        value.normal_(0, 0.3 * fan**-0.5, generator=draws) if not name.endswith(("var", "tracked")) else None
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = eps
    said = convert(saved(tmp_path / "a.pth", reference.state_dict()), "r2plus1d", tmp_path / "out.pt")
    assert said["config"] == config
    clip = torch.randn(1, 3, 4, 40, 36)
    with torch.no_grad():
        found, wanted = load_net(tmp_path / "out.pt").net(clip), reference(clip)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert wanted.std() > 1e-3


def test_the_names_of_a_bottleneck_and_of_flow(tmp_path: Path) -> None:
    """The names and shapes of a bottleneck net on two channels, written out; each is used, none is left."""
    shapes: dict[str, tuple[int, ...]] = {"stem.0": (45, 2, 1, 7, 7), "stem.3": (8, 45, 3, 1, 1)}
    norms = {"stem.1": 45, "stem.4": 8}
    into = 8
    for layer in range(1, 5):
        planes = 8 * 2 ** (layer - 1)
        between = planes * planes * 27 // (planes * 9 + 3 * planes)
        block = f"layer{layer}.0"
        shapes |= {f"{block}.conv1.0": (planes, into, 1, 1, 1), f"{block}.conv3.0": (4 * planes, planes, 1, 1, 1)}
        shapes |= {f"{block}.conv2.0.0": (between, planes, 1, 3, 3), f"{block}.conv2.0.3": (planes, between, 3, 1, 1)}
        shapes |= {f"{block}.downsample.0": (4 * planes, into, 1, 1, 1)}
        norms |= {f"{block}.conv1.1": planes, f"{block}.conv2.0.1": between, f"{block}.conv2.1": planes}
        norms |= {f"{block}.conv3.1": 4 * planes, f"{block}.downsample.1": 4 * planes}
        into = 4 * planes
    state = {f"{name}.weight": torch.randn(*shape) for name, shape in shapes.items()}
    for name, channels in norms.items():
        state |= {f"{name}.{part}": torch.ones(channels) for part in ("weight", "bias", "running_mean", "running_var")}
    state |= {"fc.weight": torch.randn(3, into), "fc.bias": torch.zeros(3)}
    said = convert(saved(tmp_path / "a.pth", state), "r2plus1d", tmp_path / "out.pt")
    assert said["weights"] == len(state)
    wanted = {"classes": 3, "block": "bottleneck", "blocks": (1, 1, 1, 1), "width": 8, "channels": 2, "norm_eps": 1e-3}
    assert said["config"] == wanted
    made = load_net(tmp_path / "out.pt")
    ours = made.net.state_dict()
    assert torch.equal(ours["stages.2.0.branch.1.1.conv.weight"], state["layer2.0.conv2.0.3.weight"])
    assert torch.equal(ours["stages.2.0.branch.2.conv.weight"], state["layer2.0.conv3.0.weight"])
    assert made.view.mean == (0.5, 0.5)


@pytest.mark.parametrize(
    ("blob", "name"),
    [
        ("t_pool1_subsample_w", "s1_fuse.conv_f2s.weight"),
        ("t_pool1_subsample_bn_rm", "s1_fuse.bn.running_mean"),
        ("t_res4_5_branch2c_bn_subsample_w", "s4_fuse.conv_f2s.weight"),
        ("t_res4_5_branch2c_bn_subsample_bn_riv", "s4_fuse.bn.running_var"),
        ("t_conv1_w", "s1.pathway1_stem.conv.weight"),
        ("t_res_conv1_bn_b", "s1.pathway1_stem.bn.bias"),
        ("t_res2_0_branch1_bn_s", "s2.pathway1_res0.branch1_bn.weight"),
        ("t_res5_2_branch2c_bn_s", "s5.pathway1_res2.branch2.c_bn.weight"),
        ("res4_22_branch2b_w", "s4.pathway0_res22.branch2.b.weight"),
        ("nonlocal_conv4_13_out_b", "s4.pathway0_nonlocal13.conv_out.bias"),
        ("pred_w", "head.projection.weight"),
        ("pred_w_momentum", None),
        ("something_else", "something_else"),
    ],
)
def test_blobs_of_caffe2_have_pyslowfasts_names(blob: str, name: str | None) -> None:
    assert public.from_caffe2(blob) == name


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("slowfast", {}),
        ("slowfast", {"blocks": (3, 4, 6, 3), "lateral_kernel": 7, "nonlocal_after": ((), (), (), ()), "classes": 9}),
        ("nonlocal_i3d", {}),
        ("nonlocal_i3d", {"blocks": (3, 4, 6, 3), "temporal_blocks": (3, 4, 6, 3)}),
        ("r2plus1d", {}),
        ("r2plus1d", {"block": "bottleneck", "blocks": (3, 8, 36, 3)}),
        ("r2plus1d", {"blocks": (2, 2, 2, 2), "rule": "block"}),
    ],
)
def test_a_configuration_is_read_from_its_shapes(architecture: str, values: dict[str, Any]) -> None:
    """At full size: but for what the public networks do otherwise, it is the one that the shapes come from."""
    wanted = video_config(architecture, values)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in build_video(wanted).state_dict().items()}
    found = public.configuration(shapes, public.PYSLOWFAST)
    apart = {"head_window", "head_mean", "slow_frames", "norm_eps"}
    assert public.kind_of(shapes) == architecture
    made = video_config(architecture, {name: value for name, value in found.items() if name not in apart})
    assert made == wanted


def test_the_public_slow_frames_are_spread_and_cut() -> None:
    net = SlowFast(SlowFastConfig(width=8, blocks=(1, 1, 1, 1), nonlocal_after=((), (), (), ()), slow_frames="spread"))
    clip = torch.arange(64.0).view(1, 1, 64, 1, 1).expand(1, 3, 64, 1, 1)
    seen = net.of_slow(clip)[0, 0, :, 0, 0].int().tolist()
    assert seen[:6] == [0, 4, 8, 12, 16, 21] and seen[-1] == 63 and len(seen) == 16
    with pytest.raises(UserError, match="a multiple of alpha, 4"):
        net.of_slow(clip[:, :, :62])


def test_detection_brings_the_options_of_the_public_configuration(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pyth", {"model_state": pyslowfast_slowfast()})
    convert(file, "slowfast-detection", tmp_path / "out.pt")
    config = load_net(tmp_path / "out.pt").config
    assert (config.head, config.strides, config.dilations) == ("detect", (1, 2, 2, 1), (1, 1, 1, 2))
    assert (config.roi_sampling, config.nonlocal_pool, config.slow_frames) == (0, (2, 2, 2), "spread")


def test_the_same_file_gives_the_same_bytes_and_other_readers_of_weights_take_it(tmp_path: Path) -> None:
    state = pyslowfast_slowfast()
    file = saved(tmp_path / "a.pyth", {"model_state": state})
    for name in ("one.pt", "two.pt"):
        convert(file, "slowfast", tmp_path / name, {"dropout": 0.2}, {"frames": 16, "crop": 64})
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    made = load_net(tmp_path / "one.pt")
    assert (made.config.dropout, made.view.frames, made.view.crop, made.view.side) == (0.2, 16, 64, 256)
    assert torch.equal(read_state(tmp_path / "one.pt")["head.fc.bias"], state["head.projection.bias"])


# --- what is refused ---


def changed(**changes: Tensor | None) -> Callable[[State], State]:
    def change(state: State) -> State:
        made = {**state, **{name.replace("__", "."): value for name, value in changes.items() if value is not None}}
        gone = {name.replace("__", ".") for name, value in changes.items() if value is None}
        return {name: value for name, value in made.items() if name not in gone}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(s9__odd__weight=torch.zeros(1)), "1 of 365 weights that no rule for s9.odd.weight PySlowFast knows"),
        (changed(s3__pathway0_res1__branch2__b__weight=None), "lacks 1 of 364 weights, by our names slow.2.1.branch.1"),
        (
            changed(s3__pathway0_res1__branch2__b__weight=torch.zeros(16, 16, 1, 3, 5)),
            r"another shape than the network's: s3\S+branch2.b.weight \(16, 16, 1, 3, 5\) for \(16, 16, 1, 3, 3\)",
        ),
        (changed(head__projection__weight=None), "lacks head.fc.weight, by our name"),
    ],
)
def test_a_misfit_is_one_line_with_the_first_names(tmp_path: Path, change: Callable[[State], State], said: str) -> None:
    state = pyslowfast_slowfast()
    assert len(state) == 364
    file = saved(tmp_path / "a.pyth", {"model_state": change(state)})
    with pytest.raises(UserError, match=said) as error:
        convert(file, "slowfast", tmp_path / "out.pt")
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)
    assert not (tmp_path / "out.pt").exists()


class _Runs:
    """What a pickle would call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("called",)


def test_files_are_read_without_running_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"blobs": {"conv1_w": _Runs()}}))
    saved(tmp_path / "a.pyth", {"model_state": {"a": _Runs()}})
    saved(tmp_path / "b.pyth", {"model_state": {"a": _Runs()}}, zipped=False)
    for name, said in (
        ("a.pkl", r"it would call \w+.mkdir"),
        ("a.pyth", "more than plain tensors"),
        ("b.pyth", "more"),
    ):
        with pytest.raises(UserError, match=said):
            convert(tmp_path / name, "slowfast", tmp_path / "out.pt")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("no.pyth", None, "no such file"),
        ("a.pyth", b"PK\x03\x04 and nothing", "damaged or cut off"),
        ("a.pyth", b"not a file of torch", "damaged, or holds more"),
        ("a.pkl", b"\x80\x02 nothing", "damaged, or no pickle"),
        ("a.pkl", pickle.dumps({"weights": {}}), "no blobs"),
        ("a.pkl", pickle.dumps({"blobs": {"conv1_w": "words"}}), "blob 'conv1_w' is no array"),
    ],
)
def test_what_is_no_file_of_weights_is_said(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        convert(tmp_path / name, "slowfast", tmp_path / "out.pt")


def test_another_architecture_is_named(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pyth", {"model_state": pyslowfast_i3d()})
    with pytest.raises(UserError, match="holds a network of kind nonlocal_i3d; give --architecture nonlocal_i3d"):
        convert(file, "slowfast", tmp_path / "out.pt")
    with pytest.raises(UserError, match="no architecture is named 'slowfats'; it has: slowfast, slowfast-detection"):
        convert(file, "slowfats", tmp_path / "out.pt")
    with pytest.raises(UserError, match=r"holds weights named a, ...: expected the names of PySlowFast"):
        convert(saved(tmp_path / "b.pyth", {"a": torch.zeros(1)}), "slowfast", tmp_path / "out.pt")


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    file, out = saved(tmp_path / "a.pyth", {"model_state": pyslowfast_slowfast()}), tmp_path / "out.pt"
    lines = command.convert(file, "slowfast", out, ["alpha=8", "nonlocal_affinity=softmax"], {"frames": 32})
    assert lines[0] == f"{out}: 364 weights of PySlowFast's slowfast"
    assert "alpha 8" in lines[1] and 'nonlocal_affinity "softmax"' in lines[1]
    assert lines[2] == "  view: 32 frames 2 apart, crop 256 of 256 pixels"
    with pytest.raises(UserError, match="--set alpha: expected NAME=VALUE"):
        command.convert(file, "slowfast", out, ["alpha"], {})
    with pytest.raises(UserError, match="unknown value 'alhpa' of architecture slowfast"):
        command.convert(file, "slowfast", out, ["alhpa=8"], {})
