"""Chance level: which nets trained on stand-in data cannot be told from guessing, counted with their traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.analysis.intervals import guessing, percent
from reeltrace.analysis.sources import read_score
from reeltrace.analysis.stage import read_source
from reeltrace.artifacts.pointers import pointer_to
from reeltrace.artifacts.runs import on_test
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.words import span
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import artifact_name

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec

DECIMALS = 1  # of a chance level in percent


@dataclass(frozen=True)
class Net:
    """One trained net on its unaltered test set: `right` of `total`, and the counts that guessing gives as a rule."""

    name: str
    dataset: str
    classes: int
    right: int
    total: int
    score: Mapping[str, str]
    classes_read: Mapping[str, str]

    @property
    def guessed(self) -> bool:
        """Whether its count is one that guessing gives as a rule."""
        low, high = guessing(self.total, self.classes)
        return low <= self.right <= high

    @property
    def words(self) -> str:
        """`train/x-s0: 14 of 112 right; guessing: 8 to 21`."""
        low, high = guessing(self.total, self.classes)
        return f"{self.name}: {self.right} of {self.total} right; guessing: {span(low, high)}"


def stand_in_nets(spec: ReportSpec, inputs: Mapping[str, Path], stand_in: Mapping[str, str | None]) -> list[Net]:
    """The nets that were trained on data in place of a document's; `stand_in` says of each dataset whether it is."""
    nets = []
    for run, asked in sorted(spec.runs.items()):
        if not (asked.stand_in or stand_in[asked.dataset]):
            continue
        for seed in spec.seeds:
            name = f"train/{run}-s{seed}"
            source = read_source(f"results/{spec.scale}/{name}", inputs[name])
            assert source.spec is not None
            right, total = read_score(source, *on_test("best", "original"))
            traces = source.trace(pointer_to(*on_test("best", "original", "correct"))), source.spec.trace("/classes")
            nets.append(Net(name, asked.dataset, int(source.spec.metrics["classes"]), right, total, *traces))
    return nets


def bind_chance(
    binder: Binder, nets: list[Net], tables: Iterable[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Register the counts of nets at chance: over all, by dataset, and by table and dataset.

    Returned are the groups by dataset, and those of each table by its key; each with the ids of its numbers.
    """
    if not nets:
        return [], {}
    _bind_count(binder, "chance/nets", "Nets trained on stand-in data", nets)
    at_chance = [net for net in nets if net.guessed]
    _bind_count(binder, "chance/guessed", "Nets trained on stand-in data that cannot be told from guessing", at_chance)
    by_dataset = _groups(binder, "chance", "", nets)
    by_table = {}
    for table in tables:
        behind = {artifact_name(trace["artifact"]) for cell in table["cells"] for trace in cell["trace"]}
        words = f"{table['document']}, {table['table']}: "
        by_table[table["key"]] = _groups(binder, f"chance/{table['key']}", words, [n for n in nets if n.name in behind])
    return by_dataset, by_table


def _groups(binder: Binder, prefix: str, words: str, nets: list[Net]) -> list[dict[str, Any]]:
    groups = []
    for dataset in dict.fromkeys(net.dataset for net in nets):
        members = [net for net in nets if net.dataset == dataset]
        guessed = [net for net in members if net.guessed]
        ids = {"nets": f"{prefix}/{dataset}/nets", "guessed": f"{prefix}/{dataset}/guessed"}
        level = f"chance/{dataset}/level"
        _bind_count(binder, ids["nets"], f"{words}nets on {dataset}", members, scores=not words)
        what = f"{words}nets on {dataset} that cannot be told from guessing"
        _bind_count(binder, ids["guessed"], what, guessed, scores=not words)
        if level not in binder.numbers:
            _bind_level(binder, level, members[0])
        groups.append(
            {
                "dataset": dataset,
                "classes": members[0].classes,
                "nets": len(members),
                "guessed": [net.name for net in guessed],
                "ids": {**ids, "level": level},
            }
        )
    return groups


def _bind_count(binder: Binder, identity: str, title: str, nets: list[Net], scores: bool = False) -> None:
    """A count of nets by name, where asked with the `scores` behind it."""
    binder.add(
        Number(
            identity,
            str(len(nets)),
            title[:1].upper() + title[1:],
            sources=tuple(net.score for net in nets),
            rule="count",
            of=tuple(net.name for net in nets),
            facts=tuple(("Net", net.words) for net in nets if scores),
        )
    )


def _bind_level(binder: Binder, identity: str, net: Net) -> None:
    level = printed(percent(1, net.classes), DECIMALS)
    title = f"Chance level of {net.dataset}, percent"
    binder.add(Number(identity, level, title, trace=net.classes_read, rule=f"100 / {net.classes} classes"))
