"""Nets on frames, from encoded videos to scores: backbones, features, baselines, ST-ResNets, RCNs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltrace.artifacts.protocol import outputs_in
from reeltrace.data import downloads
from reeltrace.data.features import open_video_features
from reeltrace.data.sequences import open_sequences
from reeltrace.errors import UserError
from reeltrace.models.checkpoint import load_checkpoint
from reeltrace.models.st_resnet import SequenceNet
from reeltrace.pipeline.plan import (
    FEATURES_OUTPUTS,
    LEARNED_OUTPUTS,
    PRETRAIN_OUTPUTS,
    TRAIN_OUTPUTS,
)
from reeltrace.registry.datasets import VideoView
from reeltrace.registry.specs import FeaturesSpec, FrameView, PretrainSpec, TrainSpec
from reeltrace.training import backbone_nets_stage, features_stage, pretrain_stage
from reeltrace.training.backbones import initial_net
from reeltrace.training.evaluation import average_over_clips, evaluate
from training.test_video_stage import VIEW, make

SpecOf = Callable[..., TrainSpec]
BACKBONE: dict[str, Any] = {
    "architecture": "resnet50",
    "width": 2,
    "stem_kernel": 3,
    "stem_stride": 1,
    "max_pool": True,
    "normalise": VIEW["normalise"],
    "weights": None,
    "stills": {"dataset": "tiny", "split": 1, "every": 4, "protocol": "p"},
    "initial": None,
}
RUN: dict[str, Any] = {
    "dataset": "tiny",
    "classes": 2,
    "video": VIEW,
    "backbone": BACKBONE,
    "evaluation": ["original"],
    "protocol": {"optimizer": "adam", "learning_rate": 0.01, "epochs": 2, "milestones": [1], "batch_size": 4},
}
IDENTITY = {"source": 98, "target": 104, "kind": "identity", "delay": 1}
ST = {
    "model": {"architecture": "st-resnet", "backbone": "b", "frames": 2, "connections": [IDENTITY],
              "fixed_statistics": True},
    "sequences": {"frames": 2, "every": 3},
}  # fmt: skip
POOL = {"model": {"architecture": "average-pool", "backbone": "b", "block": "block4", "z_norm": True, "units": None}}
GRU = {"model": {"architecture": "gru", "backbone": "b", "block": "block3", "z_norm": False, "units": 8}}
RCN = {
    "model": {"architecture": "rcn", "backbone": "b", "input_init": "random", "hidden_init": "identity", "halve": True},
    "backbone": {**BACKBONE, "architecture": "resnet18"},
}


def spec(changes: dict[str, Any], **more: Any) -> TrainSpec:
    from training.conftest import RUN as BASE

    return TrainSpec.model_validate({**BASE, **RUN, **changes, **more, "protocol": BASE["protocol"] | RUN["protocol"]})


def pretrain(made: dict[str, Path], work: Path, **changes: Any) -> Path:
    backbone = {**BACKBONE, **changes}
    training = spec(
        {"model": {"architecture": "stills", "backbone": "b"}, "sequences": {"frames": 1, "every": 4}},
        backbone=backbone,
    )
    whole = PretrainSpec(stage="pretrain", key="b", scale="smoke", backbone=training.backbone, training=training)
    work.mkdir(parents=True)
    pretrain_stage.run(whole, made, work)
    return work


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("frames")
    found = make(root / "set")
    found["pretrain/b"] = pretrain(found, root / "b")
    found["features/b"] = root / "features"
    found["features/b"].mkdir()
    features_stage.run(features_spec(), {"frames/tiny": found["frames/tiny"], "pretrain/b": found["pretrain/b"]},
                       found["features/b"])  # fmt: skip
    return found


def features_spec() -> FeaturesSpec:
    return FeaturesSpec.model_validate(
        {"stage": "features", "key": "tiny-b", "scale": "smoke", "dataset": "tiny", "backbone_name": "b",
         "backbone": BACKBONE, "crop": 15, "size": 15,
         "device": {"kind": "cpu", "threads": 1, "precision": "float32", "loaders": 0}}
    )  # fmt: skip


def inputs(made: dict[str, Path], *names: str) -> dict[str, Path]:
    return {name: made[name] for name in ("data/tiny", "frames/tiny", *names)}


def test_a_backbone_is_made_once_and_its_weights_begin_the_next(made: dict[str, Path], tmp_path: Path) -> None:
    assert sorted(outputs_in(made["pretrain/b"])) == sorted(LEARNED_OUTPUTS)
    _, _, state = load_checkpoint(made["pretrain/b"] / "weights.pt")
    net = initial_net(spec(ST), made["pretrain/b"]).module
    own = net.state_dict()
    assert all(torch.equal(own[name], value) for name, value in state.items() if not name.startswith("fc."))
    assert not any(torch.equal(own[name], state[name]) for name in ("fc.weight",))
    further = pretrain({**inputs(made), "pretrain/b": made["pretrain/b"]}, tmp_path / "tuned", initial="b")
    about = json.loads((further / "about.json").read_text())
    assert about["initial"] == "b"


def test_an_image_net_trains_without_its_past_and_feeds_an_rcn(made: dict[str, Path], tmp_path: Path) -> None:
    folder = pretrain(inputs(made), tmp_path / "r18", architecture="resnet18")
    _, _, state = load_checkpoint(folder / "weights.pt")
    assert not any("hidden" in name or ".input." in name for name in state)
    wanted = {"layer1.0.conv1.weight", "bn1.weight", "layer2.0.downsample.0.weight", "fc.weight"}
    assert wanted <= state.keys()
    net = initial_net(spec(RCN), folder).module
    assert torch.equal(net.state_dict()["layer1.0.conv1.input.weight"], state["layer1.0.conv1.weight"])


def test_weights_of_another_size_are_refused(made: dict[str, Path]) -> None:
    wide = spec(ST, backbone={**BACKBONE, "width": 4})
    with pytest.raises(
        UserError, match=r"weights\.pt does not fit this net: bn1\.bias is \(2,\), expected \(4,\); make the"
    ):
        initial_net(wide, made["pretrain/b"])


def test_features_are_those_of_each_frame_and_cost_one_pass(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    blocks_of = SequenceNet.blocks_of

    def counted(self: SequenceNet, x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(len(x))
        return blocks_of(self, x)

    monkeypatch.setattr(SequenceNet, "blocks_of", counted)
    features_stage.run(features_spec(), {name: made[name] for name in ("frames/tiny", "pretrain/b")}, tmp_path)
    assert sorted(outputs_in(tmp_path)) == sorted(FEATURES_OUTPUTS)
    about = json.loads((tmp_path / "about.json").read_text())
    assert sum(seen) == about["frames"]
    assert about["channels"] == {"block2": 16, "block3": 32, "block4": 64}
    for name in outputs_in(tmp_path):
        assert (tmp_path / name).read_bytes() == (made["features/b"] / name).read_bytes()


def test_block4_is_what_the_classifier_of_the_backbone_sees(made: dict[str, Path]) -> None:
    view = VideoView.model_validate(VIEW)
    whole, *_ = open_video_features(view, "block4", False, made["data/tiny"], made["frames/tiny"], made["features/b"])
    stills, *_ = open_sequences(view, FrameView(frames=1, every=1), made["data/tiny"], made["frames/tiny"])
    net = initial_net(spec(ST), made["pretrain/b"]).module.eval()
    pixels = (stills.batch(range(10)).float() / 255 - 0.4) / 0.2
    with torch.no_grad():
        expected = net.features(pixels.transpose(1, 2))  # type: ignore[operator]
    assert np.allclose(whole.rows(0)[:10], expected.numpy(), rtol=2e-3, atol=2e-3)


def test_z_normalisation_is_fitted_on_training_frames_alone(made: dict[str, Path]) -> None:
    view = VideoView.model_validate(VIEW)
    folders = (made["data/tiny"], made["frames/tiny"], made["features/b"])
    train, _, test = open_video_features(view, "block3", False, *folders)
    mean, deviation = train.statistics()
    rows = np.concatenate([train.rows(place) for place in range(len(train))]).astype(np.float64)
    assert np.allclose(mean, rows.mean(0))
    assert np.allclose(deviation[rows.std(0) > 1e-5], rows.std(0)[rows.std(0) > 1e-5])
    assert not np.allclose(mean, np.concatenate([test.rows(p) for p in range(len(test))]).mean(0))
    pooled = open_video_features(view, "block3", True, *folders)[0]
    assert np.allclose(pooled.batch([1])[0, 0, :-1], train.rows(1).mean(0, dtype=np.float64), atol=1e-6)


def test_padding_changes_nothing(made: dict[str, Path]) -> None:
    view = VideoView.model_validate(VIEW)
    train, *_ = open_video_features(view, "block3", False, made["data/tiny"], made["frames/tiny"], made["features/b"])
    for changes in (GRU, {"model": {**POOL["model"], "block": "block3"}}):
        net = initial_net(spec(changes), None).module.eval()
        with torch.no_grad():
            together = net(train.batch(range(6)))
            alone = torch.cat([net(train.batch([place])) for place in range(6)])
        assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "read", "outputs"),
    [
        (ST, "pretrain/b", TRAIN_OUTPUTS),
        (POOL, "features/b", TRAIN_OUTPUTS),
        (GRU, "features/b", TRAIN_OUTPUTS),
        (RCN, None, (*TRAIN_OUTPUTS, "hidden.npz")),
    ],
)
def test_two_runs_give_the_same_bytes_and_scores_on_videos(
    made: dict[str, Path], tmp_path: Path, changes: dict[str, Any], read: str | None, outputs: tuple[str, ...]
) -> None:
    written = []
    for number in (0, 1):
        (work := tmp_path / str(number)).mkdir()
        backbone_nets_stage.run(spec(changes), inputs(made, *([read] if read else [])), work)
        written.append({name: (work / name).read_bytes() for name in outputs_in(work)})
    assert sorted(written[0]) == sorted(outputs)
    assert written[0] == written[1]
    metrics = json.loads(written[0]["metrics.json"])
    scored = metrics["best"]["test"]["original"]
    assert scored["total"] == metrics["videos"]["test"]
    with np.load(work / "predictions.npz") as stored:
        assert scored["correct"] == (stored["best_original"] == stored["label"]).sum()
    if changes is RCN:
        with np.load(work / "hidden.npz") as stored:
            assert len(stored.files) == len(metrics["hidden"]) == 16
            first = stored["01"].astype(np.float64)
        assert metrics["hidden"][0]["mean"] == pytest.approx(first.mean())
        assert metrics["hidden"][0]["diagonal_mean"] == pytest.approx(np.diag(first).mean())


def test_each_frame_passes_the_stem_once_and_the_last_stage_is_spared_the_past(made: dict[str, Path]) -> None:
    """The backbone below the connection is computed once per frame, the rest for the last step of time only."""
    view = VideoView.model_validate(VIEW)
    for frames, wires in ((2, [IDENTITY]), (3, [IDENTITY, {**IDENTITY, "delay": 2}])):
        changes = {**ST, "model": {**ST["model"], "frames": frames, "connections": wires}}
        net = initial_net(spec(changes), made["pretrain/b"]).module
        passed: dict[str, list[int]] = {"conv1": [], "layer4.1.conv3": [], "layer4.2.conv1": [], "fc": []}
        for name, counts in passed.items():
            net.get_submodule(name).register_forward_hook(lambda m, x, y, counts=counts: counts.append(len(y)))
        splits = open_sequences(view, FrameView(frames=frames, every=1), made["data/tiny"], made["frames/tiny"])
        test = splits[2]
        evaluate(net, test, ["original"])
        used = sum(int(c) // frames * frames for c in test.of.store.counts[test.of.chosen])
        assert sum(passed["conv1"]) == used == frames * len(test)  # a frame has one place, and is computed once
        assert sum(passed["layer4.1.conv3"]) == frames * len(test)
        assert sum(passed["layer4.2.conv1"]) == sum(passed["fc"]) == len(test)


def test_the_order_of_sequences_does_not_matter_to_a_video(made: dict[str, Path]) -> None:
    view = VideoView.model_validate(VIEW)
    _, _, test = open_sequences(view, FrameView(frames=2, every=2), made["data/tiny"], made["frames/tiny"])
    logits = evaluate(initial_net(spec(ST), made["pretrain/b"]).module, test, ["original"])["original"]
    plain, _ = average_over_clips(logits, test)
    turned = logits.clone()
    for video in np.unique(test.videos):
        of = np.flatnonzero(test.videos == video)
        turned[of] = logits[of[::-1].copy()]
    assert torch.allclose(plain, average_over_clips(turned, test)[0], atol=1e-12)


def test_fixed_statistics_stay_through_training(made: dict[str, Path]) -> None:
    net = initial_net(spec(ST), made["pretrain/b"]).module
    before = {name: value.clone() for name, value in net.state_dict().items() if "running" in name}
    net.train()
    net(torch.randn(4, 3, 2, 15, 15))
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert net.training


def test_a_split_without_the_right_classes_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has 2 classes, the run's net 3"):
        backbone_nets_stage.run(spec(ST, classes=3), inputs(made, "pretrain/b"), tmp_path)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision_s_weights_are_taken_as_they_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of the paper scale, with random weights of the same names and shapes in place of the download."""
    from torchvision import models

    full = {**BACKBONE, "architecture": name, "width": 64, "stem_kernel": 7, "stem_stride": 2, "stills": None,
            "weights": f"imagenet-{name}"}  # fmt: skip
    state = getattr(models, name)().state_dict()
    torch.save(state, tmp_path / "weights.pth")
    fetched = downloads.Fetched(tmp_path / "weights.pth", "already there")
    monkeypatch.setattr(downloads, "obtain", lambda source, folder: fetched)
    whole = PretrainSpec.model_validate(
        {"stage": "pretrain", "key": name, "scale": "paper", "backbone": full, "training": None}
    )
    (work := tmp_path / "work").mkdir()
    assert pretrain_stage.run(whole, {}, work) == {"served": "already there"}
    assert sorted(outputs_in(work)) == sorted(PRETRAIN_OUTPUTS)
    model = RCN["model"] | {"input_init": "pretrained"} if name == "resnet18" else ST["model"]
    net = initial_net(spec({"model": model, "backbone": full}), work).module.eval()
    plain = getattr(models, name)()
    plain.load_state_dict(state)
    x = torch.randn(1, 3, 64, 64)
    net.fc, plain.fc = torch.nn.Identity(), torch.nn.Identity()
    with torch.no_grad():
        assert torch.allclose(net(x.unsqueeze(2)), plain.eval()(x), atol=1e-4)
    small = whole.model_copy(update={"backbone": whole.backbone.model_copy(update={"width": 32})})
    with pytest.raises(UserError, match=r"expected .*correct weights or width of backbones"):
        pretrain_stage.run(small, {}, work)
