"""The stage `train`: train one run with one seed, keep its best and its last epoch, evaluate both under transforms."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from reeltrace.artifacts.files import atomic_write, explain_full_disk, sha256_file
from reeltrace.artifacts.formats import ABOUT, BEST, FRAMES, LAST, METRICS, PREDICTIONS, SCORES, VIDEO_INDEX
from reeltrace.artifacts.json_values import read_json, sha256_json, write_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.runs import CLIP_LABEL, LABEL, VIDEO, predicted, scores_for_dvc
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.points import load
from reeltrace.machine import process_memory, processor
from reeltrace.models.checkpoint import save_checkpoint
from reeltrace.training import loop
from reeltrace.training.evaluation import Clips, average_over_clips, equivariance, evaluate, score_split, to_input
from reeltrace.training.residence import moved

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec

SCHEMA = 1


def run(spec: TrainSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Train and evaluate one run with one seed.

    Writes `metrics.json`, `scores.json`, `history.jsonl`, `predictions.npz`, `best.pt` and `last.pt` into `work`, and
    what the kind of the net finds further.

    `inputs` names the folder of the dataset, "data/<dataset>", and for videos that of their frames, "frames/<dataset>".
    Returned are facts that may differ between two equal runs: device, seconds per epoch, clips per second, seconds of
    evaluation, peak memory in bytes, and the epoch after which a killed run was continued (None if it was not).

    Raises UserError when the dataset does not fit the run, CheckFailed when training diverges.
    """
    splits = open_splits(spec, inputs)
    check_dataset(spec, *splits)
    return train_and_score(spec, loop.net_of(spec), splits, identity(inputs), work)


def train_and_score(
    spec: TrainSpec,
    net: loop.Net,
    splits: tuple[Clips, Clips, Clips],
    data_sha256: str,
    work: Path,
) -> dict[str, Any]:
    """Train a net, evaluate its last and its best epoch, and write what `run` says; returned are the facts.

    What its kind finds further is found in the best model.
    """
    further = ARCHITECTURES.get(spec.model.architecture).further
    clips, validation, test = splits
    trained = loop.train(spec, clips, validation, work, data_sha256, net)
    model, best = trained.model, trained.best

    test = moved(test, next(model.parameters()).device)
    began = time.perf_counter()
    epochs = {"last": trained.history[-1]["epoch"], "best": best["epoch"]}
    logits = {"last": evaluate(model, test, spec.evaluation)}
    _save(work / LAST, net, epochs["last"], model)
    if epochs["best"] == epochs["last"]:
        logits["best"] = logits["last"]
    else:
        model.load_state_dict(best["state"])
        logits["best"] = evaluate(model, test, spec.evaluation)
    _save(work / BEST, net, epochs["best"], model)
    evaluation_seconds = time.perf_counter() - began

    validations = {"last": trained.validation, "best": best["validation"]}
    metrics: dict[str, Any] = {
        "schema": SCHEMA,
        "arithmetic": trained.arithmetic,
        "model": {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "widths": list(getattr(model, "widths", ())),
        },
        **({} if further is None else load(further.write)(model, work)),
        "equivariance": {
            which: {
                name: equivariance(under["original"], under[name]) for name in spec.evaluation if name != "original"
            }
            for which, under in logits.items()
        },
    }
    for which, under in logits.items():
        metrics[which] = {
            "epoch": epochs[which],
            "validation": validations[which],
            "test": {name: score_split(values, test) for name, values in under.items()},
        }
    if test.videos is not None:
        splits = (clips, validation, test)
        metrics["videos"] = {split.split: len(np.unique(split.videos)) for split in splits}  # type: ignore[arg-type]
        metrics["videos"]["missing"] = sum(split.missing for split in splits)
    write_json(work / METRICS, metrics)
    write_json(work / SCORES, scores_for_dvc(metrics, spec.evaluation))
    _write_predictions(work / PREDICTIONS, test, logits)
    return {
        "device": _device_name(model),
        "precision": trained.arithmetic["precision"],
        "seconds_per_epoch": [round(seconds, 3) for seconds in trained.seconds],
        "clips_per_second": round(len(clips) * len(trained.seconds) / sum(trained.seconds), 1)
        if trained.seconds
        else None,
        "waited_for_data_percent": round(100 * trained.waited / sum(trained.seconds), 2) if trained.seconds else None,
        "evaluation_seconds": round(evaluation_seconds, 3),
        "peak_memory_bytes": _peak_memory(),
        "resumed_after_epoch": trained.resumed_after,
        "tf32_in_training": trained.tf32,
    }


