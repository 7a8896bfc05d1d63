"""Every architecture, optimiser and transform on a GPU: two steps, an evaluation, a kill, and the same bytes twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu.conftest import on_devices
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.protocol import make_manifest, outputs_in
from reeltrace.data.transforms import TRANSFORMS
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.models.groups import GROUPS
from reeltrace.registry.specs import FeaturesSpec, PretrainSpec, TrainSpec
from reeltrace.training import backbone_nets_stage, features_stage, loop, pretrain_stage, stage
from reeltrace.training.evaluation import evaluate
from training import test_resume
from training.conftest import RESNET, RUN, merged
from training.test_backbone_nets_stage import BACKBONE, GRU, POOL, RCN, ST, features_spec
from training.test_backbone_nets_stage import spec as frame_spec
from training.test_schedules import SMALL as SLOWFAST
from training.test_video_stage import CHANGES as VIDEOS

CNN4: dict[str, Any] = {"model": {"widths": [4, 4, 4, 4]}}
DIGITS = {"dataset": "digit", "classes": 10, "evaluation": list(TRANSFORMS)}
# Two epochs of one step each: all clips are one batch.
TWO_STEPS = {"epochs": 2, "milestones": [1], "batch_size": 64}
RUNS: dict[str, dict[str, Any]] = {
    **{
        f"{architecture}-{group}": {**DIGITS, "model": {**model, "group": group}}
        for architecture, model in (("cnn4", CNN4["model"]), ("resnet18", RESNET))
        for group in sorted(GROUPS)
    },
    **{
        f"optimizer-{name}": {"protocol": {"optimizer": name, **({} if name != "rprop" else {"momentum": 0.0,
                                                                                             "weight_decay": 0.0})}}
        for name in ("sgd", "adam", "rprop")
    },
    "augmented-treverse": {"augment": {"kind": "treverse", "probability": 0.5}},
    "augmented-rotate": {"augment": {"kind": "rotate", "probability": 0.5}, "device": {"loaders": 2}},
    "float32": {**DIGITS, "device": {"precision": "float32", "loaders": 2}},
    "updates-of-batches": {"protocol": {"batch_size": 7, "update_after": 1.0}},
    "videos": {**VIDEOS, "device": {"loaders": 2}, "evaluation": list(TRANSFORMS)},
}  # fmt: skip
# Nets that share no field with the others.
NETS: dict[str, dict[str, Any]] = {
    "slowfast": SLOWFAST,
    "rcn-scratch": {
        "architecture": "rcn-scratch", "blocks": [1, 1, 1, 1], "width": 2, "stem_kernel": 3, "stem_stride": 1,
        "max_pool": True, "hidden_init": "identity", "halve": True,
    },
}  # fmt: skip
RUNS |= {name: {"dataset": "large", "evaluation": ["original"]} for name in NETS}
FRAME_RUNS: dict[str, tuple[dict[str, Any], str | None]] = {
    "st-resnet": (ST, "pretrain/b"),
    "rcn": (RCN, None),
    "average-pool": (POOL, "features/b"),
    "gru": (GRU, "features/b"),
}
CHEAP = ("cnn4-z3", "optimizer-adam", "augmented-rotate", "videos", "slowfast", "rcn-scratch", "st-resnet", "gru")


class Killed(BaseException):
    """As little as a signal does it let anything be tidied up in the stage."""


def test_nothing_is_left_out() -> None:
    assert {f"{architecture}-{group}" for architecture in ("cnn4", "resnet18") for group in GROUPS} <= RUNS.keys()
    trained = {spec_of(name, "cpu").model.architecture for name in (*RUNS, *FRAME_RUNS)}
    assert trained == {name for name, kind in ARCHITECTURES.all().items() if kind.in_runs}
    optimizers = {spec_of(name, "cpu").protocol.optimizer for name in RUNS}
    assert optimizers == {"sgd", "adam", "rprop"}
    augmented = {spec.augment.kind for name in RUNS if (spec := spec_of(name, "cpu")).augment}
    assert augmented == {"treverse", "rotate"}


def device_of(kind: str, **changes: Any) -> dict[str, Any]:
    precision = "bfloat16" if kind == "cuda" else "float32"
    return {"kind": kind, "threads": 1, "precision": precision, "loaders": 0, **changes}


def spec_of(name: str, device: str) -> TrainSpec:
    if name in FRAME_RUNS:
        return frame_spec(FRAME_RUNS[name][0], device=device_of(device))
    changes = RUNS[name]
    protocol = {**TWO_STEPS, **changes.get("protocol", {})}
    given = merged(RUN, {**changes, "protocol": protocol, "device": device_of(device, **changes.get("device", {}))})
    return TrainSpec.model_validate({**given, "model": NETS.get(name, given["model"])})


def train(name: str, device: str, sets: dict[str, Path], work: Path) -> dict[str, Any]:
    spec, needed = spec_of(name, device), None
    work.mkdir(exist_ok=True)
    write_json(work / "spec.json", spec.model_dump(mode="json"))
    if name in FRAME_RUNS:
        needed = FRAME_RUNS[name][1]
    inputs = [
        f"data/{spec.dataset}",
        *([f"frames/{spec.dataset}"] if spec.video else []),
        *([needed] if needed else []),
    ]
    function: Callable[..., dict[str, Any]] = backbone_nets_stage.run if name in FRAME_RUNS else stage.run
    return function(spec, {key: sets[key] for key in inputs}, work)


def result(work: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest, and the files that it stands for."""
    files = {name: (work / name).read_bytes() for name in outputs_in(work)}
    return make_manifest(work, "train", "tiny-s0", "code", {}), files


