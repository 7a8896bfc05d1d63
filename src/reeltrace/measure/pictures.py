"""Pictures of a trained net: kernels of its convolutions, and the feature maps that a video gives in its layers.

A picture is a grid of tiles in grey, transparent between them. All tiles of one picture share one scale: the values
that black and white stand for are written beside it (mahler2020, figures 7.4 to 7.10).
"""

from __future__ import annotations

import difflib
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from reeltrace.artifacts.files import atomic_write, sha256_file
from reeltrace.data.decoding import DecodingError, pyav_frames, read_header, scaled_size
from reeltrace.errors import UserError
from reeltrace.kinds.network import build_video
from reeltrace.machine.memory import available_memory
from reeltrace.measure.latency import explaining
from reeltrace.measure.networks import config_of, input_shapes, load_weights, zeros

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.pictures import MapsFigure, PicturesMeasurement, WeightsFigure
    from reeltrace.registry.measurements import Network

    Figure = WeightsFigure | MapsFigure

FOLDER = "pictures"
INPUT_CHANNEL = 0  # of a kernel (C_out, C_in, T, H, W), the one whose weights are shown
MAP_SIDE, KERNEL_SIDE = 64, 28  # pixels of a tile, at most; of a kernel that is larger, its own
GAP, WIDE_GAP = 2, 8  # pixels between tiles, and between kernels of several points in time
Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Tiles:
    """What one picture shows: values (N, T, H, W) of the `channels` and `frames` of a layer's `shape`, and the two
    values that are drawn black and white."""

    values: Values
    channels: list[int]
    frames: list[int]
    shape: list[int]
    black: float
    white: float


@dataclass(frozen=True)
class Maps:
    """Feature maps (N, T, H, W) of the `channels` that were chosen from a layer's output of `shape` (C, T, H, W)."""

    values: Tensor
    channels: list[int]
    shape: list[int]


@dataclass(frozen=True)
class Clip:
    """A clip (1, 3, T, H, W) as the net sees it, and where it was cut from its video: the first frame, and the size
    that a frame had before the square was cut out of its middle."""

    pixels: Tensor
    start: int
    height: int
    width: int


def draw(asked: PicturesMeasurement, network: Network, place: str, work: Path) -> dict[str, Any]:
    """Draw every figure into `work`/pictures; returned is what the pictures show.

    `place` is the measurement's key in params.yaml, for what is said of a wrong file. Figures of feature maps for which
    the user names no video are left out, with the reason. Raises UserError for a file, a layer or a view that does not
    fit.
    """
    torch.set_num_threads(1)  # sums depend on how many there are
    figures = sorted(asked.figures.items(), key=lambda item: [int(part) for part in item[0].split(".")])
    model = _load(asked, network, figures, place)
    videos, maps = [], []
    for count, path in enumerate(asked.videos, start=1):
        layers = {x for _, f in figures if f.show == "feature-maps" and f.video == count for x in f.layers}
        clip, found = _watch(model, Path(path), layers, asked, network, place)
        about = {"start": clip.start, "frames": clip.pixels.shape[2], "height": clip.height, "width": clip.width}
        videos.append({**_file(Path(path)), **about})
        maps.append(found)
    (work / FOLDER).mkdir(exist_ok=True)
    described = []
    for number, figure in figures:
        pictures, video, left_out = [], None, None
        if figure.show == "weights":
            for layer in figure.layers:
                tiles = kernels(model.get_submodule(layer), figure.channels)
                pictures.append(_picture(work, number, layer, tiles, kernels_sheet, place))
        elif figure.video > len(videos):
            left_out = f"it needs {figure.video} under {place}.videos in params.yaml, which names {len(videos)}"
        else:
            video = figure.video
            for layer in figure.layers:
                tiles = map_tiles(maps[video - 1][layer], asked.frames, spread=figure.frames == "spread")
                laid_out = partial(maps_sheet, beside=figure.stack == "beside")
                pictures.append(_picture(work, number, layer, tiles, laid_out, place))
        described.append(
            {
                "figure": number,
                "title": figure.title,
                "show": figure.show,
                "video": video,
                "left_out": left_out,
                "pictures": pictures,
            }
        )
    assert asked.checkpoint is not None
    return {
        "network": asked.network,
        "view": asked.view,
        "checkpoint": _file(Path(asked.checkpoint)),
        "videos": videos,
        "figures": described,
    }


def _file(path: Path) -> dict[str, Any]:
    return {"path": path.as_posix(), "sha256": sha256_file(path), "bytes": path.stat().st_size}


