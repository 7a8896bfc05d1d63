"""`documents/<key>/readings.yaml`: what else a document may mean where it leaves something open.

Below each detail of the document's ledger stand its readings, as changes of the experiments that the named runs are
made of. A run under a reading is a run of its own, and so is each dataset, model or protocol that the reading changes:
`<key>--<reading>`. All else it shares with the run as chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, known_names, short
from reeltrace.kinds.points import Misfit
from reeltrace.registry.fields import Name, Scale, Strict
from reeltrace.registry.header import Tree, mapping
from reeltrace.registry.trees import differences, merged

FILE = "readings.yaml"
BETWEEN = "--"  # in no name that a file declares
NAMED_BY_A_RUN = {"datasets": "dataset", "models": "model", "protocols": "protocol"}
Section = Literal["datasets", "models", "protocols", "runs"]
Changes = dict[Section, dict[Name, dict[str, Any]]]


class Reading(Strict):
    """One reading: what it takes the document to say, the runs that are made under it, and what is changed for it.

    `quick` and `smoke` go over `changes` at these scales; null leaves the reading out there.
    """

    says: Annotated[str, StringConstraints(min_length=1)]
    runs: Annotated[tuple[Name, ...], Field(min_length=1)]
    changes: Changes = Field(default_factory=dict)
    quick: Changes | None = Field(default_factory=dict)
    smoke: Changes | None = Field(default_factory=dict)

    def at(self, scale: Scale) -> Tree | None:
        """What is changed at one scale; None where the reading is left out."""
        over = {"quick": self.quick, "smoke": self.smoke}.get(scale, {})
        return None if over is None else merged(self.changes, over)


@dataclass(frozen=True)
class Derived:
    """A reading at one scale. `runs` maps each run to the one under the reading, `entries` has all that is new.

    `changes` are (path, value as chosen, value under the reading); `place` is the file with the place in it.
    """

    document: str
    detail: str
    reading: str
    says: str
    runs: Mapping[str, str]
    changes: tuple[tuple[str, Any, Any], ...]
    entries: Mapping[str, Tree]
    place: str

    @property
    def path(self) -> str:
        """Its place in the file, as the parameters of DVC name it."""
        return f"{self.detail}.{self.reading}"


_READINGS: TypeAdapter[dict[str, dict[str, Reading]]] = TypeAdapter(dict[Name, dict[Name, Reading]])


def path_of(document: str) -> str:
    """The file of one document."""
    return (DOCUMENTS / document / FILE).as_posix()


def readings(path: str, text: str) -> tuple[Tree, dict[str, dict[str, Reading]]]:
    """The text of one file as a tree, and as readings by detail. Raises `UserError`, with the place."""
    tree = mapping(path, text)
    try:
        return tree, _READINGS.validate_python(tree)
    except ValidationError as error:
        first = Misfit.of(error)
        where = ".".join(str(part) for part in first.loc if part != "[key]") or "the file"
        if first.kind == "extra_forbidden":
            raise UserError(f"{path}: {where}: unknown key; expected {', '.join(Reading.model_fields)}") from None
        raise UserError(
            f"{path}: {where}: found {short(first.found)}; expected: {first.message.removeprefix('Value error, ')}"
        ) from None


def derive(
    of_documents: Iterable[tuple[str, Mapping[str, Mapping[str, Reading]]]], tree: Tree, scale: Scale
) -> Iterator[Derived]:
    """What the readings of documents make of the entries in `tree`, which is that of `scale`.

    Raises `UserError`, with the place, for a reading of what no document has, for one that changes nothing, and for two
    that would make one entry.
    """
    taken: dict[tuple[str, str], Derived] = {}
    for document, found in of_documents:
        for detail, of_detail in found.items():
            for name, reading in of_detail.items():
                changes = reading.at(scale)
                if changes is None:
                    continue
                made = _derived(document, detail, name, reading, changes, tree, scale)
                for place in ((section, key) for section, of in made.entries.items() for key in of):
                    if place in taken:
                        raise UserError(f"{made.place}: {taken[place].place} makes {'.'.join(place)} too; rename one")
                    taken[place] = made
                yield made


def _derived(
    document: str, detail: str, name: str, reading: Reading, changes: Tree, tree: Tree, scale: Scale
) -> Derived:
    place = f"{path_of(document)}: {detail}.{name}"
    at = f"{place} (scale {scale})"
    entries: dict[str, Tree] = {}
    differing: list[tuple[str, Any, Any]] = []
    unused: dict[tuple[str, str], None] = {}
    for section, of_section in changes.items():
        for key, change in of_section.items():
            _known(tree, section, key, f"{at}: changes.{section}")
            found = list(differences(tree[section][key], merged(tree[section][key], change)))
            if not found:
                raise UserError(f"{at}: {section}.{key} is so already; a reading changes something, or is null here")
            differing += [(f"{section}.{key}.{where}", before, after) for where, before, after in found]
            unused[section, key] = None
    for run in reading.runs:
        _known(tree, "runs", run, f"{at}: runs")
        made = merged(tree["runs"][run], changes.get("runs", {}).get(run, {}))
        touched = ("runs", run) in unused
        unused.pop(("runs", run), None)
        for section, field in NAMED_BY_A_RUN.items():
            named = made.get(field)
            if named in changes.get(section, {}):
                unused.pop((section, named), None)
                made[field] = f"{named}{BETWEEN}{name}"
                entries.setdefault(section, {})[made[field]] = merged(tree[section][named], changes[section][named])
                touched = True
        if not touched:
            raise UserError(f"{at}: runs: nothing that {run!r} is made of is changed; take it out, or change that too")
        entries.setdefault("runs", {})[f"{run}{BETWEEN}{name}"] = made
    for section, key in unused:
        raise UserError(f"{at}: {section}.{key}: none of its runs ({', '.join(reading.runs)}) is made of it")
    runs = {run: f"{run}{BETWEEN}{name}" for run in reading.runs}
    return Derived(document, detail, name, reading.says, runs, tuple(differing), entries, place)


def with_derived(tree: Tree, every: Iterable[Derived]) -> Tree:
    """The tree with the entries of readings beside its own."""
    whole = {section: dict(of) if isinstance(of, dict) else of for section, of in tree.items()}
    for derived in every:
        for section, entries in derived.entries.items():
            whole[section] |= entries
    return whole


def _known(tree: Tree, section: str, key: str, at: str) -> None:
    entries = tree.get(section, {})
    if not isinstance(entries.get(key), dict):
        what = section.removesuffix("s")
        raise UserError(f"{at}: no {what} is named {key!r}; {known_names(key, sorted(map(str, entries)))}")
