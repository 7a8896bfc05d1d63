"""Batches for the training loop, read ahead by loader processes where the spec asks for them.

What a batch holds depends on (seed, epoch, number of the batch) only: the same with any number of processes.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
from collections.abc import Iterator, Sized
from functools import lru_cache
from typing import TYPE_CHECKING

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


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, clips: int, batch_size: int) -> tuple[Tensor, ...]:
    """Clip numbers of each batch of an epoch.

    Every clip comes once. The sizes of batches differ by at most one and none is above `batch_size`: a small rest at
    the end would give batch normalisation poor statistics.
    """
    order = torch.randperm(clips, generator=generator(seed, "order", epoch))
    return order.tensor_split(math.ceil(clips / batch_size))


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """(epoch, number) to the pixels and labels of one batch; what loader processes run."""

    def __init__(self, spec: TrainSpec, clips: Clips) -> None:
        self.seed, self.batch_size, self.clips = spec.seed, spec.protocol.batch_size, clips
        self.labels = torch.from_numpy(clips.labels)

    def of(self, epoch: int) -> tuple[Tensor, ...]:
        return _order(self.seed, epoch, len(self.labels), self.batch_size)

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, number = place
        chosen = self.of(epoch)[number]
        return self.clips.draw(chosen, generator(self.seed, "cuts", epoch, number)), self.labels[chosen]


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

    `spec.device.loaders` processes read ahead; with 0 this process reads each batch when it is asked for.
    """

    def __init__(self, spec: TrainSpec, clips: Clips) -> None:
        self._spec = spec
        self._places = _Places(batches := _Batches(spec, clips))
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
