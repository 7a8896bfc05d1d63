"""Architectures: the nets that are trained, each declared once: how its entry reads, how it is built, fed and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from reeltrace.kinds.points import Kind, Point, module_in

Fed = Literal["clips", "sequences", "features", "pooled features"]
PIXELS: tuple[Fed, ...] = ("clips", "sequences")
STILLS = "stills"  # the kind of a backbone itself, in training on still frames


@dataclass(frozen=True)
class OnBackbone:
    """The backbone that a net grows from: its architecture, and whether an entry begins with what that has learned."""

    architecture: str
    learned: Callable[[Any], bool]


@dataclass(frozen=True)
class Least:
    """What a net has at the very least: weights, and the maps that its first layer makes with a stride (T, H, W).

    A net that sees no pixels makes no maps.
    """

    weights: int
    maps: int
    stride: tuple[int, int, int]


@dataclass(frozen=True)
class Further:
    """What a training of this kind finds beside its scores, in files of its own.

    `write` names a function of the net and a folder, which writes the files and returns what metrics.json says of them;
    `check` one of an artifact's folder, which returns the problems that `verify` is to tell.
    """

    outputs: tuple[str, ...]
    write: str
    check: str


@dataclass(frozen=True)
class Architecture(Kind):
    """A kind of net. What is "module:function" is loaded by the stage that calls it.

    `title` is its name on the page, `words` what a chain says of an entry, as spec.json has it.
    `stage` is the module that trains it, on what it is `fed`; `backbone` what it grows from, None for a net of its own.
    `describe` gives plain JSON data from an entry, its backbone and the number of classes: what a checkpoint says of
    the net. `net` names the function that builds it from them.
    `in_runs` is whether an experiment may train it; then `augmented` whether its clips may be altered in training, and
    `transformed` whether it may be evaluated under transforms.
    `bfloat16` is whether it pays on a CPU, `conforms` whether the conformance check looks at its convolutions.
    `work` is how long an epoch takes beside other nets, of an entry and whether it sees videos; `least` the lower bound
    of its size, of an entry, its backbone and the number of classes.
    """

    title: str
    words: Callable[[Mapping[str, Any]], str]
    stage: str
    net: str
    describe: Callable[[Any, Any, int], dict[str, Any]]
    fed: Fed
    backbone: OnBackbone | None
    further: Further | None
    in_runs: bool
    augmented: bool
    transformed: bool
    bfloat16: bool
    conforms: bool
    work: Callable[[Any, bool], int]
    least: Callable[[Any, Any, int], Least]

    def __post_init__(self) -> None:
        """Raises ValueError where the declaration contradicts the entry that it declares."""
        fields = self.params.model_fields
        if "architecture" not in fields or get_args(fields["architecture"].annotation) != (self.name,):
            raise ValueError(f"params of {self.name}: architecture must be Literal[{self.name!r}]")
        asked = {"backbone"} if self.backbone is not None else set()
        asked |= {"frames"} if self.fed == "sequences" and self.in_runs else set()
        asked |= {"block", "z_norm", "backbone"} if self.fed not in PIXELS else set()
        if missing := asked - fields.keys():
            raise ValueError(f"params of {self.name}: no field {', '.join(sorted(missing))}")
        if "backbone" in fields and self.backbone is None:
            raise ValueError(f"params of {self.name} have a backbone, and the kind declares none")

    @property
    def on_videos(self) -> bool:
        """Whether it is trained on sets of videos alone."""
        return self.backbone is not None or self.fed != "clips"

    @property
    def code(self) -> tuple[str, ...]:
        """The modules that a training of this kind calls by name."""
        called = (self.net, *(() if self.further is None else (self.further.write,)))
        return tuple(dict.fromkeys(map(module_in, called)))


ARCHITECTURES = Point("architecture", "architecture", "reeltrace.kinds.architectures", Architecture)
