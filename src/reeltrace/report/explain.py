"""The chain of one number for the terminal, with what the receipts say: time, machine, versions, commit."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import CELLS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.words import span
from reeltrace.report.chains import artifact_name, derivation_words, describe, processor_words


def explain(
    root: Path,
    cell_id: str,
    scale: str,
    not_current: Mapping[str, str] | None = None,
    not_made: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The chain of a cell such as `basu2021/3/Z3CNN/original`: cell, value, artifacts, commands, code, data, machine.

    `not_current` says of artifacts "stage/key" that are not what would be made today why not, `not_made` of tables
    "document/table" that are not there how far they are.
    Raises `UserError` for an unknown cell, with the nearest names, or one whose table is not there at this scale;
    `CheckFailed` when a file of the chain is not what a stage writes today.
    """
    with _edited(root / "results" / scale):
        return _explain(root, cell_id, scale, not_current or {}, not_made or {})


@contextlib.contextmanager
def _edited(results: Path) -> Iterator[None]:
    """A field that no stage of today writes: say so in one line, and leave naming the file to `verify`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckFailed(
            f"{results}: a file behind this cell is stale or was edited ({type(error).__name__}: {error}); "
            "`reeltrace verify` names it"
        ) from None


def _explain(
    root: Path, cell_id: str, scale: str, not_current: Mapping[str, str], not_made: Mapping[str, str]
) -> dict[str, Any]:
    results = root / "results" / scale
    known: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for path in sorted(results.glob(f"aggregate/*/{CELLS}")):
        if path.parent.name.startswith("."):
            continue
        table = read_json(path)
        for index, cell in enumerate(table["cells"]):
            known[f"{table['document']}/{table['table']}/{cell['row']}/{cell['column']}"] = (path, index, cell)
    said = next((how_far for table, how_far in not_made.items() if cell_id.startswith(f"{table}/")), None)
    if cell_id not in known and said is not None:
        raise UserError(said)
    if not known:
        raise UserError(f"{results / 'aggregate'}: no tables yet; run `snakemake --cores all` first")
    if cell_id not in known:
        near = difflib.get_close_matches(cell_id, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(repr(name) for name in near)}?" if near else "see report.json for all cells"
        raise UserError(f"no cell is named {cell_id!r} (document/table/row/column) at scale {scale}; {hint}")
    path, index, cell = known[cell_id]
    aggregate = f"aggregate/{path.parent.name}"
    names = list(dict.fromkeys([aggregate, *(artifact_name(t["artifact"]) for t in cell["trace"])]))
    for name in names:  # grows while it is read: the inputs of runs, the inputs of their data
        if name != aggregate:
            manifest = results / name / MANIFEST
            inputs = read_json(manifest)["inputs"] if manifest.is_file() else {}
            names += [other for other in inputs if other not in names]
    return {
        "cell": cell_id,
        "scale": scale,
        "unit": cell["unit"],
        "origin": cell["origin"],
        "published": cell["published"],
        "reproduced": cell["reproduced"],
        "derivation": cell["derivation"],
        "verdict": cell["verdict"],
        "reason": cell["reason"],
        "circumstances": cell["circumstances"],
        "trace": {
            "artifact": f"results/{scale}/{aggregate}/{CELLS}",
            "pointer": f"/cells/{index}/reproduced/value",
            "sha256": sha256_file(path),
        },
        "sources": cell["trace"],
        "stale": _stale(aggregate, names, scale, not_current),
        "artifacts": [_artifact(name, results / name, scale) for name in names],
    }


def _stale(aggregate: str, names: list[str], scale: str, not_current: Mapping[str, str]) -> dict[str, str] | None:
    """Where the chain parts from what would be made today, furthest from the cell, and what makes all of it again."""
    parted = next((name for name in reversed(names) if name in not_current), None)
    if parted is None:
        return None
    remedy = f"snakemake --cores all results/{scale}/{aggregate}/{MANIFEST}"
    return {"artifact": parted, "why": not_current[parted], "command": remedy}


def _artifact(name: str, folder: Path, scale: str) -> dict[str, Any]:
    """An artifact with its receipt; an artifact that is not here (bulk data not pulled) with only its name."""
    try:
        found = describe(name, folder, scale)
    except CheckFailed as error:
        return {"name": name, "missing": str(error)}
    receipt = folder / RECEIPT
    return {**found, "receipt_path": found["receipt"], "receipt": read_json(receipt) if receipt.is_file() else None}


def format_explanation(chain: dict[str, Any]) -> str:
    """The chain as text, one link below the other. Raises `CheckFailed` when a receipt is not what a stage writes."""
    with _edited(Path("results") / str(chain["scale"])):
        return _format(chain)


def _format(chain: dict[str, Any]) -> str:
    print_, ours, stale = chain["published"], chain["reproduced"], chain["stale"]
    lines = [chain["cell"]]

    def add(label: str, text: object) -> None:
        lines.append(f"  {label:<14}{text}")

    if stale:
        add("stale", f"{stale['artifact']}: {stale['why']}; make all of it again: {stale['command']}")
    if ours is None:
        add("here", "not run")
    else:
        interval = ours.get("interval_printed")
        add("here", ours["printed"] + (f"  [{interval[0]}, {interval[1]}]" if interval else ""))
        if "range_printed" in ours:
            add("range", span(*ours["range_printed"]))
        if chain["derivation"]:
            add("derived", derivation_words(chain["derivation"]))
        for seed, entry in ours.get("seeds", {}).items():
            judged = f" {ours['of']}" if "of" in ours else " videos" if "clip" in ours else ""
            epochs = entry["epoch"] if isinstance(entry["epoch"], list) else [entry["epoch"]]
            words = f"{entry['correct']} of {entry['total']}{judged} right, epoch {', '.join(map(str, epochs))}"
            add(f"seed {seed}", f"{entry['printed']}  {words}")
        if "ratio" in ours:
            theirs = ours["ratio"]["published"]
            add(
                "ratio",
                f"{ours['ratio']['printed']} to {ours['ratio']['to']}"
                + (f", published {theirs['printed']}" if theirs else ""),
            )
        if "last" in ours:
            add("last epoch", ours["last"]["printed"])
        if "clip" in ours:
            counted = (f"{e['correct']} of {e['total']}" for e in ours["clip"]["seeds"].values())
            add("over clips", f"{ours['clip']['printed']}  {', '.join(counted)}")
    add("published", f"{print_['printed']}  {print_['place']}" if print_["printed"] else f"none: {print_['reason']}")
    if print_["note"]:
        add("note", print_["note"])
    add("verdict", f"{chain['verdict']} ({chain['circumstances']}): {chain['reason']}")
    traces = [("cell", chain["trace"]), *(("source", source) for source in chain["sources"])]
    traces += [("over clips", source) for source in (ours or {}).get("clip", {}).get("trace", ())]
    for label, trace in traces:
        add(label, f"{trace['artifact']} {trace['pointer']}")
        add("", f"sha256 {trace['sha256']}")
    for artifact in chain["artifacts"]:
        lines += ["", artifact["name"]]
        if "missing" in artifact:
            add("missing", artifact["missing"])
            continue
        for label, text in artifact["settings"].items():
            add(label, text)
        add("command", artifact["command"])
        add("", artifact["workflow"])
        add("", f"dvc repro {artifact['name'].replace('/', '-')}")
        add("folder", artifact["path"])
        for label in ("manifest", "spec", "code"):
            add(label, f"sha256 {artifact[f'{label}_sha256']}")
        for name, sha256 in artifact["inputs"].items():
            add("input", f"{name} sha256 {sha256}")
        _add_receipt(add, artifact["receipt"])
    return "\n".join(lines)


def _add_receipt(add: Any, receipt: dict[str, Any] | None) -> None:
    if receipt is None:
        add("receipt", "missing")
        return
    host, git = receipt.get("host") or {}, receipt.get("git") or {}
    if receipt.get("started"):
        add("started", f"{receipt['started']}, {receipt.get('duration_s')} s")
    machine = [host.get(key) for key in ("name", "processor", "platform")]
    add("machine", ", ".join(str(part) for part in machine if part) or "unknown")
    if host.get("features"):
        add("processor", processor_words(host))
    if git.get("why"):
        add("commit", f"unknown: {git['why']}")
    elif git:
        add("commit", f"{git.get('commit')}{' with local changes' if git.get('dirty') else ''}")
    packages = receipt.get("packages") or {}
    if packages:
        add("packages", ", ".join(f"{name} {version}" for name, version in sorted(packages.items())))
