"""The `measure` stage for pictures of a net that was trained here: its filters, and what it makes of a test clip.

A clip is shown under transforms, and below it feature maps of the net's layers, one tile per orientation and point in
time (basu2021, figures 1 to 4). All pictures of one layer share one scale of grey, so that maps under two transforms
can be compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from reeltrace.artifacts.files import atomic_write, sha256_file
from reeltrace.artifacts.formats import BEST, METRICS
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import SPEC
from reeltrace.data.store import CHANNELS, to_float
from reeltrace.data.transforms import TRANSFORMS
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.points import load
from reeltrace.measure.pictures import FOLDER, Values, chosen_channels, grey, sheet
from reeltrace.models import weights
from reeltrace.models.checkpoint import load_checkpoint
from reeltrace.registry.specs import TrainSpec

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.run_pictures import RunPicturesMeasurement, ShownFigure
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1
LEVELS = 15  # of grey in a picture; the sixteenth value is nothing
MAP_SIDE, FILTER_SIDE = 56, 24  # pixels of a tile: enlarged by whole pixels up to them
INPUT = "input"  # what the pictures of the clip are called, in place of a layer


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json` and the folder `pictures/`. `inputs` has the training of the run, and its set of clips.

    Raises `UserError` for a layer that the net does not have or that has no such picture.
    """
    asked = cast("RunPicturesMeasurement", spec.measurement)
    torch.set_num_threads(1)  # sums depend on how many there are
    folder = next(path for name, path in inputs.items() if name.startswith("train/"))
    model, architecture = trained_net(folder / BEST)
    clip = Shown.of(TrainSpec.model_validate(read_json(folder / SPEC)), inputs, asked.shows)
    (work / FOLDER).mkdir(exist_ok=True)
    figures = sorted(asked.figures.items(), key=lambda item: [int(part) for part in item[0].split(".")])
    drawn = [draw_figure(work, number, figure, model, clip, asked.seed, spec.key) for number, figure in figures]
    write_json(
        work / METRICS,
        {
            "schema": SCHEMA,
            "run": asked.run,
            "network": architecture["architecture"],
            "checkpoint": {"sha256": sha256_file(folder / BEST), "bytes": (folder / BEST).stat().st_size},
            "clip": {"index": clip.index, "class": clip.classes[clip.label]},
            "figures": drawn,
        },
    )
    return {}


