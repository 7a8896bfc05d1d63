"""The whole report as data and as a page: what finished artifacts say, bound number by number, then rendered.

`build` is a pure function of the artifacts and of the texts of its documents; the stage writes its result, `verify`
computes it again and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes

from reeltrace.analysis import assumptions, claims, not_reproduced, prose, published, spans, yardstick
from reeltrace.analysis.cells import KINDS, parts
from reeltrace.analysis.intervals import CONFIDENCE
from reeltrace.analysis.paired import ALPHA
from reeltrace.analysis.prediction import ASSUMED_SPREAD
from reeltrace.analysis.stage import read_history
from reeltrace.analysis.verdicts import MEANINGS, count
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import CELLS, HISTORY, HTML
from reeltrace.artifacts.json_values import canonical_json, read_json
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, SPEC
from reeltrace.artifacts.root_hash import root_of
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.points import load
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.table import TABLES
from reeltrace.kinds.unit import UNITS
from reeltrace.kinds.words import span
from reeltrace.registry.fields import replaced
from reeltrace.registry.header import read_header
from reeltrace.report import appendix, audit_page, chance, claims_page, figures, frame_nets, measured_tables
from reeltrace.report import readings_page as read_otherwise
from reeltrace.report import summary as table_summary
from reeltrace.report.before import Reference, read_reference
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import derivation_words, describe, table_words
from reeltrace.report.content import SCHEMA
from reeltrace.report.embedded import PLACE, embed
from reeltrace.report.ledger import departing_rows, departures, fitted_notes, said_by
from reeltrace.report.movement import mover, teller

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec

TEMPLATES = Path("reports/templates")  # below the project's root
PAGE = "report.html.j2"
QUANTITIES = {"relative_error": "relative error", "agreement": "agreement"}
HEADINGS = ("Model", "Type")  # above the rows of a table that has no headings of its own
OF_THE_PAGE = ("strips", "template", "macro")  # what the page shows of a dataset, and report.json has not
COMPACT = 4  # columns of accuracies beyond which a table is set tightly
EQUAL = ("exact", "exact, fitted")


@dataclass(frozen=True)
class Report:
    """The two files of the report as text, and the binder that knows every number in them."""

    html: str
    json: str
    binder: Binder


def build(spec: ReportSpec, inputs: Mapping[str, Path], root: Path) -> Report:
    """The report of finished artifacts. `inputs` maps "stage/key" to folders; the texts are those below `root`.

    Raises `CheckFailed` when a numeral has no trace, a reported number is not shown, or an artifact is incomplete;
    `UserError` when a text is wrong.
    """
    artifacts = {name: describe(name, folder, spec.scale) for name, folder in sorted(inputs.items())}
    tables = [_table(key, inputs, artifacts) for key in spec.tables]
    prints = {name: published.load(name, root) for name in dict.fromkeys(t["document"] for t in tables)}
    documents = {name: read_header(name, root) for name in prints}
    all_claims = claims.load(documents, root)
    told = {name: prose.load(name, root) for name in documents}
    ledgers = assumptions.load(documents, root)
    coverage = {each.document: each for each in not_reproduced.load(documents, root)}
    binder = Binder()
    bound = {name: found for name in prints if (found := spans.load(name, root)) is not None}
    reference = None if spec.reference is None else read_reference(root / spec.reference, spec.reference)
    cells = [cell for table in tables for cell in _bind_cells(binder, table, reference, bound.get(table["document"]))]
    equivariance = _bind_equivariance(binder, tables)
    for table in tables:
        _bind_search(binder, table)
        measured_tables.bind_beside(binder, table)
    judged = [
        claim
        for of_document in all_claims
        for claim in claims.judge_all(
            of_document,
            prints[of_document.document],
            told[of_document.document],
            {t["table"]: t for t in tables if t["document"] == of_document.document},
        )
    ]
    summary = _summary(binder, cells, judged)
    audited = audit_page.of_prints(prints, tables, root, binder)
    statistics = table_summary.bind_tables(binder, tables, cells)
    shown = {k: v for header in documents.values() if header.clips for k, v in header.clips.classes.items()}
    datasets = [_dataset(binder, key, spec, inputs, artifacts, shown.get(key)) for key in spec.datasets]
    stand_in = {d["key"]: d["stand_in"] for d in datasets}
    chance_levels, chance_of = chance.bind_chance(binder, chance.stand_in_nets(spec, inputs, stand_in), tables)
    summary["chance"] = [{k: v for k, v in group.items() if k != "ids"} for group in chance_levels]
    drawn = [_drawn(binder, key, spec, inputs) for key in spec.pictures]
    by_id = {cell["id"]: cell for cell in cells}
    under = {
        found.document: (found, read_otherwise.bind(binder, found, by_id))
        for found in read_otherwise.load(spec.readings, inputs, artifacts)
    }
    assumed = [
        {"document": ledger.document, **a.model_dump(mode="json")} for ledger in ledgers for a in ledger.assumptions
    ]
    content = {
        "schema": SCHEMA,
        "scale": spec.scale,
        "stand_in": _joined([*(d["stand_in"] for d in datasets), *(t["stand_in"] for t in tables)]),
        "seeds": list(spec.seeds),
        "summary": summary,
        "cells": cells,
        "equivariance": equivariance,
        "claims": judged,
        "audit": [finding.model_dump(mode="json") for finding in audited.findings],
        "texts": {name: found.text.model_dump() for name, found in bound.items()},
        "assumptions": assumed,
        "not_reproduced": [
            {"document": name, **d.model_dump(mode="json")} for name, of in coverage.items() for d in of.not_reproduced
        ],
        "shown": [{"document": name, **s.model_dump(mode="json")} for name, of in coverage.items() for s in of.shown],
        "overrides": [said_by(o.model_dump(mode="json"), ledgers) for o in spec.overrides],
        "datasets": [{k: v for k, v in d.items() if k not in OF_THE_PAGE} for d in datasets],
        "pictures": [_without_bytes(one) for one in drawn],
        "readings": [reading for _, readings in under.values() for reading in readings],
        "artifacts": artifacts,
        "root_sha256": root_of({f"{name}/{MANIFEST}": a["manifest_sha256"] for name, a in artifacts.items()}),
    }
    rules = {c["id"]: claims_page.sentences(c, told[c["document"]], binder) for c in judged}
    environment = _environment(root)
    replaced_in = {(t["document"], t["table"]): replaced(t["stand_in"] or "") for t in tables}
    replaced_sets = {d["key"]: d["stand_in"] for d in datasets if d["stand_in"]}
    views = [_table_view(t, prints[t["document"]], binder, cells) for t in tables]
    for view in views:
        view["overrides"] = [said_by(override, ledgers) for override in view["overrides"]]
        view["notes"] |= fitted_notes(view, ledgers)
        view["drawn"] = measured_tables.drawings(view, cells, binder)
        view["departures"] = departures(view, ledgers)
        changed = (override.path for override in spec.overrides)
        view["departing"] = departing_rows(view, view["departures"], spec.runs, changed)
    page = environment.get_template(PAGE).render(
        **{k: v for k, v in content.items() if k not in ("cells", "equivariance", "datasets", "pictures", "readings")},
        binder=binder,
        name=binder.name,
        tables=views,
        readings=[read_otherwise.view(binder, *of, by_id, ledgers) for of in under.values()],
        yardstick=yardstick.table(),
        short_of={place: dict.fromkeys(names, "stand-in data") for place, names in replaced_in.items()},
        alpha=f"{ALPHA:.0%}".replace("%", " %"),
        assumed_spread=f"{ASSUMED_SPREAD:g}",
        print_of=lambda identity: binder.published_values.get(identity, ("",))[0],
        means_here=claims.MEANS_HERE,
        means_on_print=claims.MEANS_ON_PRINT,
        rules=rules,
        units={(c["document"], c["table"], c["row"], c["column"]): UNITS.get(c["unit"]).behind for c in cells},
        documents=documents,
        datasets=datasets,
        pictures={name: [one for one in drawn if one["document"] == name] for name in documents},
        equivariance=_equivariance_view(equivariance),
        chance=chance_levels,
        chance_of=chance_of,
        panels=_panels(spec, inputs, binder),
        heat_scale=figures.heat_scale(),
        hidden_quantities=tuple(frame_nets.QUANTITIES.values()),
        hidden={t["key"]: frame_nets.hidden_figures(t, inputs, binder) for t in tables if t["hidden"]},
        replaced_in=replaced_in,
        replaced_sets=replaced_sets,
        replaced_by=lambda identity: replaced_in.get(tuple(identity.split("/")[:2]), replaced_sets),
        strips_after=[(name, header.clips.figure) for name, header in documents.items() if header.clips],
        swatch=figures.legend_swatch,
        meanings=MEANINGS,
        kinds=KINDS,
        confidence=f"{CONFIDENCE:.0%}".replace("%", " %"),
        faithful=spec.scale == "paper" and not content["stand_in"] and not spec.overrides,
        has=lambda identity: identity in binder.numbers,
        audit_view=audit_page.view(audited.findings),
        moves=mover(cells),
        told=teller(cells, summary["chance"]),
        embedded=PLACE,
        before=None if reference is None else reference.view(cells),
        tiles=table_summary.tiles(binder, MEANINGS),
        statistics=statistics,
        bar=table_summary.bar,
        tones=table_summary.TONES,
        signs=table_summary.SIGNS,
        against={name: figures.against(name, cells, binder) for name in documents},
        root_hash=content["root_sha256"],
        chain_groups=lambda: appendix.groups(
            binder,
            cells,
            [f"count/{verdict}" for verdict in MEANINGS],
            {name: found.text.sha256 for name, found in bound.items()},
        ),
        example={
            "run": next((a for a in artifacts.values() if a["stage"] == "train"), None),
            "cell": next((c["id"] for c in cells if c["sources"] and UNITS.get(c["unit"]).share), None),
        },
    )
    page = "\n".join(line.rstrip() for line in page.splitlines() if line.strip()) + "\n"
    problems = check_templates(root) or [str(p) for p in binder.check(page, HTML)]
    if problems:
        raise CheckFailed(
            f"{problems[0]}; {len(problems)} such problem(s); correct {root / TEMPLATES}, or what a document adds: "
            "its template, or the words of its kinds"
        )
    content["numbers"] = [
        {
            "id": number.id,
            "printed": number.printed,
            "title": number.title,
            "trace": number.trace,
            "rule": number.rule,
            "of": list(number.of),
        }
        for number in binder.numbers.values()
    ]
    report_json = canonical_json(content)
    return Report(html=embed(page, report_json, content, inputs), json=report_json, binder=binder)


def _joined(sentences: Iterable[str | None]) -> str | None:
    """Sentences on stand-in data, each once."""
    each = (sentence for said in sentences if said for sentence in said.split("; "))
    return "; ".join(dict.fromkeys(each)) or None


def _environment(root: Path) -> jinja2.Environment:
    """The templates below `root`, and those of its documents as `<key>/<file>`."""
    folder = root / TEMPLATES
    if not (folder / PAGE).is_file():
        raise UserError(f"{folder / PAGE}: not found; restore it with `git checkout {folder}`")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, root / DOCUMENTS]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda value: f"{value:g}"
    environment.filters["show"] = _show
    environment.filters["table_words"] = table_words
    environment.filters["css"] = lambda text: re.sub(r"[^a-z0-9]+", "-", text)
    environment.filters["sentence"] = lambda text: text.rstrip(".") + "."
    environment.filters.update(
        lines=appendix.lines, commands=appendix.commands, hashes=appendix.hashes, files=appendix.files
    )
    # Hundreds of rows of the appendix name the same data; what stands in for them is said where the numbers are.
    environment.filters["untitled"] = lambda words: type(words)(re.sub(r'<sup title="[^"]*">', "<sup>", words))
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment


def _show(value: Any) -> str:
    """A value of params.yaml as a reader writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_show(item)}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    return str(value)


