"""Datasets: pools of images and sets of clips or videos; how each kind is read, made, trained on, shown and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import SerializeAsAny

from reeltrace.kinds.points import Kind, Point
from reeltrace.registry.datasets import VideoView
from reeltrace.registry.fields import Spec, Strict
from reeltrace.registry.needs import Need


class DatasetEntry(Strict):
    """What every entry of `datasets` has. A kind narrows `kind` to its own name."""

    kind: str


class DataSpec(Spec):
    """Stage `data`: what it is told of a dataset. A kind adds fields of its entry, by their names there."""

    kind: str


@dataclass(frozen=True)
class Making:
    """How the artifact of stage `data` is made: the module whose `run` does it, and the files that it leaves behind.

    about.json is one of them, and has at least the `kind` of the dataset and the names of its `classes`.
    """

    stage: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """A dataset that another is drawn from: its name, the key of the entry that gives it, what it is, and its kind.

    `same` are keys in which the two entries must agree. It is drawn from none itself.
    """

    name: str
    where: str
    what: str
    kind: str
    same: tuple[str, ...]


@dataclass(frozen=True)
class Clips:
    """What a net is given: clips of `frames` frames of `size` x `size` pixels, and in training `number` of them.

    `number` is None where the files decide.
    """

    frames: int
    size: int
    number: int | None


@dataclass(frozen=True)
class Decoded:
    """Videos whose frames stage `frames` decodes. Functions are given the entry.

    The frames are stored with their short side at `short_side` pixels; `folder` holds the videos where they are the
    user's own and no part of the artifact. A set is `small` where it is not worth having all processors to itself.
    `view` is how a run sees it.
    """

    short_side: Callable[[Any], int]
    folder: Callable[[Any], str | None]
    small: Callable[[Any], bool]
    view: Callable[[Any], VideoView]


@dataclass(frozen=True)
class Shown:
    """How the report shows a set.

    `describe` names a function of the binder, the key, the spec of the report, its inputs, their descriptions and the
    class that is to be shown, if any. It gives an entry of `datasets` in report.json, with one clip under "pixels",
    uint8 (T, H, W) or (T, H, W, 3). `caption` is the macro that says which clip that is, "file:macro" below the
    templates or documents/.
    """

    describe: str
    caption: str


@dataclass(frozen=True)
class Check:
    """A function that `verify` calls with an artifact's folder, "module:function", for the problems that it finds.

    `file` is named where it cannot be carried out, and is what it reads.
    """

    file: str
    by: str


@dataclass(frozen=True)
class Trained:
    """What is said of a set that runs train on. Functions are given the entry.

    `drawn_from` are the pools that it is made from, `classes` how many it has, `stand_in` what it stands in for, if it
    does. `stored` is what it takes on disk, None where that is not known before; its `lower` are keys of the entry.
    `decoded` is None for finished clips, which stage `data` itself stores.

    `splits` names the function of the spec of a training and its inputs that opens the three splits, each a
    `training.evaluation.Clips`. `check`, "module:function", is given the folder of a run and that of all results, and
    the run's spec, metrics and predictions; it returns the problems that `verify` is to tell.
    """

    drawn_from: Callable[[Any], tuple[Pool, ...]]
    classes: Callable[[Any], int]
    stand_in: Callable[[Any], str | None]
    clips: Callable[[Any], Clips]
    stored: Callable[[Any], Need | None]
    decoded: Decoded | None
    splits: str
    shown: Shown
    check: str


@dataclass(frozen=True)
class DatasetKind(Kind):
    """A kind of dataset. What is "module:function" is loaded by who calls it.

    `spec` is what its stage is told; `making`, of that, says which of the `makings` is meant. `weight` is how long that
    takes beside other tasks, see `order`; `words` what a chain says of a spec, as spec.json has it; `check` what
    `verify` looks at, None for what has nothing to recompute. `trained` is None for a pool, which no run trains on.
    """

    params: type[DatasetEntry]
    spec: type[DataSpec]
    makings: tuple[Making, ...]
    making: Callable[[Any], Making]
    weight: int
    words: Callable[[Mapping[str, Any]], dict[str, str]]
    check: Check | None
    trained: Trained | None

    def __post_init__(self) -> None:
        """Raises ValueError where the declaration contradicts itself."""
        for what, model in (("params", self.params), ("spec", self.spec)):
            if get_args(model.model_fields["kind"].annotation) != (self.name,):
                raise ValueError(f"{what} of {self.name}: kind must be Literal[{self.name!r}]")
        if missing := self.spec.model_fields.keys() - Spec.model_fields.keys() - self.params.model_fields.keys():
            raise ValueError(f"params of {self.name}: no field {', '.join(sorted(missing))}, which its spec has")


DATASETS = Point("kind of dataset", "kind", "reeltrace.kinds.datasets", DatasetKind)
Dataset = Annotated[SerializeAsAny[DatasetEntry], DATASETS.entry()]


def kind_of(dataset: DatasetEntry) -> DatasetKind:
    """What the kind of a dataset says."""
    return DATASETS.get(dataset.kind)


def is_pool(dataset: DatasetEntry) -> bool:
    """Whether no run trains on a dataset, and others are drawn from it."""
    return kind_of(dataset).trained is None


def trained_on(dataset: DatasetEntry) -> Trained:
    """What the kind of a set says of training on it; not to be asked of a pool, which is checked with all names."""
    found = kind_of(dataset).trained
    assert found is not None
    return found


def decoded_of(dataset: DatasetEntry) -> Decoded | None:
    """What the kind says of the frames of a set of videos; None for any other dataset."""
    found = kind_of(dataset).trained
    return None if found is None else found.decoded


def pools_of(dataset: DatasetEntry) -> tuple[Pool, ...]:
    """The pools that a dataset is drawn from."""
    found = kind_of(dataset).trained
    return () if found is None else found.drawn_from(dataset)


def no_words(spec: Mapping[str, Any]) -> dict[str, str]:
    """Of a kind of which a chain has nothing to say."""
    return {}


def no_pools(entry: Any) -> tuple[Pool, ...]:
    """Of a kind that is drawn from no pool."""
    return ()