def trained_net(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The net of a checkpoint, in evaluation, and what the checkpoint says that it is."""
    architecture, _, state = load_checkpoint(path)
    model: nn.Module = load(ARCHITECTURES.get(architecture["architecture"]).net)(architecture)
    weights.load(model, state, f"checkpoint {path} does not fit its network", "delete it and train again")
    return model.eval(), architecture


class Shown:
    """One test clip, its class, and how a net is given it."""

    def __init__(self, clips: Any, index: int) -> None:
        self.index, self.label = index, int(clips.labels[index])
        self.classes: Sequence[str] = clips.classes
        self._normalise = clips.normalise
        self.pixels: Tensor = clips.batch([index])

    @classmethod
    def of(cls, spec: TrainSpec, inputs: Mapping[str, Path], shows: str | None) -> Shown:
        """The first test clip of the class `shows` of the set that a run was trained on; of all where there is none."""
        trained = DATASETS.get(read_json(inputs[f"data/{spec.dataset}"] / SPEC)["kind"]).trained
        if trained is None:
            raise CheckFailed(f"data/{spec.dataset}: a pool, on which no run trains; make it again")
        test = load(trained.splits)(spec, inputs)[2]
        names = [test.classes[label] for label in test.labels]
        return cls(test, names.index(shows) if shows in names else 0)

    def under(self, transform: str) -> Tensor:
        """The clip under a transform as the net sees it, (1, 3, T, H, W)."""
        x = to_float(self.pixels, torch.float32).expand(-1, CHANNELS, -1, -1, -1)
        if self._normalise is not None:
            mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in self._normalise)
            x = (x - mean) / std
        return TRANSFORMS[transform](x).contiguous()

    def seen(self, transform: str) -> Values:
        """Its frames under a transform in grey, (1, T, H, W) from 0 to 1: what a reader sees of it."""
        x = to_float(self.pixels, torch.float32).mean(1, keepdim=True)
        return cast("Values", TRANSFORMS[transform](x)[0].contiguous().numpy())


# --- figures ---


def draw_figure(
    work: Path, number: str, figure: ShownFigure, model: nn.Module, clip: Shown, seed: int, key: str
) -> dict[str, Any]:
    """Draw one figure; returned is what it shows."""
    place = f"measurements.{key}.figures.{number}.layers"
    answers: list[dict[str, str]] = []
    pictures: list[dict[str, Any]] = []
    if figure.show == "filters":
        for layer in figure.layers:
            shown = filters(_layer(model, layer, place), layer, figure.channels, seed, place)
            pictures += _pictures(work, number, layer, figure.frames, {None: shown}, signed=True)
    else:
        clips: dict[str | None, Maps] = {
            name: Maps(clip.seen(name), [0], [CHANNELS, *clip.seen(name).shape[1:]]) for name in figure.transforms
        }
        pictures += _pictures(work, number, INPUT, figure.frames, clips)
    if figure.show == "feature-maps":
        found = {name: watch(model, clip.under(name), figure, seed, place) for name in figure.transforms}
        for name, (logits, _) in found.items():
            said = {"transform": name, "class": clip.classes[clip.label], "answer": clip.classes[int(logits.argmax())]}
            answers.append(said)
        for layer in figure.layers:
            maps: dict[str | None, Maps] = {name: by_layer[layer] for name, (_, by_layer) in found.items()}
            pictures += _pictures(work, number, layer, figure.frames, maps)
    return {
        "figure": number,
        "title": figure.title,
        "show": figure.show,
        "answers": answers,
        "pictures": pictures,
    }


class Maps:
    """What one picture shows: `values` (N, T, H, W) of the `channels` of a layer's `shape`."""

    def __init__(self, values: Values, channels: list[int], shape: list[int]) -> None:
        self.values, self.channels, self.shape = values, channels, shape


def _layer(model: nn.Module, layer: str, place: str) -> nn.Module:
    known: dict[str, nn.Module] = dict(model.named_modules())
    if layer not in known:
        near = difflib.get_close_matches(layer, known, n=3, cutoff=0.0)
        raise UserError(f"{place}: the net has no layer {layer!r}; its modules are named as in {', '.join(near)}")
    return known[layer]


def orientations(layer: nn.Module) -> int:
    """In how many orientations a layer gives each of its channels."""
    return int(getattr(getattr(layer, "group", None), "order", 1))


def filters(layer: nn.Module, name: str, most: int | None, seed: int, place: str) -> Maps:
    """Kernels on the first input channel, (N, T, H, W): of each chosen channel under each element of the group."""
    if callable(expanded := getattr(layer, "expanded_filters", None)):
        weight = expanded().detach().float()
    elif isinstance(layer, nn.Conv3d):
        weight = layer.weight.detach().float()
    else:
        raise UserError(f"{place}: {name} is no convolution; name one")
    order = orientations(layer)
    each = weight.shape[0] // order
    chosen = _in_all(chosen_channels(name, each, most or each, seed), each, order)
    return Maps(weight[chosen, 0].numpy(), chosen, list(weight.shape))


def _in_all(channels: Sequence[int], each: int, order: int) -> list[int]:
    """Channels, each with its place in every orientation: orientations are the slower index of a group net's maps."""
    return [orientation * each + channel for channel in channels for orientation in range(order)]


def watch(model: nn.Module, x: Tensor, figure: ShownFigure, seed: int, place: str) -> tuple[Tensor, dict[str, Maps]]:
    """Logits of a clip, and the maps that the layers of a figure give."""
    found: dict[str, Maps] = {}

    def keep(name: str, layer: nn.Module, output: object) -> None:
        if not isinstance(output, Tensor) or output.dim() != 5:
            raise UserError(f"{place}: {name} gives no feature maps (N, C, T, H, W); name a convolution")
        order = orientations(layer)
        each = output.shape[1] // order
        chosen = _in_all(chosen_channels(name, each, figure.channels or each, seed), each, order)
        found[name] = Maps(output[0, chosen].float().contiguous().numpy(), chosen, list(output.shape[1:]))

    hooks = [
        _layer(model, name, place).register_forward_hook(lambda layer, _, output, name=name: keep(name, layer, output))
        for name in figure.layers
    ]
    try:
        with torch.no_grad():
            logits: Tensor = model(x)[0]
    finally:
        for hook in hooks:
            hook.remove()
    return logits, found


# --- pictures ---


def _pictures(
    work: Path, number: str, layer: str, frames: int, maps: Mapping[str | None, Maps], signed: bool = False
) -> Iterator[dict[str, Any]]:
    """Write the pictures of one layer, one per transform, on one scale; of signed values the middle grey is zero."""
    chosen = {name: _frames(of.values.shape[1], frames) for name, of in maps.items()}
    values = {name: of.values[:, chosen[name]] for name, of in maps.items()}
    black = float(min(of.min() for of in values.values()))
    white = float(max(of.max() for of in values.values()))
    if signed:
        white = max(abs(black), abs(white))
        black = -white
    for name, of in maps.items():
        file = f"{FOLDER}/figure-{number}-{layer}{'' if name is None else f'-{name}'}.png"
        pixels = _sheet(values[name], black, white, FILTER_SIDE if signed else MAP_SIDE)
        write_small_png(work / file, pixels)
        yield {
            "layer": layer,
            "transform": name,
            "shape": of.shape,
            "channels": of.channels,
            "frames": chosen[name],
            "black": black,
            "white": white,
            "size": [pixels.shape[1], pixels.shape[0]],
            "file": file,
            "sha256": sha256_file(work / file),
        }


def _frames(length: int, most: int) -> list[int]:
    """At most so many points in time, spread from the first to the last."""
    count = min(most, length)
    return [round(place * (length - 1) / max(1, count - 1)) for place in range(count)]


def _sheet(values: Values, black: float, white: float, side: int) -> NDArray[np.uint8]:
    """A row per map, its points in time from left to right: grey and opacity (height, width, 2)."""
    shades = grey(values, black, white)
    factor = max(1, side // max(shades.shape[-2:]))
    shades = shades.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return sheet([list(row) for row in shades])


def write_small_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write grey and opacity (H, W, 2) as a PNG of four bits a pixel, without metadata: the same bytes each time."""
    levels = np.rint(pixels[..., 0] / 255 * (LEVELS - 1)).astype(np.uint8)
    levels[pixels[..., 1] == 0] = LEVELS
    image = Image.fromarray(levels, mode="P")
    shades = [round(level * 255 / (LEVELS - 1)) for level in range(LEVELS)]
    image.putpalette([value for shade in (*shades, 0) for value in (shade,) * 3])
    with atomic_write(path) as file:
        image.save(file, format="PNG", optimize=False, compress_level=9, bits=4, transparency=LEVELS)