def check_templates(root: Path) -> list[str]:
    """Numerals that a template itself passes to `name`: the one way past the check of the page."""
    environment = _environment(root)
    problems = []
    for path in sorted([*(root / TEMPLATES).glob("*.j2"), *(root / DOCUMENTS).glob("*/*.j2")]):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            called = call.node.name if isinstance(call.node, nodes.Name) else getattr(call.node, "attr", "")
            # An integer inside an argument is an index, as in place[0]; a string inside one is text that is shown.
            constants = [c for a in call.args for c in a.find_all(nodes.Const) if isinstance(c.value, str)]
            constants += [argument for argument in call.args if isinstance(argument, nodes.Const)]
            if called in ("name", "words") and any(any(ch.isdigit() for ch in str(c.value)) for c in constants):
                problems.append(f"{path} line {call.lineno}: a numeral is written in the template")
    return problems


# --- reading and binding ---


def _table(key: str, inputs: Mapping[str, Path], artifacts: Mapping[str, Any]) -> dict[str, Any]:
    name = f"aggregate/{key}"
    if name not in inputs:
        raise CheckFailed(f"{name}: missing; run `reeltrace run aggregate {key}` first")
    path = inputs[name] / CELLS
    table: dict[str, Any] = {**parts(), **read_json(path)}
    table["key"] = key
    table["artifact"] = f"{artifacts[name]['path']}/{CELLS}"
    table["sha256"] = sha256_file(path)
    return table


