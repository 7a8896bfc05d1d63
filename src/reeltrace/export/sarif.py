"""SARIF 2.1.0 of what a reviewer should look at, so that code hosts and editors list it beside the lines it is about.

Findings of the audit, cells that differ from the print although nothing there is random or the protocol is the
document's, and claims that the document's own numbers contradict. A finding is no accusation: SARIF's levels say how
much a reader should care (`warning`, `note`), and none is an `error`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from reeltrace.artifacts.names import DOCUMENTS

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
PUBLISHED, CLAIMS, PROSE = "published.yaml", "claims.yaml", "prose.yaml"
LEVELS = {"decision": "warning", "rounding": "note", "note": "note"}
CELLS = {
    "differs": "The number found here differs from the printed one",
    "not exact": "The count or size found here is not the printed one, though nothing in it is random",
}
Place = tuple[str, str, str]  # table, row, column
Found = tuple[dict[str, Any], dict[str, Any]]  # a rule, and a result without its name


def sarif(report: Mapping[str, Any], root: Path, version: str) -> str:
    """The log as JSON. `root` is where the documents lie whose lines are named."""
    return _log([*_audit(report, root), *_cells(report, root), *_claims(report, root)], version)


def of_findings(findings: Iterable[Mapping[str, Any]], files: Mapping[str, Path], root: Path, version: str) -> str:
    """The log of an audit alone. `files` are tables of any origin by the names that findings have for them; without
    any, the findings are those of the documents below `root`.
    """
    report = {"audit": list(findings)}
    return _log(list(_of_files(report, files) if files else _audit(report, root)), version)


def _log(found: Sequence[Found], version: str) -> str:
    rules = {rule["id"]: rule for rule, _ in found}
    driver = {"name": "Reeltrace", "version": version, "rules": [rules[name] for name in sorted(rules)]}
    order = {name: index for index, name in enumerate(sorted(rules))}
    results = [{**result, "ruleId": rule["id"], "ruleIndex": order[rule["id"]]} for rule, result in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rule(name: str, words: str, level: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": words}, "defaultConfiguration": {"level": level}}


def _result(level: str, message: str, identity: str, locations: Iterable[dict[str, Any]]) -> dict[str, Any]:
    fingerprint = {"reeltrace/1": identity}
    return {
        "level": level,
        "message": {"text": message},
        "locations": list(locations),
        "partialFingerprints": fingerprint,
    }


def _cells(report: Mapping[str, Any], root: Path) -> Iterable[Found]:
    for cell in report["cells"]:
        verdict = cell["verdict"]
        if verdict not in CELLS:
            continue
        place = (cell["table"], cell["row"], cell["column"])
        rule = _rule(f"cell/{verdict.replace(' ', '-')}", CELLS[verdict], "warning")
        yield (
            rule,
            _result("warning", f"{cell['id']}: {cell['reason']}", cell["id"], _at(cell["document"], place, root)),
        )


def _audit(report: Mapping[str, Any], root: Path) -> Iterator[Found]:
    for finding in report.get("audit", ()):
        where = [location for source in finding["sources"] for location in _of_source(source, root)]
        yield _found(finding, where or [_file(finding["document"], PUBLISHED, root, 1)])


def _of_files(report: Mapping[str, Any], files: Mapping[str, Path]) -> Iterator[Found]:
    for finding in report["audit"]:
        yield _found(finding, [_in_file(source, files[source["document"]]) for source in finding["sources"]])


def _found(finding: Mapping[str, Any], where: Sequence[dict[str, Any]]) -> Found:
    level = LEVELS.get(finding["severity"], "note")
    rule = _rule(f"audit/{finding['detector']}", finding["detector"].replace("-", " ").capitalize(), level)
    innocent = "".join(f" It may be innocent: {words}." for words in finding.get("innocent", ())[:1])
    message = f"{finding['says']}: {finding['computation']}.{innocent}"
    return rule, _result(level, message, finding["id"], where)


def _in_file(source: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Where in a table of any origin a printed value stands: separated ones say the line, in YAML it is looked up."""
    said = re.fullmatch(r"line (\d+)", source["place"])
    place = (source["table"], source["row"], source["column"])
    line = int(said[1]) if said else _lines_of_cells(path).get(place, 1)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return _location("stdin" if path == Path("-") else uri, line)


def _claims(report: Mapping[str, Any], root: Path) -> Iterable[Found]:
    for claim in report["claims"]:
        if claim["published_verdict"] != "contradicted":
            continue
        rule = _rule("claim/contradicted", "The document's own numbers contradict what it says of them", "warning")
        lines = _lines_of_list(root / DOCUMENTS / claim["document"] / CLAIMS, "claims")
        location = _file(claim["document"], CLAIMS, root, lines.get(claim["id"], 1))
        yield rule, _result("warning", f"{claim['title']}: {claim['says']} ({claim['place']})", claim["id"], [location])


# --- lines ---


def _at(document: str, place: Place, root: Path) -> list[dict[str, Any]]:
    lines = _lines_of_cells(root / DOCUMENTS / document / PUBLISHED)
    return [_file(document, PUBLISHED, root, lines.get(place, 1))]


def _of_source(source: Mapping[str, Any], root: Path) -> list[dict[str, Any]]:
    """Where a printed value that a finding rests on is transcribed."""
    if not source.get("prose"):
        return _at(source["document"], (source["table"], source["row"], source["column"]), root)
    lines = _lines_of_list(root / DOCUMENTS / source["document"] / PROSE, "values")
    return [_file(source["document"], PROSE, root, lines.get(source["prose"], 1))]


def _file(document: str, file: str, root: Path, line: int) -> dict[str, Any]:
    return _location((DOCUMENTS / document / file).as_posix(), line)


def _location(uri: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}


@cache
def _lines_of_cells(path: Path) -> dict[Place, int]:
    """In which line each cell of a transcription stands."""
    found: dict[Place, int] = {}
    for table, node in _mapping(_tree(path).get("tables")).items():
        for cell in getattr(_mapping(node).get("cells"), "value", ()):
            fields = _mapping(cell)
            if {"row", "column"} <= fields.keys():
                found[table, fields["row"].value, fields["column"].value] = cell.start_mark.line + 1
    return found


@cache
def _lines_of_list(path: Path, name: str) -> dict[str, int]:
    """In which line each entry of a list of entries with an id begins."""
    entries = getattr(_tree(path).get(name), "value", ())
    return {_mapping(e)["id"].value: e.start_mark.line + 1 for e in entries if "id" in _mapping(e)}


def _tree(path: Path) -> dict[str, yaml.Node]:
    if not path.is_file():
        return {}
    return _mapping(yaml.compose(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _mapping(node: yaml.Node | None) -> dict[str, Any]:
    """The entries of a mapping node by key; of another node none."""
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
