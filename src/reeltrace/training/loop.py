"""The training loop. Read it from `train` down: a run is a seeded net, an optimiser on shuffled clips, epochs scored.

Nothing random outlives an epoch: the initial weights depend on the seed, the order and the augmentation of an epoch on
(seed, epoch). A run that was killed therefore continues from its last epoch to the same bytes, see `resume`.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import HISTORY
from reeltrace.artifacts.json_values import sha256_json
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.points import load
from reeltrace.machine import pauses
from reeltrace.machine.process_memory import keep_what_is_freed
from reeltrace.models import weights
from reeltrace.models.float32 import tf32_in_use, use_tf32
from reeltrace.training import resume
from reeltrace.training.evaluation import Clips, Score, evaluate, score_split
from reeltrace.training.loading import Loader, derived_seed
from reeltrace.training.optimizers import Optimizer
from reeltrace.training.precision import arithmetic, choose, conform
from reeltrace.training.progress import watch
from reeltrace.training.residence import moved
from reeltrace.training.resume import Best, Epoch
from reeltrace.training.steps import step_of

if TYPE_CHECKING:
    from reeltrace.registry.runs import Protocol
    from reeltrace.registry.specs import TrainSpec

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACES = (":4096:8", ":16:8")  # with which cuBLAS adds in the same order in every run


@dataclass(frozen=True)
class Trained:
    """A finished training: `model` holds the weights of the last epoch, `validation` is that epoch's score.

    `arithmetic` is what the numbers depend on beside the spec: the precision that was chosen, device and processor.
    The rest are facts about this process: seconds of each epoch that it trained (without validation), how many of them
    it waited for batches, the epoch after which it took over from a killed one, and on a GPU what might use TF32.
    """

    model: nn.Module
    validation: Score
    best: Best
    history: list[Epoch]
    arithmetic: dict[str, Any]
    seconds: list[float]
    waited: float
    resumed_after: int | None
    tf32: dict[str, bool] | None


@dataclass(frozen=True)
class Net:
    """A net with its initial weights, and the plain JSON data that describes it in checkpoints.

    `autocast` is whether it may compute in bfloat16 on a CPU; on a GPU the spec decides alone.
    """

    module: nn.Module
    architecture: dict[str, Any]
    autocast: bool = True


def train(
    spec: TrainSpec, clips: Clips, validation: Clips, work: Path, data_sha256: str, net: Net | None = None
) -> Trained:
    """Train one run with one seed (basu2021, sections 4.4 to 4.7) and write `history.jsonl` into `work`.

    The optimiser of the protocol, cross entropy, before each update the rate of `learning_rate`. `net` is the one to
    train, the spec's own where none is given. The optimiser steps after each batch or, with `update_after`, on the mean
    gradient over that share of the clips, in however many batches they come. After each epoch the net is
    scored on the validation clips, and a resume checkpoint lands in `work`/scratch; if one is there already, training
    goes on from it. `data_sha256` stands for the dataset: a checkpoint made on another one is refused. One that was
    computed in another precision, or by a processor that computes otherwise, is left behind: training starts again.

    Raises CheckFailed when a loss is not finite, UserError when the checkpoint does not fit or the disk is full.
    """
    protocol = spec.protocol
    device = prepare(spec)
    net = net or net_of(spec)
    model = net.module.to(device)
    if device.type == "cpu":
        conform(model)
    precision = choose(spec.device.precision, device, autocast=net.autocast, who=spec.key)
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = Optimizer(protocol, parameters)

    computed = arithmetic(spec.device.precision, precision, device)
    spec_sha256, checkpoint = sha256_json(spec.model_dump(mode="json")), resume.resume_path(work)
    identity = resume.Identity(spec_sha256, data_sha256, net.architecture, computed)
    now = resume.load(checkpoint, identity, spec.key)
    resumed_after = now["epoch"] if now else None
    if now:
        misfit = f"{checkpoint}: the resume checkpoint does not fit the net"
        weights.check(now["best"]["state"], model.state_dict(), misfit, resume.REMEDY)
        weights.load(model, now["model"], misfit, resume.REMEDY)
        optimizer.load(now["optimizer"])
        write_history(work, now["history"])

    seconds: list[float] = []
    waited = 0.0
    finished = resumed_after or 0
    clips, validation = moved(clips, device), moved(validation, device)
    loader = Loader(spec, clips, device)
    step = step_of(model, parameters, clips, precision == "bfloat16", spec.key)
    draws = any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
    with watch(spec.key, total=protocol.epochs * len(clips), done=finished * len(clips)) as watching:
        for epoch in range(finished + 1, protocol.epochs + 1):
            pauses.between(epoch - 1, protocol.epochs)
            rate = learning_rate(protocol, epoch)
            began = time.perf_counter()
            model.train()
            loss_sum, correct, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
            reading = loader.epoch(epoch)
            gradients: list[Tensor] = []
            places = loader.places(epoch)
            if draws:  # what an epoch drops depends on the seed and the epoch alone
                torch.manual_seed(derived_seed(spec.seed, "dropout", epoch))
            for place in places:
                asked = time.perf_counter()
                read = next(reading)
                waited += time.perf_counter() - asked
                found = step(*read, len(place.clips) / place.size)
                if gradients:
                    gradients = [a + b for a, b in zip(gradients, found.gradients, strict=True)]
                else:
                    # what a captured step found holds until the next one
                    gradients = [each if place.last else each.clone() for each in found.gradients]
                if place.last:
                    optimizer.step(gradients, learning_rate(protocol, epoch, place.update / (places[-1].update + 1)))
                    gradients = []

                loss_sum += found.loss
                correct += found.correct
                seen += len(place.clips)
                watching.step(epoch, len(place.clips), seen, loss_sum, correct)
            train_loss = loss_sum.item() / seen
            seconds.append(time.perf_counter() - began)

            scored = score_split(evaluate(model, validation, ["original"])["original"], validation)
            for name, value in (("training", train_loss), ("validation", scored["loss"])):
                if not math.isfinite(value):
                    raise CheckFailed(
                        f"run {spec.key}: the {name} loss of epoch {epoch} is {value}, expected a finite number; lower "
                        "learning_rate in the run's protocol in params.yaml"
                    )

            state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            best: Best = {"epoch": epoch, "validation": scored, "state": state}
            if now and not better(scored, now["best"]["validation"]):
                best = now["best"]
            line: Epoch = {
                "epoch": epoch,
                "learning_rate": rate,
                "train_loss": train_loss,
                "train_top1": 100 * correct.item() / seen,
                "validation_loss": scored["loss"],
                "validation_top1": scored["top1"],
            }
            now = {
                "epoch": epoch,
                "model": state,
                "optimizer": optimizer.state(),
                "history": [*(now["history"] if now else []), line],
                "validation": scored,
                "best": best,
            }
            resume.save(checkpoint, identity, now)
            write_history(work, now["history"])

    pauses.between(protocol.epochs, protocol.epochs)
    assert now is not None  # a protocol has at least one epoch
    return Trained(
        model,
        now["validation"],
        now["best"],
        now["history"],
        computed,
        seconds,
        waited,
        resumed_after,
        tf32_in_use() if device.type == "cuda" else None,
    )


def prepare(spec: TrainSpec) -> torch.device:
    """Choose the device, make what it computes repeatable, and let the process keep its memory from step to step."""
    device = choose_device(spec.device.kind)
    make_repeatable(device, spec.device.threads)
    keep_what_is_freed()
    return device


def make_repeatable(device: torch.device, threads: int) -> None:
    """Fixed threads, deterministic algorithms and nothing else, and float32 that is float32 (no TF32).

    Comes before the first use of a GPU. Raises UserError for a workspace of cuBLAS with which its sums vary.
    """
    torch.set_num_threads(threads)
    if device.type == "cuda":
        workspace = os.environ.setdefault(WORKSPACE, WORKSPACES[0])
        if workspace not in WORKSPACES:
            raise UserError(
                f"{WORKSPACE} is {workspace!r} in the environment, with which two runs on a GPU may differ; unset it, "
                f"or set it to {' or '.join(WORKSPACES)}"
            )
        torch.backends.cudnn.benchmark = False
        use_tf32()
    # what torch.use_deterministic_algorithms(True) does; that one imports torch's compiler first, a second per run
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a guard against bugs that costs time in each layer


def choose_device(kind: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises UserError for `cuda` where there is none."""
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError("device.kind in params.yaml is cuda, but no CUDA device is available here; use auto or cpu")
    return torch.device("cuda" if kind != "cpu" and torch.cuda.is_available() else "cpu")