def _picture(
    work: Path, number: str, layer: str, tiles: Tiles, laid_out: Callable[[Tiles], Pixels], place: str
) -> dict[str, Any]:
    """Write one picture; returned is what stands beside it."""
    if not np.isfinite(tiles.values).all():
        raise UserError(
            f"params.yaml: {place}.checkpoint: not every value in {layer} is finite; the file is damaged, name another"
        )
    pixels = laid_out(tiles)
    file = f"{FOLDER}/figure-{number}-{layer}.png"
    write_png(work / file, pixels)
    return {
        "layer": layer,
        "shape": tiles.shape,
        "channels": tiles.channels,
        "frames": tiles.frames,
        "black": tiles.black,
        "white": tiles.white,
        "size": [pixels.shape[1], pixels.shape[0]],
        "file": file,
        "sha256": sha256_file(work / file),
    }


# --- the net and what it sees ---


def _load(asked: PicturesMeasurement, network: Network, figures: Sequence[tuple[str, Figure]], place: str) -> nn.Module:
    """The net with the user's weights, in evaluation; its layers are checked before the file is read."""
    assert asked.checkpoint is not None
    model: nn.Module = build_video(config_of(asked.network, network.architecture, network.config)).eval()
    known = dict(model.named_modules())
    for number, figure in figures:
        where = f"params.yaml: {place}.figures.{number}.layers"
        for layer in figure.layers:
            if layer not in known:
                near = difflib.get_close_matches(layer, known, n=3, cutoff=0.0)
                raise UserError(
                    f"{where}: {asked.network} has no layer {layer!r}; its modules are named as in {', '.join(near)}"
                )
            if figure.show == "weights" and not isinstance(known[layer], nn.Conv3d):
                raise UserError(
                    f"{where}: {layer} of {asked.network} is no convolution; name one, such as {layer}.conv"
                )
    try:
        load_weights(model, Path(asked.checkpoint), asked.network)
    except UserError as error:
        raise UserError(
            f"params.yaml: {place}.checkpoint: {error}. Name a file of weights of {asked.network} there, or null"
        ) from error
    return model


def _watch(
    model: nn.Module, path: Path, layers: set[str], asked: PicturesMeasurement, network: Network, place: str
) -> tuple[Clip, dict[str, Maps]]:
    """Show one video to the net; returned is the clip that it saw and what it gave in the named layers."""
    view = network.views[asked.view]
    clip = read_clip(path, view.frames, view.crop, asked.normalise.mean, asked.normalise.std, f"{place}.videos")
    config = config_of(asked.network, network.architecture, network.config)
    inputs = [clip.pixels, *(zeros(shape) for shape in input_shapes(view, config)[1:])]
    where = f"params.yaml: {place}.view: {asked.view} of {asked.network}"
    too_little = f"{where}: memory does not suffice for it; name a view of a smaller crop or fewer frames"
    with explaining(
        available_memory(),
        place=where,
        too_little=too_little,
        unfit=lambda said: f"{where}: the net does not take it ({said}); name another view",
    ):
        found = feature_maps(model, inputs, layers, asked.channels, asked.seed)
    if without := sorted(layers - found.keys()):
        raise UserError(
            f"params.yaml: {place}.figures: {without[0]} of {asked.network} gives no feature maps (N, C, T, H, W); "
            "name a convolution"
        )
    return clip, found


