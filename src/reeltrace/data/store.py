"""Reading stored clips: memory-mapped pixels, labels from the index, batches as tensors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.artifacts.formats import ABOUT, CLIPS, SEEN, clips_of
from reeltrace.artifacts.json_values import parse_json
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec

CHANNELS = 3


@dataclass(frozen=True)
class ClipStore:
    """One split of a clip dataset. `clips` is uint8 (N, T, H, W), mapped read-only; `labels` int64 (N,).

    Of longer clips a net sees the first `seen` frames, after a transform of the whole.
    """

    folder: Path
    split: str
    clips: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    seen: int | None = field(default=None, kw_only=True)

    @classmethod
    def open(cls, folder: Path, split: str) -> "ClipStore":
        """Open `clips-<split>.npy`, `index.csv` and `about.json` of a finished `data` artifact.

        Raises UserError when a file is missing or unreadable, or when the clips and the index do not agree.
        """
        clips = _map_clips(folder / clips_of(split))
        classes, seen = _read_about(folder / ABOUT, split)
        labels = _read_labels(folder, split, classes)
        if len(labels) != len(clips):
            raise UserError(
                f"{folder}: {clips_of(split)} has {len(clips)} clips, index.csv lists {len(labels)} for "
                f"{split}; "
                "make the dataset again"
            )
        return cls(folder, split, clips, labels, classes, seen=seen)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns of each clip as a net sees it."""
        _, frames, height, width = self.clips.shape
        return self.seen or frames, height, width

    @property
    def videos(self) -> None:
        """These clips are no parts of longer videos."""
        return None

    @property
    def missing(self) -> int:
        """Nothing is missing among stored clips."""
        return 0

    @property
    def normalise(self) -> None:
        """Their pixels are only scaled to [0, 1]."""
        return None

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The clips of a training batch. Nothing is left to chance here: a stored clip is seen whole."""
        return self.batch(indices)

    @property
    def clip_bytes(self) -> int:
        """Bytes of one clip in a batch: its three channels are one in memory."""
        return math.prod(self.clips.shape[1:])

    def batch(self, indices: Sequence[int] | NDArray[np.integer[Any]] | Tensor) -> Tensor:
        """The clips with these indices as uint8 (B, 3, T, H, W).

        The three channels are one grey channel seen three times (an expanded view). Raises IndexError for an
        index that is negative or too large.
        """
        # an array as index copies: the tensor owns writable memory, the map stays read-only
        grey = torch.from_numpy(self.clips[self.checked(indices)])
        return grey.unsqueeze(1).expand(-1, CHANNELS, -1, -1, -1)

    def checked(self, indices: Sequence[int] | NDArray[np.integer[Any]] | Tensor) -> NDArray[np.int64]:
        """The indices as int64 (B,). Raises IndexError for one that is negative or too large."""
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"{self.folder}: clip indices must lie in 0..{len(self) - 1}")
        return wanted


def open_splits(spec: "TrainSpec", inputs: Mapping[str, Path]) -> tuple[ClipStore, ClipStore, ClipStore]:
    """Training, validation and test clips of a run's dataset, "data/<dataset>" of its inputs. See `ClipStore.open`."""
    data = inputs[f"data/{spec.dataset}"]
    train, validation, test = (ClipStore.open(data, split) for split in ("train", "validation", "test"))
    return train, validation, test


def one_channel(batch: Tensor) -> Tensor:
    """What memory holds of clips (N, C, T, H, W): (N, 1, T, H, W) where the channels are grey, an expanded view."""
    return batch[:, :1] if batch.dim() == 5 and batch.shape[1] > 1 and batch.stride(1) == 0 else batch


def to_float(batch: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Scale uint8 pixels to [0, 1] in `dtype`, same shape (N, C, T, H, W).

    Exact up to one rounding: 0 to 255 are exact even in bfloat16. Grey (expanded) channels stay one in memory.
    """
    return (one_channel(batch).to(dtype) / 255).expand(batch.shape)


def _map_clips(path: Path) -> NDArray[np.uint8]:
    try:
        clips = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make the dataset first") from None
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path}: not a readable array ({error}); make the dataset again") from error
    if clips.dtype != np.uint8 or clips.ndim != 4:
        raise UserError(f"{path}: {clips.dtype}{clips.shape}, expected uint8 (clips, frames, height, width)")
    plain: NDArray[np.uint8] = clips.view(np.ndarray)
    return plain  # a view of a memmap costs microseconds more


def _read_about(path: Path, split: str) -> tuple[tuple[str, ...], int | None]:
    """The names of the classes, and how many frames of a clip of that split are seen, if that is not all."""
    try:
        about = parse_json(path.read_bytes())
        seen = about.get(SEEN, {}).get(split)
        return tuple(str(name) for name in about["classes"]), None if seen is None else int(seen)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make the dataset first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a dataset description with a list of classes; make the dataset again") from error


def _read_labels(folder: Path, split: str, classes: Sequence[str]) -> NDArray[np.int64]:
    labels: list[int] = []
    for row in CLIPS.read(folder, "split", "clip", "label", "class"):
        if row["split"] != split:
            continue
        try:
            label = int(row["label"])
            if int(row["clip"]) != len(labels) or not 0 <= label < len(classes) or classes[label] != row["class"]:
                raise ValueError(f"clip {row['clip']} of {split}")
        except ValueError as error:
            raise CLIPS.refuse(folder, error) from error
        labels.append(label)
    return np.asarray(labels, dtype=np.int64)
