"""What a kind of measurement says of itself: something that is built and counted, timed or drawn, and never trained."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import SerializeAsAny

from reeltrace.kinds.points import Kind, Point
from reeltrace.registry.fields import Name, Strict
from reeltrace.registry.measurements import Network
from reeltrace.registry.needs import Need


class Entry(Strict):
    """What every entry of `measurements` has. A kind narrows `kind` to its own name."""

    kind: str
    document: Name


@dataclass(frozen=True)
class Nets:
    """Networks of the measurement `of`, each with the view that is looked at, and in which precisions they compute."""

    of: str
    views: Mapping[str, str]
    precisions: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """A name that an entry gives to something: where in the entry, what it names, and what has that name."""

    where: str
    what: str
    name: str
    known: Mapping[str, Any]


@dataclass(frozen=True)
class Resources:
    """What a job has for itself: processors and GPUs."""

    threads: int
    gpus: int


ONE_PROCESSOR = Resources(threads=1, gpus=0)

# From an artifact's folder, its entry as plain values and its metrics.json: a file of it, and what is wrong with that.
Check = Callable[[Path, Mapping[str, Any], Mapping[str, Any]], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Drawing:
    """Pictures in the report. What draws is made whenever it is `wanted`, whether a table reads it or not.

    `figures` are the figures of the document that an entry draws, by number; `runs` the runs whose best weights, with
    the first seed, and whose test clips it draws: where one of them is not trained, nothing is drawn. `describe`,
    "module:function", is given the binder, the key, the spec of the report and its inputs, and gives an entry of
    `pictures` in report.json, each picture with its bytes under "uri".
    """

    wanted: Callable[[Any], bool]
    figures: Callable[[Any], Iterable[str]]
    runs: Callable[[Any], Iterable[str]]
    describe: str


@dataclass(frozen=True)
class MeasurementKind(Kind):
    """A kind of measurement. Functions are given its entry, except where another argument is named.

    What is None is not there: of networks, `offers` none that other measurements may speak of, and `speaks_of` none of
    another one's; none that it builds of its own; no value to recompute; no block below a table; no pictures.
    """

    params: type[Entry]
    stage: str  # the module whose `run` measures
    outputs: tuple[str, ...]
    calls_document: bool  # whether the stage calls the document's own module, whose code then belongs to it
    observes: bool  # whether it is what was seen on one machine at one time, and differs when it is made again
    offers: Callable[[Any], Mapping[str, Network]] | None
    speaks_of: Callable[[Any], Nets] | None
    builds: (
        Callable[[Any], Iterable[str]] | None
    )  # architectures of the networks that its own entry names; see NETWORKS
    names: Callable[[Any, Mapping[str, Mapping[str, Network]]], Iterable[Named]]  # also: networks on offer
    files: Callable[[Any], Iterable[tuple[str, str]]]  # of the user's, each with the key of the entry that names it
    least: Callable[[Any], Need | None]  # memory
    resources: Callable[[Any], Resources]
    weight: int  # how long it takes beside other tasks; see `order`
    words: Callable[[Mapping[str, Any]], dict[str, str]]  # of a chain, from the entry as plain values
    check: Check | None  # for `verify`
    beside: str | None  # "module:function" from a `Source` to the block below a table; see `analysis.blocks`
    draws: Drawing | None


MEASUREMENTS = Point("kind of measurement", "kind", "reeltrace.kinds.measurements", MeasurementKind)
Measurement = Annotated[SerializeAsAny[Entry], MEASUREMENTS.entry()]


def no_names(asked: Any, nets: Any) -> Iterable[Named]:
    """Of a kind that names nothing."""
    return ()


def no_files(asked: Any) -> Iterable[tuple[str, str]]:
    """Of a kind that reads no file of the user's."""
    return ()


def no_bound(asked: Any) -> None:
    """Of a kind that takes little memory."""


def one_processor(asked: Any) -> Resources:
    """Of a kind whose job has one processor for itself."""
    return ONE_PROCESSOR