def _bind_cells(
    binder: Binder, table: dict[str, Any], reference: Reference | None, bound: spans.Spans | None
) -> list[dict[str, Any]]:
    """Register every cell of a table and its parts; the cells as report.json holds them."""
    cells = []
    for index, cell in enumerate(table["cells"]):
        identity = f"{table['document']}/{table['table']}/{cell['row']}/{cell['column']}"
        title = f"{table['document']}, {table_words(table['table'])}, {cell['row']}, {cell['column']}"
        trace = {
            "artifact": table["artifact"],
            "pointer": f"/cells/{index}/reproduced/value",
            "sha256": table["sha256"],
        }
        reproduced = cell["reproduced"]
        before = None if reference is None else reference.cells.get(identity)
        if reproduced is not None:
            binder.add(
                Number(
                    id=identity,
                    printed=reproduced["printed"],
                    title=title,
                    trace=trace,
                    sources=tuple(cell["trace"]),
                    facts=(
                        *_cell_facts(cell, _in_text(table, cell, bound)),
                        *(() if reference is None else reference.facts(identity)),
                    ),
                )
            )
            if "range" in reproduced:
                binder.add(
                    Number(
                        id=f"{identity}/range",
                        printed=span(*reproduced["range_printed"]),
                        title="Fastest to slowest",
                        trace={**trace, "pointer": f"/cells/{index}/reproduced/range"},
                        chain=identity,
                    )
                )
            if "ratio" in reproduced:
                frame_nets.bind_ratio(binder, identity, title, trace, cell)
            if "interval" in reproduced:
                _bind_parts(binder, identity, index, trace, reproduced)
                _bind_difference(binder, identity, cell)
            if "clip" in reproduced:
                _bind_clips(
                    binder, identity, title, {**trace, "pointer": f"/cells/{index}/reproduced/clip/value"}, cell
                )
        if cell["published"]["printed"] is not None:
            binder.add_published(identity, cell["published"]["printed"], cell["published"]["place"])
        cells.append(
            {
                "id": identity,
                "document": table["document"],
                "table": table["table"],
                **{
                    k: cell[k]
                    for k in ("row", "column", "unit", "origin", "kind", "published", "reproduced", "derivation")
                },
                **{k: cell[k] for k in ("verdict", "reason", "fitted") if k in cell},
                "circumstances": cell["circumstances"],
                "trace": trace if reproduced is not None else None,
                "sources": cell["trace"],
                "before": before,
                **({} if (found := _in_text(table, cell, bound)) is None else {"span": list(found[0])}),
            }
        )
    return cells


