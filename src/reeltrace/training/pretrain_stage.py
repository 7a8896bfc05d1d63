"""The stage `pretrain`: the weights of a backbone, from a declared download or learned on still frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from reeltrace.artifacts.files import explain_full_disk
from reeltrace.artifacts.formats import ABOUT, WEIGHTS
from reeltrace.artifacts.json_values import write_json
from reeltrace.data import declared, downloads
from reeltrace.data.sequences import open_sequences
from reeltrace.errors import UserError
from reeltrace.kinds.architectures.stills import describe_backbone
from reeltrace.models import weights
from reeltrace.models.backbones import build
from reeltrace.models.checkpoint import save_state
from reeltrace.training import loop
from reeltrace.training.backbone_nets_stage import check_splits
from reeltrace.training.backbones import initial_net
from reeltrace.training.evaluation import evaluate, score_split
from reeltrace.training.stage import identity

if TYPE_CHECKING:
    from reeltrace.registry.specs import PretrainSpec, TrainSpec

SCHEMA = 1
CLASSES = 1000  # of ImageNet


def run(spec: PretrainSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `weights.pt` (torchvision's names) and `about.json` into `work`, and `history.jsonl` where it trains.

    `inputs` names the set of stills ("data/<set>", "frames/<set>") and the backbone to begin with
    ("pretrain/<initial>"). Returned are facts that may differ between two equal runs.

    Raises UserError when the download cannot be had or does not fit the backbone, CheckFailed when training diverges.
    """
    if spec.training is None:
        return _bring(spec, work)
    return _learn(spec.training, inputs, work)


def _bring(spec: PretrainSpec, work: Path) -> dict[str, Any]:
    assert spec.backbone.weights is not None
    source = declared.source(spec.backbone.weights)
    fetched = downloads.obtain(source, downloads.place())
    remedy = f"backbones.{spec.key} in params.yaml"
    try:
        state = weights.read_state(fetched.path, hashed=True)
    except ValueError as error:
        raise UserError(f"{fetched.path}: not a file of weights ({error}); correct weights of {remedy}") from error
    architecture = {**describe_backbone(spec.backbone), "classes": CLASSES}
    expected = weights.image_state(build(architecture))
    weights.check(state, expected, str(fetched.path), f"correct weights or width of {remedy}")
    _save(work, architecture, 0, state)
    write_json(
        work / ABOUT,
        {"schema": SCHEMA, "source": source.name, "licence": source.licence, "citation": source.citation},
    )
    return {"served": fetched.served}


def _learn(spec: TrainSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    assert spec.video is not None and spec.sequences is not None and spec.backbone is not None
    data, frames = inputs[f"data/{spec.dataset}"], inputs[f"frames/{spec.dataset}"]
    splits = open_sequences(spec.video, spec.sequences, data, frames)
    check_splits(spec, splits)
    stills, validation, test = splits
    initial = spec.backbone.initial
    net = initial_net(spec, None if initial is None else inputs[f"pretrain/{initial}"])
    trained = loop.train(spec, stills, validation, work, identity(inputs), net)
    trained.model.load_state_dict(trained.best["state"])
    scored = score_split(evaluate(trained.model, test, ["original"])["original"], test)
    _save(work, net.architecture, trained.best["epoch"], weights.image_state(trained.model))
    write_json(
        work / ABOUT,
        {
            "schema": SCHEMA,
            "source": f"stills of {spec.dataset}, split {spec.video.split}",
            "stills": {split.split: len(split) for split in splits},
            "initial": initial,
            "arithmetic": trained.arithmetic,
            "epoch": trained.best["epoch"],
            "validation": trained.best["validation"],
            "test": scored,
        },
    )
    return {
        "precision": trained.arithmetic["precision"],
        "seconds_per_epoch": [round(seconds, 3) for seconds in trained.seconds],
    }


def _save(work: Path, architecture: dict[str, Any], epoch: int, state: Mapping[str, Tensor]) -> None:
    with explain_full_disk(work / WEIGHTS):
        save_state(work / WEIGHTS, architecture, epoch, state)
