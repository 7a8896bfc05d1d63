"""Sets that lie on the device: a small one is moved there once, and its batches are picked there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.data.store import CHANNELS, ClipStore

if TYPE_CHECKING:
    from reeltrace.training.evaluation import Clips

SHARE = 0.25  # of the free memory of a GPU that one set may take: the net, its maps and two more sets lie there too


@dataclass(frozen=True)
class Resident(ClipStore):
    """Stored clips whose pixels, uint8 (N, 1, T, H, W), lie on a device. The same clips to the byte."""

    pixels: Tensor

    def pick(self, numbers: Tensor) -> Tensor:
        """The clips with these numbers, which lie on the device and are known to be right: uint8 (B, 3, T, H, W)."""
        return self.pixels.index_select(0, numbers).expand(-1, CHANNELS, -1, -1, -1)

    def batch(self, indices: Sequence[int] | NDArray[np.integer[Any]] | Tensor) -> Tensor:
        """The clips with these indices as uint8 (B, 3, T, H, W) on the device.

        Raises IndexError for an index that is negative or too large.
        """
        return self.pick(torch.from_numpy(self.checked(indices)).to(self.pixels.device))


def moved(clips: Clips, device: torch.device) -> Clips:
    """The clips on a GPU, where they are stored ones and take a small part of its free memory; else as they are."""
    if device.type != "cuda" or not isinstance(clips, ClipStore) or isinstance(clips, Resident):
        return clips
    return resident(clips, device) if clips.clips.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0] else clips


def resident(clips: ClipStore, device: torch.device) -> Resident:
    """The clips with their pixels on a device."""
    pixels = torch.from_numpy(np.array(clips.clips)).to(device).unsqueeze(1)
    return Resident(clips.folder, clips.split, clips.clips, clips.labels, clips.classes, pixels, seen=clips.seen)
