"""Attesting the report of a plan: which artifacts there are, what surrounds them, and when it is done unasked."""

import base64
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import reeltrace
from reeltrace.artifacts.files import in_one_line, sha256_file
from reeltrace.artifacts.formats import ABOUT
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, RECEIPT, SPEC
from reeltrace.artifacts.root_hash import root_of
from reeltrace.attest.attest import Attested, attest, is_attested, look
from reeltrace.attest.keys import signer
from reeltrace.attest.statement import REPORT, Around
from reeltrace.errors import CheckFailed
from reeltrace.machine import circumstances, pauses
from reeltrace.pipeline.graph import PACKAGE, RESULTS, TEMPLATES, Graph
from reeltrace.pipeline.standings import DVC_YAML, Standing, standings

PINS = PACKAGE / "data" / "declared.yaml"
TREES = (PACKAGE, DOCUMENTS, TEMPLATES, Path("workflow"))
LOCK = Path("requirements.lock")
PROJECT_FILES = (Path("params.yaml"), Path("Snakefile"), DVC_YAML, LOCK, Path("environment.yml"))
PROJECT = "project/"  # before the names of the project's files and trees in a statement

Say = Callable[[str], None]


def attest_report(graph: Graph[Any], key: Path | None = None, *, new_key: bool = False, say: Say = print) -> Attested:
    """Sign a statement of the report, with the key at `key` or the user's own.

    Raises `CheckFailed` where the report is not current, or not what its manifest says.
    """
    standing = standings(graph)[REPORT]
    if standing.state != "current":
        raise CheckFailed(f"{graph[REPORT].folder}: {standing.reason}; make it first: snakemake --cores all")
    made = look(graph.root, graph.scale, _folders(graph))
    around = surroundings(graph, made.folders)
    with_key = signer(key, new=new_key)
    if with_key.made:
        say(f"a key that signs your reports was made: {with_key.path} (id {with_key.id}); keep it to yourself")
    return attest(made, around, with_key, graph.root / RESULTS / graph.scale)


def attest_finished(graph: Graph[Any], say: Say, found: Mapping[str, Standing] | None = None) -> None:
    """After work that ended well: attest its report, where there is a current one that is not attested as it is.

    Nothing that goes wrong here makes the work a failure: it is said in one line, and the next call tries again.
    """
    try:
        with pauses.finishing():
            if (found or standings(graph))[REPORT].state != "current":
                return
            if not is_attested(graph.root / RESULTS / graph.scale, _folders(graph)):
                attest_report(graph, say=say)
    except Exception as error:
        say(f"made, but not attested: {in_one_line(error)} (`reeltrace attest` tries again)")


def surroundings(graph: Graph[Any], folders: Mapping[str, Path]) -> Around:
    """What the report was made in: the project's files, texts and commit, the sources of its data, this machine."""
    manifest = read_json(folders[REPORT] / MANIFEST)
    texts = manifest["code"].get("texts") or {}
    return Around(
        project=project_digests(graph.root),
        texts={**_document_texts(graph.root), **{str(name): str(sha256) for name, sha256 in texts.items()}},
        pins=tuple(_pins(graph.root, folders)),
        git=circumstances.git(graph.root),
        host=circumstances.host(),
        versions={
            "reeltrace": reeltrace.__version__,
            "python": platform.python_version(),
            **circumstances.packages(),
        },
    )


def project_digests(root: Path) -> dict[str, str]:
    """By name, the sha256 of the project's files, and of its trees that of a text of "path sha256" lines."""
    found = {f"{PROJECT}{path}": sha256_file(root / path) for path in PROJECT_FILES if (root / path).is_file()}
    for tree in TREES:
        paths = (path for path in (root / tree).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        hashes = {path.relative_to(root / tree).as_posix(): sha256_file(path) for path in paths}
        if hashes:
            found[f"{PROJECT}{tree.as_posix()}/"] = root_of(hashes)
    return found


def _document_texts(root: Path) -> dict[str, str]:
    """The sha256 of each document's own text, as its spans.json has it: what its printed values were found in."""
    found = (read_json(path)["text"] for path in sorted((root / DOCUMENTS).glob("*/spans.json")))
    return {f"text/{text['name']}": str(text["sha256"]) for text in found}


def _folders(graph: Graph[Any]) -> dict[str, Path]:
    return {task.name: graph.root / task.folder for task in graph}


def _pins(root: Path, folders: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """The sources from outside that artifacts speak of: by a hash, an address, the citation, or as their weights."""
    path = root / PINS
    entries = yaml.safe_load(path.read_bytes()) if path.is_file() else {}
    said = [
        found
        for artifact, folder in folders.items()
        if artifact.startswith(("data/", "pretrain/", "measure/"))
        for file in (SPEC, ABOUT, RECEIPT)
        if (folder / file).is_file()
        for found in _texts(read_json(folder / file))
    ]
    texts, weights = {text for _, text in said}, {text for name, text in said if name == "weights"}
    for key, entry in entries.items():
        hashes = [str(entry[name]) for name in ("sha256", "integrity") if name in entry]
        if key not in weights and texts.isdisjoint({entry.get("citation"), *hashes, *entry.get("urls", ())}):
            continue
        address = next(iter(entry.get("urls", ())), f"pkg:npm/{entry.get('npm')}@{entry.get('version')}")
        digest = {"sha256": entry["sha256"]} if "sha256" in entry else _of_npm(hashes[0])
        yield {"name": f"source/{key}", "uri": address, "digest": digest}


def _of_npm(integrity: str) -> dict[str, str]:
    """npm's own field, an algorithm and a hash in base64, as in-toto has it."""
    algorithm, _, value = integrity.partition("-")
    return {algorithm: base64.b64decode(value).hex()}


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, with the name of the field that it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for field, part in value.items():
            yield from _texts(part, field)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, name)
