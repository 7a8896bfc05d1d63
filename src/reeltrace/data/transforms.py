"""Transforms of clips (basu2021, section 4.3) and the augmentations made of them (section 4.5).

Clips are (N, C, T, H, W), or anything that ends in (C, T, H, W). Rotations are counter-clockwise as a viewer
sees the frame, row 0 on top.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from reeltrace.registry.runs import AffineAugment, Augment

Transform = Callable[[Tensor], Tensor]
Augmentation = Literal["treverse", "rotate"]


def original(clips: Tensor) -> Tensor:
    """The clips as they are."""
    return clips


def treverse(clips: Tensor) -> Tensor:
    """The frames in reversed order."""
    return _once_per_grey(clips, lambda x: x.flip(-3))


def r90(clips: Tensor) -> Tensor:
    """Each frame rotated by 90 degrees; (.., H, W) becomes (.., W, H)."""
    return _once_per_grey(clips, lambda x: torch.rot90(x, 1, (-2, -1)))


def r180(clips: Tensor) -> Tensor:
    """Each frame rotated by 180 degrees."""
    return _once_per_grey(clips, lambda x: torch.rot90(x, 2, (-2, -1)))


def r270(clips: Tensor) -> Tensor:
    """Each frame rotated by 270 degrees; (.., H, W) becomes (.., W, H)."""
    return _once_per_grey(clips, lambda x: torch.rot90(x, 3, (-2, -1)))


TRANSFORMS: dict[str, Transform] = {
    "original": original,
    "treverse": treverse,
    "r90": r90,
    "r180": r180,
    "r270": r270,
}
_CHANGES: dict[Augmentation, tuple[Transform, ...]] = {"treverse": (treverse,), "rotate": (r90, r180, r270)}


def draw_augmentation(count: int, change: Augment | AffineAugment, generator: torch.Generator) -> Tensor:
    """What an augmentation does to each of `count` clips, for `augmented`: a tensor whose first axis is (count,)."""
    if change.kind == "affine":
        return draw_affine(count, change, generator)
    return draw_changes(count, change.kind, change.probability, generator)


def augmented(batch: Tensor, change: Augment | AffineAugment, drawn: Tensor) -> Tensor:
    """A copy of `batch` (N, C, T, H, W), in its type, augmented as was drawn for it."""
    if change.kind == "affine":
        return moved(batch, drawn)
    return changed(batch, change.kind, drawn)


AFFINE_DRAWS = 7  # flip, angle, shifts to the right and down, scale, shears along both axes


def draw_affine(count: int, change: AffineAugment, generator: torch.Generator) -> Tensor:
    """The mirroring and the affine map of each of `count` clips, for `moved`: float64 (count, 7) on the CPU.

    Columns: 1 where the clip is mirrored; the angle in degrees; the shifts to the right and down as shares of width and
    height; the scale; the shears along rows and columns in degrees. Each clip takes seven numbers from the generator.
    """
    even = torch.rand(count, AFFINE_DRAWS, generator=generator, dtype=torch.float64).cpu()
    low, high = change.scale
    widths = [change.degrees, change.translate, change.translate, None, change.shear, change.shear]
    columns = [(even[:, 0] < change.flip).double()]
    for column, width in enumerate(widths, 1):
        drawn = even[:, column]
        columns.append(low + (high - low) * drawn if width is None else (2 * drawn - 1) * width)
    return torch.stack(columns, 1)


def moved(batch: Tensor, drawn: Tensor) -> Tensor:
    """A copy of `batch` (N, C, T, H, W), uint8, each clip mirrored and moved as `draw_affine` drew for it.

    The frames of a clip move alike, around their middle; bilinear, and black where nothing was (singh2019supp, section
    on input data: random horizontal flip and affine transformations, the same for each frame of a clip).
    """
    from torchvision.transforms import InterpolationMode  # type: ignore[import-untyped]
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    height, width = batch.shape[-2:]
    out = torch.empty_like(batch)
    for at, (flip, angle, right, down, scale, shear_x, shear_y) in enumerate(drawn.tolist()):
        clip = batch[at].transpose(0, 1)  # (T, C, H, W): leading axes of one picture each
        if flip:
            clip = functional.horizontal_flip(clip)
        clip = functional.affine(
            clip,
            angle=angle,
            translate=[right * width, down * height],
            scale=scale,
            shear=[shear_x, shear_y],
            interpolation=InterpolationMode.BILINEAR,
        )
        out[at] = clip.transpose(0, 1)
    return out


def augment(batch: Tensor, kind: Augmentation, probability: float, generator: torch.Generator) -> Tensor:
    """Transform each clip of `batch` (N, C, T, H, W) with the given probability, as basu2021, section 4.5
    trains.

    "treverse" reverses the clip; "rotate" rotates it by 90, 180 or 270 degrees, each equally likely. What
    happens depends on the generator's state alone, and each call takes the same number of draws from it
    whatever they come to. `batch` is not changed. Raises ValueError for an unknown kind, a probability
    outside [0, 1], and "rotate" on frames that are not square.
    """
    return changed(batch, kind, draw_changes(len(batch), kind, probability, generator))


def draw_changes(count: int, kind: Augmentation, probability: float, generator: torch.Generator) -> Tensor:
    """Which change each of `count` clips undergoes: int64 (count,), 0 for none, for `changed`. See `augment`."""
    if kind not in _CHANGES:
        raise ValueError(f"unknown augmentation {kind!r}; expected treverse or rotate")
    if not 0 <= probability <= 1:
        raise ValueError(f"probability {probability} is not in [0, 1]")
    hit = torch.rand(count, generator=generator, device=generator.device) < probability
    turns = torch.randint(3, (count,), generator=generator, device=generator.device)
    return hit * (1 + turns if kind == "rotate" else 1)


def changed(batch: Tensor, kind: Augmentation, which: Tensor) -> Tensor:
    """A copy of `batch` (N, C, T, H, W) in which each clip has undergone the change that `which` (N,) names.

    Where `which` lies on a GPU nothing is read back from it: then all clips undergo every change, and one is taken.
    """
    if kind == "rotate" and batch.shape[-1] != batch.shape[-2]:
        raise ValueError(
            f"clips of {batch.shape[-2]} x {batch.shape[-1]} cannot be rotated by 90 degrees within a batch"
        )

    take = _pick if which.device.type == "cpu" else _choose
    return _once_per_grey(batch, lambda x: take(x, _CHANGES[kind], which))


def _pick(clips: Tensor, changes: tuple[Transform, ...], which: Tensor) -> Tensor:
    """Change the clips that undergo each change."""
    out = clips.clone()
    for number, transform in enumerate(changes, 1):
        index = (which == number).nonzero().squeeze(1).to(clips.device)
        out.index_copy_(0, index, transform(clips.index_select(0, index)))
    return out


def _choose(clips: Tensor, changes: tuple[Transform, ...], which: Tensor) -> Tensor:
    """The same, by changing all of them: the host need not know which."""
    out = clips.clone()
    for number, transform in enumerate(changes, 1):
        out = torch.where((which == number).view(-1, *[1] * (clips.dim() - 1)), transform(clips), out)
    return out


def _once_per_grey(clips: Tensor, transform: Transform) -> Tensor:
    """Grey clips are one channel expanded to three: transform it once and expand again."""
    if clips.dim() >= 4 and clips.shape[-4] > 1 and clips.stride(-4) == 0:
        one = transform(clips.narrow(-4, 0, 1))
        shape = list(one.shape)
        shape[-4] = clips.shape[-4]
        return one.expand(shape)
    return transform(clips)
