"""Batches for the training loop, read ahead by loader processes where the spec asks for them.

What a batch holds depends on (seed, epoch, number of the batch) only: the same with any number of processes.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
from collections.abc import Iterator, Sized
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from reeltrace.data.transforms import augment

if TYPE_CHECKING:
    from reeltrace.registry import TrainSpec
    from reeltrace.training.evaluation import Clips

READ_AHEAD = 4  # batches that each loader process may have ready


def derived_seed(*parts: int | str) -> int:
    """A 63-bit seed for one purpose, unrelated to the seeds of other purposes."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A generator for one purpose."""
    return torch.Generator().manual_seed(derived_seed(*parts))


class Place(NamedTuple):
    """A batch within an epoch: its clip numbers, and which of the epoch's updates it is part of.

    `update` counts from 0 and is made of `size` clips; `before` of them come in earlier batches; `last` says whether
    the optimiser steps after this one.
    """

    clips: Tensor
    update: int
    size: int
    before: int
    last: bool


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, clips: int, batch_size: int, share: float | None = None) -> tuple[Place, ...]:
    """The batches of an epoch.

    Every clip comes once. The sizes of batches differ by at most one and none is above `batch_size`: a small rest at
    the end would give batch normalisation poor statistics. With `share` the clips are divided first, into updates that
    are as near to this share of them as can be, and each of those into batches.
    """
    order = torch.randperm(clips, generator=generator(seed, "order", epoch))
    if share is None:
        updates = order.tensor_split(math.ceil(clips / batch_size))
    else:
        updates = order.tensor_split(min(clips, max(1, round(1 / share))))
    places = []
    for update, members in enumerate(updates):
        before = 0
        for batch in members.tensor_split(math.ceil(len(members) / batch_size)):
            after = before + len(batch)
            places.append(Place(batch, update, len(members), before, after == len(members)))
            before = after
    return tuple(places)


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """(epoch, number) to the pixels and labels of one batch; what loader processes run."""

    def __init__(self, spec: TrainSpec, clips: Clips) -> None:
        self.seed, self.batch_size, self.clips = spec.seed, spec.protocol.batch_size, clips
        self.share = spec.protocol.update_after
        self.labels = torch.from_numpy(clips.labels)

    def of(self, epoch: int) -> tuple[Place, ...]:
        return _order(self.seed, epoch, len(self.labels), self.batch_size, self.share)

    def __getitem__(self, at: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, number = at
        place = self.of(epoch)[number]
        draws = generator(self.seed, "cuts", epoch, place.update)
        torch.rand(place.before, 3, generator=draws, dtype=torch.float64)  # those of the update's earlier clips
        return self.clips.draw(place.clips, draws), self.labels[place.clips]


class _Places(Sampler[tuple[int, int]], Sized):
    """The batches of the epoch that is set."""

    def __init__(self, batches: _Batches) -> None:
        self.batches, self.epoch = batches, 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self.epoch, number) for number in range(len(self))])

    def __len__(self) -> int:
        return len(self.batches.of(self.epoch))


class Loader:
    """The training batches of one run. Loader processes are started once and end with the object.

    `places` tells for an epoch how its batches make up updates, in their order.

    `spec.device.loaders` processes read ahead; with 0 this process reads each batch when it is asked for.
    """

    def __init__(self, spec: TrainSpec, clips: Clips) -> None:
        self._spec = spec
        self._places = _Places(batches := _Batches(spec, clips))
        self.places = batches.of
        loaders = spec.device.loaders
        # forked: a loader process maps the same pages, nothing is copied to it
        fork = loaders > 0 and "fork" in multiprocessing.get_all_start_methods()
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            batches,
            batch_size=None,
            sampler=self._places,
            num_workers=loaders,
            prefetch_factor=READ_AHEAD if loaders else None,
            persistent_workers=loaders > 0,
            multiprocessing_context="fork" if fork else None,
            pin_memory=spec.device.kind != "cpu" and torch.cuda.is_available(),
            generator=torch.Generator(),  # its own: the global one stays as it is
        )

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, counted from 1: uint8 clips (B, C, T, H, W), augmented, and labels (B,)."""
        self._places.epoch = epoch
        draws = generator(self._spec.seed, "augmentation", epoch)
        change = self._spec.augment
        for pixels, labels in self._loader:
            yield (pixels if change is None else augment(pixels, change.kind, change.probability, draws)), labels
