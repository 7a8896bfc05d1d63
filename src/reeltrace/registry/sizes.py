"""How many bytes a task takes at the very least, from its spec alone, and the refusal of what no machine has.

These are lower bounds, so that nothing is refused that could be done: a net's weights with gradient and one state of
the optimiser, the input of one batch, and what its first layer makes of it.
"""

import math
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reeltrace.errors import UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DatasetEntry, DataSpec, decoded_of, is_pool, trained_on
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.machine.memory import limit, shown
from reeltrace.registry.fields import Place, Spec
from reeltrace.registry.needs import Need
from reeltrace.registry.params import Params
from reeltrace.registry.specs import TrainSpec

MOST_MEMORY = 2**44  # bytes of one task, 16 TiB
MOST_STORED = 2**50  # bytes of one dataset, 1 PiB
CHANNELS = 3


def stored(name: str, dataset: DatasetEntry) -> Need | None:
    """What a dataset takes on disk; None where the official files or the user's decide, and for a pool."""
    need = None if is_pool(dataset) else trained_on(dataset).stored(dataset)
    return None if need is None else replace(need, lower=f"{need.lower} of datasets.{name}")


def training(spec: TrainSpec, dataset: DatasetEntry) -> Need:
    """What a training keeps in memory at once."""
    clips = trained_on(dataset).clips(dataset)
    batch, frames, size = spec.protocol.micro_batch or spec.protocol.batch_size, clips.frames, clips.size
    least = ARCHITECTURES.get(spec.model.architecture).least(spec.model, spec.backbone, spec.classes)
    weights, activations, batches = 12 * least.weights, 0, ""
    if clips.number is not None:
        batch = min(batch, clips.number)
    if spec.sequences is not None:
        frames = spec.sequences.frames
    if least.maps:
        first = least.maps * math.prod(-(-n // by) for n, by in zip((frames, size, size), least.stride, strict=True))
        activations = batch * (CHANNELS * frames * size * size + 2 * first)  # bytes of pixels; bfloat16
        batches = f"a batch of {batch} clips of {frames} frames of {size} x {size} pixels in {least.maps} maps"
    what = "its weights, gradient and state of the optimiser" if weights > activations else batches
    return Need(
        weights + activations, what, f"batch_size of its protocol, sizes of {spec.dataset} or widths of its model"
    )


def check_sizes(params: Params, specs: Iterable[TrainSpec], place: Place) -> None:
    """Raises `UserError`, with the place, for a dataset or a task that no machine can hold."""
    for name, dataset in params.datasets.items():
        _refuse(params, place(f"datasets.{name}"), stored(name, dataset), MOST_STORED)
    for name, measurement in params.measurements.items():
        need = MEASUREMENTS.get(measurement.kind).least(measurement)
        if need is not None:
            need = replace(need, lower=f"{need.lower} of measurements.{name}")
        _refuse(params, place(f"measurements.{name}"), need, MOST_MEMORY)
    for spec in specs:
        need = training(spec, params.datasets[spec.dataset])
        _refuse(params, place(f"runs.{spec.run}"), need, MOST_MEMORY)


def _refuse(params: Params, place: str, need: Need | None, most: int) -> None:
    if need is not None and need.bytes > most:
        raise UserError(
            f"{place} (scale {params.scale}): found {need.what}, at least {shown(need.bytes)}; "
            f"expected at most {shown(most)}: lower {need.lower}"
        )


def refuse_beyond(spec: Spec, params: Params, folder: Path) -> None:
    """Before a stage begins: raises `UserError` where this machine has not the memory, or `folder` not the space."""
    if isinstance(spec, TrainSpec) and spec.device.kind == "cpu":
        found = limit()
        if found is not None:
            need = training(spec, params.datasets[spec.dataset])
            if need.bytes > found[0]:
                raise UserError(
                    f"{spec.stage}/{spec.key}: {need.what}, at least {shown(need.bytes)} of memory, do not fit into "
                    f"{shown(found[0])} ({found[1]}); raise that limit, or lower {need.lower} in params.yaml"
                )
    if isinstance(spec, DataSpec) and decoded_of(params.datasets[spec.key]) is None:  # a set of videos stores frames
        need_of = stored(spec.key, params.datasets[spec.key])
        free = shutil.disk_usage(folder).free
        if need_of is not None and need_of.bytes > free:
            raise UserError(
                f"{folder}: {need_of.what}, at least {shown(need_of.bytes)}, do not fit on this disk, which has "
                f"{shown(free)} free; free some space, or lower {need_of.lower} in params.yaml"
            )