def _in_text(
    table: Mapping[str, Any], cell: Mapping[str, Any], bound: spans.Spans | None
) -> tuple[tuple[int, int], str] | None:
    """Where a published value stands in its document's text, and the text's sha256; None where that is not known."""
    found = bound.cells.get(f"{table['table']}/{cell['row']}/{cell['column']}") if bound else None
    return None if bound is None or found is None else (found, bound.text.sha256)


def _cell_facts(cell: Mapping[str, Any], in_text: tuple[tuple[int, int], str] | None) -> tuple[tuple[str, str], ...]:
    print_ = cell["published"]
    facts = [("Published", f"{print_['printed']} ({print_['place']})" if print_["printed"] else print_["reason"])]
    if in_text:
        (start, end), sha256 = in_text
        facts.append(("In its text", f"characters {start} to {end} of the text with sha256 {sha256[:12]}"))
    if print_["note"]:
        facts.append(("Contradiction" if print_["contradicted_by"] else "Note", print_["note"]))
    if cell["derivation"]:
        facts.append(("Derived", derivation_words(cell["derivation"])))
    facts.append(("Verdict", f"{cell['verdict']} ({cell['circumstances']}): {cell['reason']}"))
    return tuple(facts)


def _bind_parts(
    binder: Binder, identity: str, index: int, trace: Mapping[str, str], reproduced: Mapping[str, Any]
) -> None:
    """The interval, the spread, each seed and the last checkpoint of an accuracy."""

    def part(suffix: str, printed: str, title: str, pointer: str) -> None:
        binder.add(
            Number(
                id=f"{identity}/{suffix}",
                printed=printed,
                title=title,
                trace={**trace, "pointer": f"/cells/{index}/reproduced/{pointer}"},
                chain=identity,
            )
        )

    low, high = reproduced["interval_printed"]
    judged = reproduced.get("of") or ("videos" if "clip" in reproduced else "clips")
    part("interval", f"[{low}, {high}]", "Interval", "interval")
    if reproduced["deviation"] is not None:
        part("deviation", f"± {reproduced['deviation_printed']}", "Standard deviation over seeds", "deviation")
    for seed, entry in reproduced["seeds"].items():
        epochs = entry["epoch"] if isinstance(entry["epoch"], list) else [entry["epoch"]]
        right = f"{entry['correct']} of {entry['total']} {judged} right"
        words = (
            f"{entry['printed']} ({right}, {'epoch' if len(epochs) == 1 else 'epochs'} {', '.join(map(str, epochs))})"
        )
        part(f"seed-{seed}", words, f"Seed {seed}, best on validation", f"seeds/{seed}")
    part("last", reproduced["last"]["printed"], "Last checkpoint", "last/value")


