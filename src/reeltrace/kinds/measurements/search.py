"""Which of the choices that a document leaves open give every parameter count that it prints."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Entry, MeasurementKind, no_bound, no_files, no_names, one_processor
from reeltrace.kinds.words import listed
from reeltrace.registry.fields import Name
from reeltrace.registry.measurements import Configured, Json


class Printed(Configured):
    """A net as one configuration, and the number of parameters that the document prints for it."""

    parameters: Annotated[int, Field(ge=1, le=10**13, strict=True)]


class SearchMeasurement(Entry):
    """Which of the open choices gives every printed parameter count: each choice has settings, by label."""

    kind: Literal["search"]
    networks: Annotated[dict[Name, Printed], Field(min_length=1)]
    choices: Annotated[dict[Name, dict[str, dict[str, Json]]], Field(min_length=1)]


def _builds(asked: SearchMeasurement) -> Iterable[str]:
    return (network.architecture for network in asked.networks.values())


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    printed = {name: f"printed {net['parameters']:,} parameters" for name, net in asked["networks"].items()}
    return {**printed, **{name: listed(choice) for name, choice in asked["choices"].items()}}


KIND = MeasurementKind(
    name="search",
    params=SearchMeasurement,
    stage="reeltrace.measure.search_stage",
    outputs=(METRICS,),
    calls_document=False,
    observes=False,
    offers=None,
    speaks_of=None,
    builds=_builds,
    names=no_names,
    files=no_files,
    least=no_bound,
    resources=one_processor,
    weight=2,
    words=_words,
    check=None,
    beside="reeltrace.analysis.blocks:search",
    draws=None,
)
