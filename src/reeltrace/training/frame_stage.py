"""The stage `train` for nets on frames: ST-ResNets, RCNs, and classifiers on features of frames.

The training, the scores and the files are those of `stage`; only the nets and what they are fed differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import HIDDEN
from reeltrace.data.clips import open_videos
from reeltrace.data.features import VideoFeatures, open_video_features
from reeltrace.data.sequences import open_sequences
from reeltrace.errors import UserError
from reeltrace.models.baselines import AveragePool, GRUClassifier
from reeltrace.models.rcn import RCN, hidden_statistics
from reeltrace.training.backbones import initial_net
from reeltrace.training.evaluation import Clips
from reeltrace.training.stage import identity, train_and_score

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec


def run(spec: TrainSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Train and evaluate one run with one seed; see `stage.run` for what it writes.

    A video is scored by the mean probability over its sequences (clips, for an RCN). An RCN's metrics also hold the
    statistics of w_hh per unit, and `hidden.npz` its matrices, of the best epoch. `inputs` names the set, its frames,
    and the backbone ("pretrain/<name>") or the features ("features/<set>-<name>") that the run builds on.
    """
    splits = _open(spec, inputs)
    check_splits(spec, splits)
    weights = next((folder for name, folder in inputs.items() if name.startswith("pretrain/")), None)
    net = initial_net(spec, weights)
    if isinstance(net.module, AveragePool | GRUClassifier) and net.module.z_norm:
        assert isinstance(splits[0], VideoFeatures)
        net.module.set_statistics(*splits[0].statistics())
    more = _hidden if isinstance(net.module, RCN) else None
    facts = train_and_score(spec, net, splits, identity(inputs), work, more)
    if isinstance(net.module, RCN):
        _write_hidden(work / HIDDEN, net.module)
    return facts


def _open(spec: TrainSpec, inputs: Mapping[str, Path]) -> tuple[Clips, Clips, Clips]:
    assert spec.video is not None
    data, frames = inputs[f"data/{spec.dataset}"], inputs[f"frames/{spec.dataset}"]
    model = spec.model
    if model.architecture == "average-pool" or model.architecture == "gru":
        features = next(folder for name, folder in inputs.items() if name.startswith("features/"))
        return open_video_features(
            spec.video, model.block, model.architecture == "average-pool", data, frames, features
        )
    if spec.sequences is not None:
        return open_sequences(spec.video, spec.sequences, data, frames)
    return open_videos(spec.video, data, frames)


def check_splits(spec: TrainSpec, splits: tuple[Clips, Clips, Clips]) -> None:
    """Raise UserError, in one line, unless every split has clips and as many classes as the net."""
    where = f"dataset {spec.dataset} of run {spec.run}"
    for split in splits:
        if len(split) == 0:
            raise UserError(f"{where}: split {split.split} has no clips; make the dataset again with more videos")
        if len(split.classes) != spec.classes:
            raise UserError(
                f"{where}: it has {len(split.classes)} classes, the run's net {spec.classes}; make the dataset again"
            )


def _hidden(model: nn.Module) -> dict[str, Any]:
    assert isinstance(model, RCN)
    return {"hidden": hidden_statistics(model)}


def _write_hidden(path: Path, net: RCN) -> None:
    """The matrices w_hh, float32 (C_out, C_in), of units 01, 02, ... from input to output. No dates: equal bytes."""
    matrices = {f"{n:02}": unit.hidden.weight.detach().cpu().flatten(1).numpy() for n, unit in enumerate(net.units, 1)}
    with atomic_write(path) as file:
        np.savez(file, **matrices)  # type: ignore[arg-type]  # numpy's stub takes a name for its last flag