def _bind_difference(binder: Binder, identity: str, cell: Mapping[str, Any]) -> None:
    """Ours minus the print, with the decimals of ours; nothing where the print has no value."""
    theirs, ours = cell["published"]["value"], cell["reproduced"]
    if not isinstance(theirs, int | float):
        return
    decimals = len(ours["printed"].partition(".")[2])
    difference = Fraction(str(ours["value"])) - Fraction(str(theirs))
    sign = "+" if difference > 0 else "\u2212" if difference < 0 else "\u00b1"
    binder.add(
        Number(
            id=f"{identity}/difference",
            printed=f"{sign}{printed(abs(difference), decimals)}",
            title="Here minus print",
            rule=f"{ours['printed']} - {cell['published']['printed']}, before rounding",
            chain=identity,
        )
    )


def _bind_clips(binder: Binder, identity: str, title: str, trace: Mapping[str, str], cell: Mapping[str, Any]) -> None:
    """The accuracy over single clips, beside that of the videos they are cut from. It has a chain of its own."""
    clip = cell["reproduced"]["clip"]
    seeds = "; ".join(
        f"seed {seed}: {entry['printed']} ({entry['correct']} of {entry['total']} clips)"
        for seed, entry in clip["seeds"].items()
    )
    verdict = f"none: the published value is compared with the accuracy on videos ({cell['circumstances']})"
    binder.add(
        Number(
            id=f"{identity}/clip",
            printed=clip["printed"],
            title=f"{title}: over single clips",
            trace=trace,
            sources=tuple(clip["trace"]),
            facts=(("Each seed", seeds), ("Verdict", verdict)),
        )
    )