def architecture(spec: TrainSpec) -> dict[str, Any]:
    """The description from which the net of this run is built, as plain JSON data; checkpoints carry it."""
    return ARCHITECTURES.get(spec.model.architecture).describe(spec.model, spec.backbone, spec.classes)


def new_model(spec: TrainSpec) -> nn.Module:
    """The net of a run with its initial weights: the same for the same seed, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "weights"))
        model: nn.Module = load(ARCHITECTURES.get(spec.model.architecture).net)(architecture(spec))
    return model


def net_of(spec: TrainSpec) -> Net:
    """That net with its description."""
    return Net(new_model(spec), architecture(spec), ARCHITECTURES.get(spec.model.architecture).bfloat16)


def learning_rate(protocol: Protocol, epoch: int, done: float = 0.0) -> float:
    """The rate of an epoch, counted from 1, of which the share `done` of its updates is over.

    Multiplied by `gamma` after each epoch in `milestones`, or along half a cosine (mahler2020, section 6.1.2); a
    warm-up leads to where that is at its end, as in the public code. Rounded to 12 digits, so that 0.1 dropped by 0.1
    is 0.01 and not 0.010000000000000002.
    """
    warmup, passed = protocol.warmup, epoch - 1 + done
    if warmup is not None and passed < warmup.epochs:
        top = _scheduled(protocol, warmup.epochs + 1, float(warmup.epochs))
        return float(f"{warmup.start + (top - warmup.start) * passed / warmup.epochs:.12g}")
    return float(f"{_scheduled(protocol, epoch, passed):.12g}")


def _scheduled(protocol: Protocol, epoch: int, passed: float) -> float:
    """The rate without warm-up in an epoch, when `passed` epochs are over."""
    if protocol.cosine:
        return protocol.learning_rate * 0.5 * (math.cos(math.pi * passed / protocol.epochs) + 1)
    drops = sum(milestone < epoch for milestone in protocol.milestones)
    return protocol.learning_rate * protocol.gamma**drops


def better(new: Score, old: Score) -> bool:
    """The rule for the best epoch: more validation clips right; if equal, the lower validation loss; then the first."""
    return (new["correct"], -new["loss"]) > (old["correct"], -old["loss"])


def write_history(work: Path, history: list[Epoch]) -> None:
    """Write one line of JSON per epoch; the whole small file each time, so that a resumed run repeats no line."""
    with atomic_write(work / HISTORY) as file:
        file.writelines(json.dumps(line, sort_keys=True, allow_nan=False).encode() + b"\n" for line in history)