@pytest.mark.parametrize(("name", "device"), on_devices([*RUNS, *FRAME_RUNS], CHEAP))
def test_it_trains_evaluates_resumes_and_does_so_again(
    name: str, device: str, sets: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = train(name, device, sets, tmp_path / "whole")
    train(name, device, sets, tmp_path / "again")
    assert result(tmp_path / "again") == result(tmp_path / "whole")

    metrics = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    assert set(metrics["best"]["test"]) == set(spec_of(name, device).evaluation)
    history = [json.loads(line) for line in (tmp_path / "whole" / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]
    assert history[0]["train_loss"] != history[1]["train_loss"], "the net did not change"
    tf32 = {"convolutions": False, "matrix_products": False}
    assert facts["tf32_in_training"] == (tf32 if device == "cuda" else None)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()

    learning_rate = loop.learning_rate

    def killing(protocol: Any, epoch: int, done: float = 0.0) -> float:
        if epoch == 2:
            raise Killed
        return learning_rate(protocol, epoch, done)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate", killing)
        with pytest.raises(Killed):
            train(name, device, sets, tmp_path / "killed")
    assert train(name, device, sets, tmp_path / "killed")["resumed_after_epoch"] == 1
    assert result(tmp_path / "killed") == result(tmp_path / "whole")


@pytest.mark.parametrize(
    ("name", "device"), on_devices(["cnn4-z3", "cnn4-p43d", "resnet18-t2", "updates-of-batches"], [])
)
def test_steps_are_captured(
    name: str,
    device: str,
    sets: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And what they compute is what they compute one by one, but for rounding."""
    train(name, device, sets, tmp_path / "captured")
    assert "cannot be captured" not in capfd.readouterr().err
    monkeypatch.setenv("REELTRACE_CUDA_GRAPHS", "0")
    train(name, device, sets, tmp_path / "single")
    first, second = (
        [json.loads(line)["train_loss"] for line in (tmp_path / way / "history.jsonl").read_text().splitlines()]
        for way in ("captured", "single")
    )
    assert first == pytest.approx(second, rel=1e-2)


@pytest.mark.parametrize(("name", "device"), on_devices(["cnn4-z3"], []))
def test_a_process_that_was_killed_goes_on(name: str, device: str, sets: dict[str, Path], tmp_path: Path) -> None:
    spec = spec_of(name, device)
    train(name, device, sets, tmp_path / "whole")
    (work := tmp_path / "killed").mkdir()
    moment = "after a checkpoint, before its line of history"
    child = subprocess.run(
        [sys.executable, "-c", test_resume.CHILD, spec.model_dump_json(), str(sets[f"data/{spec.dataset}"]), str(work),
         moment],
        env={**os.environ, "PYTHONPATH": str(test_resume.SOURCES)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert train(name, device, sets, work)["resumed_after_epoch"] == 2
    assert result(work) == result(tmp_path / "whole")


@pytest.mark.parametrize(("name", "device"), on_devices(["resnet50", "resnet18"], ["resnet50"]))
def test_a_backbone_is_trained_to_the_same_bytes(name: str, device: str, sets: dict[str, Path], tmp_path: Path) -> None:
    training = frame_spec(
        {"model": {"architecture": "stills", "backbone": "b"}, "sequences": {"frames": 1, "every": 4}},
        backbone={**BACKBONE, "architecture": name},
        device=device_of(device),
    )
    spec = PretrainSpec(stage="pretrain", key="b", scale="smoke", backbone=training.backbone, training=training)
    for work in (tmp_path / "one", tmp_path / "two"):
        work.mkdir()
        write_json(work / "spec.json", spec.model_dump(mode="json"))
        pretrain_stage.run(spec, {key: sets[key] for key in ("data/tiny", "frames/tiny")}, work)
    assert result(tmp_path / "one") == result(tmp_path / "two")


@pytest.mark.parametrize(("name", "device"), on_devices(["features"], ["features"]))
def test_features_are_the_same_twice_and_close_to_a_cpus(
    name: str, device: str, sets: dict[str, Path], tmp_path: Path
) -> None:
    import numpy as np

    spec = FeaturesSpec.model_validate({**features_spec().model_dump(), "device": device_of(device)})
    for work in (tmp_path / "one", tmp_path / "two"):
        work.mkdir()
        write_json(work / "spec.json", spec.model_dump(mode="json"))
        features_stage.run(spec, {key: sets[key] for key in ("frames/tiny", "pretrain/b")}, work)
    assert result(tmp_path / "one") == result(tmp_path / "two")
    for block in ("block2", "block4"):
        found, expected = (np.load(folder / f"{block}.npy") for folder in (tmp_path / "one", sets["features/b"]))
        assert np.allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("name", "device"), on_devices(["cnn4-z3", "resnet18-p43d", "videos", "gru", "rcn"], ["gru"]))
def test_evaluation_is_that_of_a_cpu(name: str, device: str, sets: dict[str, Path]) -> None:
    """In float32: what is left of a difference is rounding."""
    spec = spec_of(name, device)
    if name in FRAME_RUNS:
        splits = backbone_nets_stage._open(spec, sets)
        net = backbone_nets_stage.initial_net(spec, None)
    else:
        splits = stage.open_splits(spec, sets)
        net = loop.Net(loop.new_model(spec), loop.architecture(spec))
    loop.make_repeatable(torch.device(device), 1)
    here = evaluate(net.module, splits[2], spec.evaluation)
    there = evaluate(net.module.to(device), splits[2], spec.evaluation)
    for transform in spec.evaluation:
        assert there[transform].device.type == "cpu"
        assert torch.allclose(here[transform], there[transform], rtol=1e-4, atol=1e-4)
