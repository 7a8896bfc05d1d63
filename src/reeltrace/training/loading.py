"""Batches for the training loop, read ahead by loader processes where the spec asks for them.

What a batch holds depends on (seed, epoch, number of the batch) only: the same with any number of processes.

A batch owns its memory, and its pixels are uint8 with one channel where the clips are grey: as few bytes as can be pass
from a loader process to the trainer, and from there to a GPU.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence, Sized
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from reeltrace.data.store import one_channel
from reeltrace.data.transforms import augmented, draw_augmentation
from reeltrace.errors import UserError
from reeltrace.machine.affinity import processors
from reeltrace.machine.memory import available_memory
from reeltrace.training.residence import Resident

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec
    from reeltrace.training.evaluation import Clips

AT_ONCE = 4_000_000  # bytes of batches that the trainer reads in a row: after a step its caches hold nothing of it
READ_AHEAD = 4  # batches that each loader process may have ready
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where torch puts what one process gives to another
SHARE = 0.5  # of the free memory that the batches of one job may take: others run beside it, and the net is in it too


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
def _order(
    seed: int, epoch: int, clips: int, batch_size: int, share: float | None = None, at_once: int | None = None
) -> tuple[Place, ...]:
    """The batches of an epoch.

    Every clip comes once. The sizes of batches differ by at most one and none is above `batch_size`: a small rest at
    the end would give batch normalisation poor statistics. With `share` the clips are divided first, into updates that
    are as near to this share of them as can be, and each of those into batches. With `at_once` an update has
    `batch_size` clips, and each is divided into batches of at most so many.
    """
    order = torch.randperm(clips, generator=generator(seed, "order", epoch))
    if share is None:
        updates = order.tensor_split(math.ceil(clips / batch_size))
    else:
        updates = order.tensor_split(min(clips, max(1, round(1 / share))))
    places = []
    for update, members in enumerate(updates):
        before = 0
        for batch in members.tensor_split(math.ceil(len(members) / (at_once or batch_size))):
            after = before + len(batch)
            places.append(Place(batch, update, len(members), before, after == len(members)))
            before = after
    return tuple(places)


def _anonymous() -> bool:
    """Whether a batch can pass between processes in memory that has no name, and so no place in /dev/shm.

    Containers give /dev/shm 64 MB, a single batch of videos has 38.
    """
    if not hasattr(os, "memfd_create") or not hasattr(torch.UntypedStorage, "_new_shared_fd_cpu"):
        return False
    try:
        os.close(os.memfd_create("reeltrace"))
    except OSError:  # not allowed here
        return False
    return True


def _to_pass(batch: Tensor) -> Tensor:
    """A copy of a batch in such memory: torch then hands it on as it is."""
    size = batch.untyped_storage().nbytes()
    file = os.memfd_create("reeltrace")
    os.ftruncate(file, size)
    storage = torch.UntypedStorage._new_shared_fd_cpu(file, size)  # type: ignore[attr-defined]  # it owns the file
    storage.copy_(batch.untyped_storage(), False)
    return torch.empty(0, dtype=batch.dtype).set_(storage, batch.storage_offset(), batch.size(), batch.stride())


def read_ahead(loaders: int, batch: int, free: int | None) -> tuple[int, int]:
    """How many loader processes, and how many batches each has ready, so that `free` bytes hold them.

    `batch` is the size of one in bytes. One more is in the trainer's hands. None: as many as there are to be.
    """
    if free is None or not loaders:
        return loaders, READ_AHEAD
    most = free // batch - 1
    if most < loaders:
        return max(0, most), 1
    return loaders, min(READ_AHEAD, most // loaders)


def _plan(spec: TrainSpec, clips: Clips, anonymous: bool) -> tuple[int, int]:
    """`read_ahead` for a run on this machine; where it is less than what the spec asks for, stderr says why."""
    loaders, most = spec.device.loaders, processors()
    if not loaders:
        return 0, READ_AHEAD
    if loaders > most:
        print(
            f"run {spec.key}: device.loaders in params.yaml asks for {loaders} processes, this one may use "
            f"{most} processors; used are {most}",
            file=sys.stderr,
        )
        loaders = most
    batch = _batch_bytes(spec, clips)
    memory = available_memory()
    free, what, remedy = memory, "memory", "free some memory"
    if not anonymous and SHARED_MEMORY.is_dir():
        found = os.statvfs(SHARED_MEMORY)
        if memory is None or found.f_bavail * found.f_frsize < memory:
            free, what = found.f_bavail * found.f_frsize, f"shared memory in {SHARED_MEMORY}"
            remedy = "give the container more of it (docker run --shm-size=2g)"
    processes, ahead = read_ahead(loaders, batch, None if free is None else int(SHARE * free))
    if free is not None and (processes, ahead) != (loaders, READ_AHEAD):
        use = f"{processes} with {ahead} each" if processes else "none: the trainer reads each batch itself"
        print(
            f"run {spec.key}: {loaders} loaders with {READ_AHEAD} batches of {_mb(batch)} each want "
            f"{_mb((loaders * READ_AHEAD + 1) * batch)} of {what}, {_mb(free)} are free; used are {use}. For full "
            f"speed {remedy}, or lower batch_size or device.loaders in params.yaml",
            file=sys.stderr,
        )
    return processes, ahead


def _batch_bytes(spec: TrainSpec, clips: Clips) -> int:
    return clips.clip_bytes * min(spec.protocol.micro_batch or spec.protocol.batch_size, len(clips))


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


class _Batches(Dataset[Tensor]):
    """(epoch, number) to the pixels of one batch; what loader processes run."""

    def __init__(self, spec: TrainSpec, clips: Clips, anonymous: bool) -> None:
        self.anonymous = anonymous
        self.seed, self.batch_size, self.clips = spec.seed, spec.protocol.batch_size, clips
        self.share, self.at_once = spec.protocol.update_after, spec.protocol.micro_batch
        self.labels = torch.from_numpy(clips.labels)

    def of(self, epoch: int) -> tuple[Place, ...]:
        return _order(self.seed, epoch, len(self.labels), self.batch_size, self.share, self.at_once)

    def __getitem__(self, at: tuple[int, int]) -> Tensor:
        epoch, number = at
        place = self.of(epoch)[number]
        draws = generator(self.seed, "cuts", epoch, place.update)
        if place.before:
            torch.rand(place.before, 3, generator=draws, dtype=torch.float64)  # those of the update's earlier clips
        batch = one_channel(self.clips.draw(place.clips, draws))
        return _to_pass(batch) if self.anonymous and get_worker_info() is not None else batch


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

    `spec.device.loaders` processes read ahead, fewer where memory does not suffice (stderr says so); with 0 this
    process reads each batch when it is asked for. Batches arrive on `device`; those of clips that lie there already are
    picked there, and no process reads ahead.
    """

    def __init__(self, spec: TrainSpec, clips: Clips, device: torch.device | None = None) -> None:
        self._spec, self._device = spec, device or torch.device("cpu")
        anonymous = _anonymous()
        self._batches = _Batches(spec, clips, anonymous)
        self.places = self._batches.of
        self._labels = self._batches.labels.to(self._device)
        self._resident = clips if isinstance(clips, Resident) else None
        loaders, ahead = _plan(spec, clips, anonymous) if self._resident is None else (0, READ_AHEAD)
        self._at_once = max(1, AT_ONCE // _batch_bytes(spec, clips))
        self._sampler = _Places(self._batches)
        self._loader: DataLoader[Tensor] | None = None
        if loaders:
            # forked: a loader process maps the same pages, nothing is copied to it
            fork = "fork" in multiprocessing.get_all_start_methods()
            self._loader = DataLoader(
                self._batches,
                batch_size=None,
                sampler=self._sampler,
                num_workers=loaders,
                prefetch_factor=ahead,
                persistent_workers=True,
                multiprocessing_context="fork" if fork else None,
                pin_memory=self._device.type == "cuda",
                generator=torch.Generator(),  # its own: the global one stays as it is
            )

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, counted from 1: clips, augmented, and labels (B,).

        Clips are uint8 (B, C, T, H, W), C = 1 where they are grey; features are as the set gives them.
        """
        places, change = self.places(epoch), self._spec.augment
        # what an epoch draws goes to the device at once: no batch waits for it there
        order = torch.cat([place.clips for place in places]).to(self._device)
        sizes = [len(place.clips) for place in places]
        labels = torch.split(self._labels[order], sizes)
        turned: Sequence[Tensor | None] = [None] * len(places)
        if change is not None:
            draws = generator(self._spec.seed, "augmentation", epoch)
            drawn = torch.cat([draw_augmentation(size, change, draws) for size in sizes])
            # numbers that the host must read stay with it
            turned = torch.split(drawn if drawn.is_floating_point() else drawn.to(self._device), sizes)
        for batch, of_batch, which in zip(self._read(epoch, order), labels, turned, strict=True):
            # pinned memory that is still being copied stays alive: torch gives it out again only after the copy
            pixels = batch.to(self._device, non_blocking=True)
            if change is not None and which is not None:
                pixels = augmented(pixels, change, which)
            yield pixels, of_batch

    def _read(self, epoch: int, order: Tensor) -> Iterator[Tensor]:
        """The clips of the epoch's batches; `order` are their numbers on the device, one batch after the other."""
        if self._resident is not None:
            for numbers in torch.split(order, [len(place.clips) for place in self.places(epoch)]):
                yield one_channel(self._resident.pick(numbers))
            return
        if self._loader is None:
            count = len(self.places(epoch))
            for first in range(0, count, self._at_once):
                for batch in [self._batches[epoch, number] for number in range(first, count)[: self._at_once]]:
                    yield batch.pin_memory() if self._device.type == "cuda" else batch
            return
        self._sampler.epoch = epoch
        try:
            yield from self._loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(
                f"run {self._spec.key}: a process that reads clips ended ({str(error).splitlines()[0]}); memory may "
                "not suffice: lower device.loaders in params.yaml, 0 for none, and run the same command again"
            ) from error