def read_clip(path: Path, frames: int, crop: int, mean: Sequence[float], std: Sequence[float], place: str) -> Clip:
    """`frames` consecutive frames from the middle of a video, the short side resized to `crop` pixels, the middle
    square of each, as the net sees it: (x / 255 - mean) / std.

    Raises UserError, naming `place` in params.yaml, when the file cannot be decoded or is too short.
    """
    kept: deque[Pixels] = deque(maxlen=frames)
    try:
        header = read_header(path)
        height, width = scaled_size(header.height, header.width, crop)
        wanted = max(0, (header.packets - frames) // 2) + frames
        decoded = 0
        for frame in islice(pyav_frames(path, height, width), wanted):
            kept.append(frame)
            decoded += 1
    except DecodingError as error:
        raise UserError(f"params.yaml: {place}: {path} cannot be decoded ({error}); name another video") from error
    if decoded < frames:
        raise UserError(
            f"params.yaml: {place}: {path} has {decoded} frames, the view takes {frames}; name a longer video, or a "
            "view of fewer frames"
        )
    top, left = (height - crop) // 2, (width - crop) // 2
    cut = np.stack(kept)[:, top : top + crop, left : left + crop]
    pixels = torch.from_numpy(cut).permute(3, 0, 1, 2).float() / 255  # (3, T, H, W)
    seen = (pixels - torch.tensor(mean).view(3, 1, 1, 1)) / torch.tensor(std).view(3, 1, 1, 1)
    return Clip(seen[None], decoded - frames, height, width)


def feature_maps(
    model: nn.Module, inputs: Sequence[Tensor], layers: set[str], channels: int, seed: int
) -> dict[str, Maps]:
    """Run the net once on a batch of one clip; returned are `channels` maps of each layer, chosen at random.

    The choice depends on the seed, the layer's name and its number of channels alone, so that two videos show the same
    channels. A layer that gives no maps (N, C, T, H, W) is left out.
    """
    found: dict[str, Maps] = {}

    def keep(layer: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 5:
            _, count, *size = output.shape
            chosen = chosen_channels(layer, count, channels, seed)
            found[layer] = Maps(output[0, chosen].float().clone(), chosen, [count, *size])

    hooks = [
        model.get_submodule(layer).register_forward_hook(lambda _, __, output, layer=layer: keep(layer, output))
        for layer in sorted(layers)
    ]
    try:
        with torch.inference_mode():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def chosen_channels(layer: str, count: int, channels: int, seed: int) -> list[int]:
    """`channels` of a layer's `count` channels, in ascending order; all where there are no more."""
    return sorted(random.Random(f"{seed} {layer}").sample(range(count), min(channels, count)))


# --- what is shown ---


def kernels(convolution: nn.Module, most: int | None) -> Tiles:
    """The kernels of the first `most` output channels (None: of all) on the first input channel, (N, T, H, W).

    Grey stands for zero: black and white are equally far from it.
    """
    assert isinstance(convolution, nn.Conv3d)
    weight = convolution.weight.detach().float()
    shown = weight[:most, INPUT_CHANNEL].contiguous().numpy()
    limit = float(np.abs(shown).max())
    return Tiles(shown, list(range(len(shown))), list(range(shown.shape[1])), list(weight.shape), -limit, limit)


def map_tiles(maps: Maps, frames: int, *, spread: bool) -> Tiles:
    """`frames` points in time of the maps, the first or spread evenly from the first to the last.

    Maps of more than `MAP_SIDE` pixels are averaged over squares. Black is the least of what is shown, white the most.
    """
    length = maps.values.shape[1]
    count = min(frames, length)
    chosen = [round(i * (length - 1) / max(1, count - 1)) for i in range(count)] if spread else list(range(count))
    values = maps.values[:, chosen]
    factor = -(-max(values.shape[-2:]) // MAP_SIDE)
    if factor > 1:
        values = avg_pool2d(values, factor, ceil_mode=True, count_include_pad=False)
    shown = values.contiguous().numpy()
    return Tiles(shown, maps.channels, chosen, maps.shape, float(shown.min()), float(shown.max()))


def grey(values: Values, black: float, white: float) -> Pixels:
    """Values as 0 (black) to 255 (white), in between in proportion; the middle where black and white are the same."""
    if white <= black:
        return np.full(values.shape, 128, np.uint8)
    return np.rint(255 * ((values.astype(np.float64) - black) / (white - black))).clip(0, 255).astype(np.uint8)


# --- pictures ---


def kernels_sheet(tiles: Tiles) -> Pixels:
    """Kernels in rows, about as many across as down, their points in time side by side: (height, width, 2)."""
    count, length = tiles.values.shape[:2]
    across = max(1, isqrt(count // length))
    shades = _enlarged(grey(tiles.values, tiles.black, tiles.white), KERNEL_SIDE)
    rows = [list(shades[start : start + across].reshape(-1, *shades.shape[-2:])) for start in range(0, count, across)]
    return sheet(rows, group=length)


def maps_sheet(tiles: Tiles, *, beside: bool) -> Pixels:
    """A row per channel with time across or, `beside`, a column per channel with time down: (height, width, 2)."""
    shades = _enlarged(grey(tiles.values, tiles.black, tiles.white), MAP_SIDE)
    if beside:
        shades = shades.swapaxes(0, 1)
    return sheet([list(row) for row in shades])


def _enlarged(shades: Pixels, side: int) -> Pixels:
    """Each pixel of (N, T, H, W) as a square of pixels, as large as tiles of `side` pixels allow."""
    factor = max(1, side // max(shades.shape[-2:]))
    return shades.repeat(factor, axis=-2).repeat(factor, axis=-1)


def sheet(rows: Sequence[Sequence[Pixels]], group: int = 1) -> Pixels:
    """Tiles (H, W) in rows, grey and opacity (height, width, 2); between them, and where a row ends early, nothing.

    After every `group` tiles of a row the gap is wide, unless a group is one tile.
    """
    height, width = map(int, rows[0][0].shape)
    most = max(map(len, rows))
    wide = WIDE_GAP - GAP if group > 1 else 0

    def left(column: int) -> int:
        return column * (width + GAP) + column // group * wide

    full = np.zeros((len(rows) * (height + GAP) - GAP, left(most - 1) + width, 2), np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            top = r * (height + GAP)
            full[top : top + height, left(c) : left(c) + width] = np.stack([tile, np.full_like(tile, 255)], axis=-1)
    return full


def write_png(path: Path, pixels: Pixels) -> None:
    """Write grey and opacity (H, W, 2) as a PNG without metadata: the same pixels give the same bytes."""
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="PNG", optimize=False, compress_level=9)
