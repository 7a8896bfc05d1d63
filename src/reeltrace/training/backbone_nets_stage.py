"""The stage `train` for nets that grow from a backbone: on clips or sequences of frames, or on features of frames.

The training, the scores and the files are those of `stage`; only the nets and what they are fed differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.data.features import VideoFeatures, open_video_features
from reeltrace.data.sequences import open_sequences
from reeltrace.errors import UserError
from reeltrace.kinds.architecture import ARCHITECTURES, PIXELS
from reeltrace.training.backbones import initial_net
from reeltrace.training.evaluation import Clips
from reeltrace.training.stage import identity, open_splits, train_and_score

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec


def run(spec: TrainSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Train and evaluate one run with one seed; see `stage.run` for what it writes.

    A video is scored by the mean probability over its sequences or clips. `inputs` names the set, its frames, and the
    backbone ("pretrain/<name>") or the features ("features/<set>-<name>") that the run builds on.
    """
    splits = _open(spec, inputs)
    check_splits(spec, splits)
    weights = next((folder for name, folder in inputs.items() if name.startswith("pretrain/")), None)
    net = initial_net(spec, weights)
    if isinstance(splits[0], VideoFeatures) and spec.model.z_norm:  # type: ignore[attr-defined]  # as `Architecture` says
        net.module.set_statistics(*splits[0].statistics())  # type: ignore[operator]
    return train_and_score(spec, net, splits, identity(inputs), work)


def _open(spec: TrainSpec, inputs: Mapping[str, Path]) -> tuple[Clips, Clips, Clips]:
    assert spec.video is not None
    fed, model = ARCHITECTURES.get(spec.model.architecture).fed, spec.model
    if fed == "clips":
        return open_splits(spec, inputs)
    data, frames = inputs[f"data/{spec.dataset}"], inputs[f"frames/{spec.dataset}"]
    if fed not in PIXELS:
        features = next(folder for name, folder in inputs.items() if name.startswith("features/"))
        block: str = model.block  # type: ignore[attr-defined]  # as `Architecture` says
        return open_video_features(spec.video, block, fed == "pooled features", data, frames, features)
    assert spec.sequences is not None
    return open_sequences(spec.video, spec.sequences, data, frames)


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
