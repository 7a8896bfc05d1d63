"""What lies in an artifact's folder without being part of it, and what a manifest says beside what its task leaves."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltrace.artifacts.json_values import canonical_json, read_json
from reeltrace.artifacts.names import MANIFEST, PROTOCOL_FILES
from reeltrace.attest.names import ATTESTED
from reeltrace.errors import Problem
from reeltrace.verify.problems import TAMPERED

TEMPORARY = re.compile(r"\..+\.\d+\.tmp")  # of a file that was being written when its process was killed
OF_A_FILE = {"sha256", "bytes"}
FIELDS = {"schema", "stage", "key", "spec", "code", "inputs", "outputs"}
BESIDE = {"logs", "code", ATTESTED}  # what lies beside the stages
NOT_NAMED = "no experiment names it and nothing reads it; name it again, or remove it: rm -r {}"


@dataclass(frozen=True)
class Planned:
    """What the task of an artifact reads and leaves: inputs as "stage/key", outputs a folder with a slash at its end.

    `texts` has the sha256 of each text that it reads now, by path.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    texts: Mapping[str, str] = field(default_factory=dict)


def strangers(folder: Path) -> list[Problem]:
    """Files that no manifest records, and links in the place of files, anywhere in an artifact's folder."""
    outputs = read_json(folder / MANIFEST)["outputs"]
    known = {*PROTOCOL_FILES, *(name.rstrip("/") for name in outputs)}
    problems = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            problems.append(link(path))
        elif path.name not in known and not (TEMPORARY.fullmatch(path.name) and path.is_file()):
            problems.append(Problem(TAMPERED, str(path), f"is not in the {MANIFEST} beside it"))
        elif path.is_dir() and f"{path.name}/" in outputs:
            problems += _strangers_in(path)
    return problems


def _strangers_in(tree: Path) -> Iterator[Problem]:
    """Of a folder that is one output only names count: the hash covers all but dot files, and what links lead to."""
    for inside, folders, names in os.walk(tree):
        for name in sorted((*folders, *names)):
            path = Path(inside, name)
            if path.is_symlink():
                yield link(path)
            elif name.startswith("."):
                yield Problem(
                    TAMPERED, str(path), f"a hidden {'folder' if path.is_dir() else 'file'}, which no hash covers"
                )
        folders[:] = [name for name in folders if not name.startswith(".")]


def link(path: Path) -> Problem:
    """That a link lies where it should not."""
    return Problem(TAMPERED, str(path), f"a link to {path.readlink()}, where a file or folder of its own belongs")


def linked(folders: Iterable[Path]) -> list[Problem]:
    """Links in the place of artifacts' folders, and of the folders of their stages; each once."""
    paths = dict.fromkeys(path for folder in folders for path in (folder.parent, folder))
    return [link(path) for path in paths if path.is_symlink()]


def misfits(folder: Path, planned: Planned) -> list[Problem]:
    """Where the manifest of a current artifact is not the one that its task would write for these files."""
    path = folder / MANIFEST
    manifest: Any = read_json(path)
    problems = []
    sets: list[tuple[str, Any, set[str]]] = [
        ("its fields", manifest, FIELDS),
        ("its spec", manifest["spec"], {"sha256"}),
        ("its code", {**manifest["code"], "texts": None}, {"sha256", "texts"}),
        ("its inputs", manifest["inputs"], set(planned.inputs)),
        ("its outputs", manifest["outputs"], set(planned.outputs)),
        *((f"what it says of {name}", entry, OF_A_FILE) for name, entry in manifest["inputs"].items()),
        *(
            (f"what it says of {name}", entry, {*OF_A_FILE, "files"} if name.endswith("/") else OF_A_FILE)
            for name, entry in manifest["outputs"].items()
        ),
    ]
    for what, found, expected in sets:
        verbs = ("have", "lack") if what in ("its fields", "its inputs", "its outputs") else ("has", "lacks")
        for verb, names in zip(verbs, (found.keys() - expected, expected - found.keys()), strict=True):
            if names:
                problems.append(Problem(TAMPERED, str(path), f"{what} {verb} {', '.join(sorted(names))}"))
    texts = manifest["code"].get("texts", {})
    if wrong := sorted(name for name in {**texts, **planned.texts} if texts.get(name) != planned.texts.get(name)):
        problems.append(Problem(TAMPERED, str(path), f"what it says of {', '.join(wrong[:3])} is not so"))
    if not problems and path.read_bytes() != canonical_json(manifest).encode():
        problems.append(Problem(TAMPERED, str(path), "is not written as a manifest is; it was edited"))
    return problems


def leftovers(results: Path, folders: Mapping[str, Path], planned: Mapping[str, Planned], stale: str) -> list[Problem]:
    """Artifacts that no task names; what lies between or beside them and is none, nor the spec of one to be made."""
    problems = [
        Problem(stale, str(folder), NOT_NAMED.format(folder)) for name, folder in folders.items() if name not in planned
    ]
    stages = sorted({name.partition("/")[0] for name in (*planned, *folders)})
    problems += [
        Problem(stale, str(path), f"is no stage: {NOT_NAMED.format(path)}") for path in _beside(results, stages)
    ]
    for stage in stages:
        if not (results / stage).is_dir():
            continue
        for path in sorted((results / stage).iterdir()):
            name = f"{stage}/{path.name}"
            if path.name.startswith(".") or name in planned or name in folders:
                continue
            if not path.is_dir() or path.is_symlink() or any(other.name != "spec.json" for other in path.iterdir()):
                problems.append(Problem(stale, str(path), f"is no artifact: {NOT_NAMED.format(path)}"))
    return problems


def _beside(results: Path, stages: Collection[str]) -> Iterator[Path]:
    """What lies beside the folders of `stages` and is not of ours; a folder without anything visible is let be."""
    for path in sorted(results.iterdir()):
        if path.name.startswith(".") or path.name in BESIDE or (path.name in stages and path.is_dir()):
            continue
        if path.is_symlink() or not path.is_dir() or not all(map(_of_a_stage, path.iterdir())):
            yield path


def _of_a_stage(path: Path) -> bool:
    """Whether a stage that nothing needs any more left this: a spec alone, or an artifact, which is named by itself."""
    if path.name.startswith("."):
        return True
    if path.is_symlink() or not path.is_dir():
        return False
    return (path / MANIFEST).is_file() or {other.name for other in path.iterdir()} == {"spec.json"}