def open_splits(spec: TrainSpec, inputs: Mapping[str, Path]) -> tuple[Clips, Clips, Clips]:
    """Training, validation and test split of the run's dataset, as its kind opens them.

    Raises UserError where about.json of the dataset does not say its kind.
    """
    path, kinds = inputs[f"data/{spec.dataset}"] / ABOUT, DATASETS.all()
    try:
        trained = kinds[read_json(path)["kind"]].trained
    except (CheckFailed, KeyError, TypeError):
        raise UserError(f"{path}: not a dataset description with its kind; make the dataset first") from None
    if trained is None:
        raise UserError(f"{path}: of a pool, on which no run trains; make the dataset again")
    train, validation, test = load(trained.splits)(spec, inputs)
    return train, validation, test


def check_dataset(spec: TrainSpec, clips: Clips, validation: Clips, test: Clips) -> None:
    """Raise UserError, in one line, unless the splits fit each other and the run's net, transforms and batch size."""
    where = f"dataset {spec.dataset} of run {spec.run}"
    for store in (clips, validation, test):
        if len(store) == 0:
            raise UserError(f"{where}: split {store.split} has no clips; make the dataset again with more videos")
        if len(store.classes) != spec.classes:
            raise UserError(
                f"{where}: it has {len(store.classes)} classes, the run's net {spec.classes}; make the dataset again"
            )
        if store.shape != clips.shape:
            raise UserError(
                f"{where}: clips (T, H, W) of split {store.split} are {store.shape}, of split train "
                f"{clips.shape}; make the dataset again"
            )
    frames, height, width = clips.shape
    rotates = bool({"r90", "r270"} & set(spec.evaluation)) or (
        spec.augment is not None and spec.augment.kind == "rotate"
    )
    if rotates and height != width:
        raise UserError(f"{where}: the run rotates frames, which must be square for that; found {height} x {width}")
    if min(len(clips), spec.protocol.micro_batch or spec.protocol.batch_size) < 2:
        raise UserError(f"{where}: batches of one clip cannot be normalised; use a batch_size of at least 2")
    try:
        with torch.no_grad():
            logits = loop.new_model(spec).eval()(to_input(clips.batch([0]), clips))
    except RuntimeError as error:
        raise UserError(
            f"{where}: clips (T, H, W) of {frames} x {height} x {width} do not fit {spec.model.architecture} "
            f"({str(error).splitlines()[0]}); use longer or larger clips"
        ) from error
    if logits.shape != (1, spec.classes):
        raise UserError(
            f"run {spec.run}: its net {spec.model.architecture} gives {tuple(logits.shape)} for one clip, expected "
            f"{(1, spec.classes)}, a value for each class; correct what builds it"
        )


def identity(inputs: Mapping[str, Path]) -> str:
    """What stands for the content of a run's inputs: their manifests; for one not made by the workflow, its index."""

    def of(folder: Path) -> str:
        names = (MANIFEST, VIDEO_INDEX.name, FRAMES.name, ABOUT)
        return sha256_file(next(folder / name for name in names if (folder / name).is_file()))

    hashes = [of(folder) for folder in inputs.values()]
    return hashes[0] if len(hashes) == 1 else sha256_json(hashes)


def _save(path: Path, net: loop.Net, epoch: int, model: nn.Module) -> None:
    with explain_full_disk(path):
        save_checkpoint(path, net.architecture, epoch, model)


def _write_predictions(path: Path, test: Clips, logits: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Predicted classes, int16, one array (N,) per checkpoint and transform, and the labels. No dates: equal bytes.

    Where test clips are cut out of videos those arrays are per video, and `clip_...` holds the same per clip, with
    `video`, the number of each clip's video.
    """
    found = [(which, name, values) for which, under in logits.items() for name, values in under.items()]
    labels, of_videos = torch.from_numpy(test.labels), test.videos is not None
    arrays = {predicted(which, name, clips=of_videos): values.argmax(1) for which, name, values in found}
    arrays[CLIP_LABEL if of_videos else LABEL] = labels
    if test.videos is not None:
        for which, name, values in found:
            averaged, arrays[LABEL] = average_over_clips(values, test)
            arrays[predicted(which, name)] = averaged.argmax(1)
        arrays[VIDEO] = torch.from_numpy(test.videos)
    stored = {name: arrays[name].numpy().astype(np.int16) for name in sorted(arrays)}
    with atomic_write(path) as file:
        np.savez(file, **stored)  # type: ignore[arg-type]  # numpy's stub takes a name for its last flag


def _device_name(model: nn.Module) -> str:
    device = next(model.parameters()).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor.name()


def _peak_memory() -> int:
    """Bytes: of the GPU where one was used, else the largest resident size of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    return process_memory.peak()
