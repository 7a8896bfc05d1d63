"""Training that is remembered: what `loop.train` gave, taken from the checkpoints and the history that a run kept.

A stage does after this what it did after training: it scores the nets, and writes metrics, predictions and checkpoints.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from reeltrace.artifacts.files import read_whole
from reeltrace.artifacts.formats import BEST, HISTORY, LAST, WEIGHTS
from reeltrace.errors import CheckFailed
from reeltrace.models import weights
from reeltrace.models.checkpoint import load_checkpoint, restore
from reeltrace.training import loop
from reeltrace.training.evaluation import Clips, Score, evaluate, score_split
from reeltrace.training.precision import arithmetic, choose, conform
from reeltrace.training.residence import moved
from reeltrace.training.resume import Best, Epoch

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec


@contextlib.contextmanager
def remembered(folder: Path) -> Iterator[None]:
    """Within, `loop.train` trains nothing and gives what is kept in the artifact in `folder`.

    A stage that trains without it is not helped by this: it trains again, which says the same and takes longer.
    """
    training = loop.train

    def recall(
        spec: TrainSpec, clips: Clips, validation: Clips, work: Path, data_sha256: str, net: loop.Net | None = None
    ) -> loop.Trained:
        return _recall(folder, spec, validation, work, net or loop.net_of(spec))

    loop.train = recall
    try:
        yield
    finally:
        loop.train = training


def _recall(folder: Path, spec: TrainSpec, validation: Clips, work: Path, net: loop.Net) -> loop.Trained:
    """Raises `CheckFailed` where history and checkpoints do not speak of the same epochs."""
    device = loop.prepare(spec)
    model = net.module.to(device)
    if device.type == "cpu":
        conform(model)
    precision = choose(spec.device.precision, device, autocast=net.autocast, who=spec.key)
    history = _history(folder)
    loop.write_history(work, history)
    if (folder / WEIGHTS).is_file():
        best, scored = _backbone(folder, model, validation)
    else:
        best = _best(folder, net, model, validation)
        epoch = restore(model, net.architecture, folder / LAST)
        if epoch != len(history):
            raise CheckFailed(f"{folder / LAST}: of epoch {epoch}, {HISTORY} has {len(history)}")
        scored = _validated(model, validation)
    return loop.Trained(
        model=model,
        validation=scored,
        best=best,
        history=history,
        arithmetic=arithmetic(spec.device.precision, precision, device),
        seconds=[],
        waited=0.0,
        resumed_after=None,
        tf32=None,
    )


def _history(folder: Path) -> list[Epoch]:
    path = folder / HISTORY
    try:
        history: list[Epoch] = [json.loads(line) for line in read_whole(path).splitlines()]
        numbers = [line["epoch"] for line in history]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckFailed(f"{path}: not the history of a training ({error})") from None
    if not history or numbers != list(range(1, len(history) + 1)):
        raise CheckFailed(f"{path}: its epochs are not counted from 1")
    return history


def _best(folder: Path, net: loop.Net, model: nn.Module, validation: Clips) -> Best:
    epoch = restore(model, net.architecture, folder / BEST)
    return {"epoch": epoch, "validation": _validated(model, validation), "state": _state(model)}


def _backbone(folder: Path, model: nn.Module, validation: Clips) -> tuple[Best, Score]:
    """A backbone keeps the weights of its best epoch alone, by the names of the image net."""
    path = folder / WEIGHTS
    _, epoch, state = load_checkpoint(path)
    weights.load_images(model, state, str(path), head=True)
    scored = _validated(model, validation)
    return {"epoch": epoch, "validation": scored, "state": _state(model)}, scored


def _validated(model: nn.Module, validation: Clips) -> Score:
    """The score that ended an epoch: of the weights as they were then."""
    clips = moved(validation, next(model.parameters()).device)
    return score_split(evaluate(model, clips, ["original"])["original"], clips)


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