def _bind_equivariance(binder: Binder, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Register relative error and agreement of every run and transform, each run once."""
    entries = []
    done: set[tuple[str, str]] = set()
    # Table 3's runs appear again, with their augmented and group counterparts, in Table 4: the longer table shows them.
    for table in sorted(tables, key=lambda t: -len(t["runs"])):
        for index, entry in enumerate(table["equivariance"]):
            if (entry["run"], entry["transform"]) in done:
                continue
            done.add((entry["run"], entry["transform"]))
            base = f"{table['document']}/{table['table']}/{entry['row']}/{entry['column']}"
            shown = {}
            for quantity, words in QUANTITIES.items():
                identity = f"{base}/{words.replace(' ', '-')}"
                trace = {
                    "artifact": table["artifact"],
                    "pointer": f"/equivariance/{index}/{quantity}/value",
                    "sha256": table["sha256"],
                }
                binder.add(
                    Number(
                        id=identity,
                        printed=entry[quantity]["printed"],
                        title=f"{table['document']}, {entry['row']}, {_heading(entry)}: {words}",
                        trace=trace,
                        sources=tuple(entry[quantity]["trace"]),
                    )
                )
                shown[quantity] = {
                    "id": identity,
                    "value": entry[quantity]["value"],
                    "printed": entry[quantity]["printed"],
                    "trace": trace,
                    "sources": entry[quantity]["trace"],
                }
            entries.append(
                {
                    "document": table["document"],
                    "table": table["table"],
                    "row": entry["row"],
                    "column": entry["column"],
                    "run": entry["run"],
                    "transform": entry["transform"],
                    **shown,
                }
            )
    return sorted(entries, key=lambda e: (e["document"], e["table"]))


def _heading(entry: Mapping[str, Any]) -> str:
    """The column of an entry on equivariance, its transform named."""
    column, transform = str(entry["column"]), str(entry["transform"])
    return column if transform in column else f"{column} {transform}"


def _bind_search(binder: Binder, table: dict[str, Any]) -> None:
    """Register the counts of the search over open choices, and how many of its settings explain the print."""
    if not table["search"]:
        return
    prefix = f"{table['document']}/{table['table']}/search"
    where = {"artifact": table["artifact"], "pointer": "/search/settings", "sha256": table["sha256"]}
    settings_ = table["search"]["settings"]
    source = (table["search"]["trace"],)
    title = f"{table['document']}, {table_words(table['table'])}: combinations of the open choices"
    binder.add(Number(f"{prefix}/all", str(len(settings_)), title, where, source, rule="count"))
    fitting = sum(setting["explains"] for setting in settings_)
    title = f"{table['document']}, {table_words(table['table'])}: combinations that give every printed count"
    binder.add(Number(f"{prefix}/explaining", str(fitting), title, where, source, rule="count"))
    for index, setting in enumerate(settings_):
        for net, by_classes in setting["thousands"].items():
            for classes, thousands in by_classes.items():
                binder.add(
                    Number(
                        id=f"{prefix}/{index}/{net}/{classes}",
                        printed=f"{thousands}K",
                        title=(
                            f"{table['document']}, {table_words(table['table'])}: parameters of {net} with "
                            f"{classes} classes, bias {_yes(setting['bias'])}, batch norm {_yes(setting['batch_norm'])}"
                        ),
                        trace={
                            "artifact": table["artifact"],
                            "pointer": f"/search/settings/{index}/thousands/{net}/{classes}",
                            "sha256": table["sha256"],
                        },
                        sources=(setting["trace"],),
                    )
                )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _summary(binder: Binder, cells: list[dict[str, Any]], judged: list[dict[str, Any]]) -> dict[str, Any]:
    """How often each verdict was given, registered as numbers that name the cells they count."""
    verdicts = count([cell["verdict"] for cell in cells])
    for verdict in verdicts:
        of = tuple(cell["id"] for cell in cells if cell["verdict"] == verdict)
        binder.add(Number(f"count/{verdict}", str(len(of)), f"Cells with the verdict {verdict}", rule="count", of=of))
    derived = [cell for cell in cells if cell["origin"] == "derived"]
    for verdict in ("exact", "not exact") if derived else ():
        of = tuple(cell["id"] for cell in derived if cell["verdict"] == verdict)
        title = f"Cells derived from published values with the verdict {verdict}"
        binder.add(Number(f"count/derived/{verdict}", str(len(of)), title, rule="count", of=of))
    every = tuple(cell["id"] for cell in cells)
    binder.add(Number("count/cells", str(len(every)), "All cells", rule="count", of=every))
    for kind, (title, of) in _pairings(cells).items():
        binder.add(Number(f"count/pairings/{kind}", str(len(of)), title, rule="count", of=of))
    kinds = _kinds(binder, cells)
    claims_ = claims_page.bind_counts(binder, judged)
    return {"cells": len(cells), "verdicts": verdicts, "kinds": kinds, **claims_}


def _kinds(binder: Binder, cells: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each verdict was given, by kind of cell; how many cells are of a kind and are exact are numbers."""
    found: dict[str, dict[str, int]] = {}
    for kind in KINDS:
        of_kind = [cell for cell in cells if cell["kind"] == kind]
        every = tuple(cell["id"] for cell in of_kind)
        binder.add(Number(f"count/kind/{kind}", str(len(every)), f"Cells that are {kind}", rule="count", of=every))
        equal = tuple(cell["id"] for cell in of_kind if cell["verdict"] in EQUAL)
        if equal:
            title = f"Cells that are {kind} with the verdict {' or '.join(EQUAL)}"
            binder.add(Number(f"count/kind/{kind}/exact", str(len(equal)), title, rule="count", of=equal))
        verdicts = count([cell["verdict"] for cell in of_kind])
        found[kind] = {verdict: times for verdict, times in verdicts.items() if times}
    return found


def _pairings(cells: list[dict[str, Any]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By what each cell has, a value of the document and one from here: what is counted, and the cells."""
    has: dict[tuple[bool, bool], list[str]] = {}
    for cell in cells:
        place = cell["published"]["printed"] is not None, cell["reproduced"] is not None
        has.setdefault(place, []).append(cell["id"])
    titles = {
        "beside": ("Cells with a published value and one from here", (True, True)),
        "published": ("Cells with a published value alone", (True, False)),
        "here": ("Cells with a value from here alone", (False, True)),
        "neither": ("Cells without a value", (False, False)),
    }
    return {kind: (title, tuple(has.get(place, ()))) for kind, (title, place) in titles.items()}


def _dataset(
    binder: Binder,
    key: str,
    spec: ReportSpec,
    inputs: Mapping[str, Path],
    artifacts: Mapping[str, Any],
    shown: str | None,
) -> dict[str, Any]:
    """What the report says of a dataset as its kind describes it, with one test clip, of the class `shown`.

    Under "strips" are frames of it under each transform, under "template" and "macro" what words its caption.
    """
    trained = DATASETS.get(read_json(inputs[f"data/{key}"] / SPEC)["kind"]).trained
    if trained is None:
        raise CheckFailed(f"data/{key}: a pool, of which the report shows nothing; run it again")
    described: dict[str, Any] = load(trained.shown.describe)(binder, key, spec, inputs, artifacts, shown)
    described["strips"] = figures.strips(described.pop("pixels"))
    described["template"], _, described["macro"] = trained.shown.caption.partition(":")
    return described


def _drawn(binder: Binder, key: str, spec: ReportSpec, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The pictures of one measurement as its kind describes them, with each picture's own bytes under "uri"."""
    kind = MEASUREMENTS.get(read_json(inputs[f"measure/{key}"] / SPEC)["measurement"]["kind"])
    if kind.draws is None:
        raise CheckFailed(f"measure/{key}: nothing that draws; run it again")
    described: dict[str, Any] = load(kind.draws.describe)(binder, key, spec, inputs)
    return described


def _without_bytes(described: Mapping[str, Any]) -> dict[str, Any]:
    """What `_drawn` gives, for report.json."""
    figures_ = [
        {**figure, "pictures": [{k: v for k, v in picture.items() if k != "uri"} for picture in figure["pictures"]]}
        for figure in described["figures"]
    ]
    return {**described, "figures": figures_}


# --- views for the templates ---


def _table_view(
    table: dict[str, Any], document: published.Document, binder: Binder, cells: list[dict[str, Any]]
) -> dict[str, Any]:
    """A table with its printed heading, and its cells by row and column."""
    print_ = document.tables[table["table"]]
    of_table = {
        (cell["row"], cell["column"]): cell
        for cell in cells
        if (cell["document"], cell["table"]) == (table["document"], table["table"])
    }
    groups: list[dict[str, Any]] = []
    for column in print_.columns:
        if groups and column.group is not None and groups[-1]["label"] == column.group:
            groups[-1]["span"] += 1
        else:
            groups.append({"label": column.group, "span": 1})
    kind = TABLES.get(table["kind"])
    chart = None if kind.chart is None else load(kind.chart)(table, print_, of_table, binder)
    template, _, macro = kind.macro.partition(":")
    return {
        **table,
        "replaced": replaced(table["stand_in"] or ""),
        "measured": any(cell["origin"] == "measured" for cell in table["cells"]),
        "common": _common(table["cells"]),
        "folded": all(cell["reproduced"] is None for cell in table["cells"]),
        "found": any(cell["origin"] != "published" for cell in table["cells"]),
        "print": print_,
        "groups": groups,
        "compact": COMPACT,
        "by_place": of_table,
        "headings": print_.headings or HEADINGS,
        "types": _shown_types(print_),
        "chart": chart,
        "template": template,
        "macro": macro,
        "said": kind.note,
        "notes": _notes(table["cells"]),
        "texts": {(c.row, c.column): c for c in print_.cells if c.in_unit.compare is None},
    }


def _common(cells: list[dict[str, Any]]) -> str | None:
    """The verdict of all cells with both values, where they have one verdict: it is said once."""
    verdicts = {cell["verdict"] for cell in cells if cell["reproduced"] is not None} - {"not given"}
    return verdicts.pop() if len(verdicts) == 1 else None


def _notes(cells: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The notes on what the document prints, each with the cells that it is about."""
    notes: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        if cell["published"]["note"]:
            notes.setdefault(cell["published"]["note"], []).append(cell)
    return notes


def _shown_types(print_: published.Table) -> dict[str, bool]:
    """Whether each row prints its type: under headings of its own always, else where the row before has another."""
    before = (None, *print_.rows)
    return {
        row.key: print_.headings is not None or above is None or row.type != above.type
        for above, row in zip(before, print_.rows, strict=False)
    }


def _equivariance_view(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One block per table: its columns with their headings, and per row the two quantities of each column."""
    views: list[dict[str, Any]] = []
    for entry in entries:
        place = (entry["document"], entry["table"])
        if not views or views[-1]["place"] != place:
            views.append({"place": place, "table": entry["table"], "columns": {}, "rows": {}})
        views[-1]["columns"][entry["column"]] = _heading(entry)
        views[-1]["rows"].setdefault(entry["row"], {})[entry["column"]] = entry
    return views


def _panels(spec: ReportSpec, inputs: Mapping[str, Path], binder: Binder) -> list[dict[str, Any]]:
    """Learning curves by dataset and architecture, of each a small panel per run with a line per seed."""
    panels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name, run in sorted(spec.runs.items()):
        keys = [f"train/{name}-s{seed}" for seed in spec.seeds]
        model = read_json(inputs[keys[0]] / SPEC)["model"]
        style = 2 if model.get("group", "z3") != "z3" else 1 if run.augment else 0
        curves = [
            figures.Curve(
                f"{name}, seed {seed}",
                style,
                tuple((int(e["epoch"]), float(e["validation_top1"])) for e in read_history(inputs[key] / HISTORY)),
            )
            for seed, key in zip(spec.seeds, keys, strict=True)
        ]
        drawn = binder.figure(f"curves/{name}", [f"results/{spec.scale}/{key}/{HISTORY}" for key in keys])
        svg = figures.learning_curves(f"Validation top-1 accuracy of {name} by epoch", curves, drawn)
        panel = {"style": style, "name": name, "svg": svg, "of": keys}
        panels.setdefault((run.dataset, model["architecture"]), []).append(panel)
    titles = {place[1]: ARCHITECTURES.get(place[1]).title for place in panels}
    return [
        {
            "title": f"{place[0]}, {titles[place[1]]}",
            "runs": sorted(found, key=lambda panel: panel["style"]),
        }
        for place, found in sorted(panels.items(), key=lambda item: (spec.datasets.index(item[0][0]), item[0][1]))
    ]
