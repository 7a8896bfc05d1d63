"""Every kind of damage: what is done to finished results, at a random place, and where `verify` must then point."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import CELLS, HTML, JSON, METRICS, PREDICTIONS
from reeltrace.artifacts.json_values import canonical_json, read_json, sha256_json
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, PROTOCOL_FILES, RECEIPT, SPEC
from reeltrace.attest.names import ATTESTED, FILES, LOG
from reeltrace.corruption.bench import Bench
from reeltrace.corruption.forging import following, forge, perfect, rehash
from reeltrace.pipeline.attesting import attest_report
from reeltrace.pipeline.plan import Plan, Task

DIGIT = re.compile(rb"(?<=[ .\d:])\d(?=[\d.,\s])")
OWN_KEY, OTHER_KEY = Path("keys/own.key"), Path("keys/another.key")  # below the copy's root
TEXTS = (".json", ".jsonl", ".csv", ".html")


@dataclass(frozen=True)
class Damage:
    """What was done, and the places one of which `verify` must name: files, or folders with a slash at their end.

    `keyless` is for a reader who does not know whose key to ask for. `replays` is the artifact that a replay alone
    could show to be wrong, where that is so.
    """

    what: str
    places: tuple[str, ...]
    keyless: bool = False
    replays: str | None = None


class NotHere(Exception):
    """These results have nothing that this kind of damage could be done to."""


@dataclass(frozen=True)
class Scene:
    """Finished results to be damaged: the bench that puts them back, their plan, and what chooses the place."""

    bench: Bench
    plan: Plan
    draw: random.Random

    def made(self, *stages: str) -> list[Task]:
        """The artifacts of some stages, or of all, that are there."""
        tasks = [task for task in self.plan if not stages or task.stage in stages]
        return [task for task in tasks if (task.folder / MANIFEST).is_file()]

    def choose(self, among: Sequence[Any]) -> Any:
        """One of them. Raises `NotHere` where there is none."""
        if not among:
            raise NotHere
        return self.draw.choice(among)

    def output(self, *stages: str) -> Path:
        """A file that an artifact holds beside those of the protocol, also one inside a folder of it."""
        folder = self.choose(self.made(*stages)).folder
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
        return self.choose([path for path in files if path.name not in PROTOCOL_FILES])  # type: ignore[no-any-return]


Kind = Callable[[Scene], Damage]
KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    """Declare a kind of damage under its name in the table."""

    def take(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return take


def places(path: Path) -> tuple[str, ...]:
    """Where damage to a file of an artifact is named: the file, or the entry of its artifact that it lies in."""
    parts = path.parts
    inside = [f"{Path(*parts[:end]).as_posix()}" for end in range(5, len(parts))]
    return (path.as_posix(), *inside)


# --- bytes ---


def _flipped(scene: Scene, content: bytes, suffix: str) -> bytes:
    """One byte changed; in a text a digit into another one, so that it still reads."""
    digits = [found.start() for found in DIGIT.finditer(content)] if suffix in TEXTS else []
    place = scene.choose(digits) if digits else scene.draw.randrange(len(content))
    old = content[place]
    new = scene.choose([d for d in b"0123456789" if d != old]) if digits else old ^ (1 << scene.draw.randrange(8))
    return content[:place] + bytes([new]) + content[place + 1 :]


def _inserted(scene: Scene, content: bytes, suffix: str) -> bytes:
    place = scene.draw.randrange(len(content) + 1)
    new = b" " if suffix in TEXTS else bytes([scene.draw.randrange(256)])
    return content[:place] + new + content[place:]


def _truncated(scene: Scene, content: bytes, suffix: str) -> bytes:
    return content[: scene.draw.randrange(len(content))]


WAYS = {"a byte flipped": _flipped, "a byte inserted": _inserted, "truncated": _truncated}


def _declare_bytes() -> None:
    """Each way of spoiling bytes, in each kind of file."""
    files: dict[str, Callable[[Scene], Path]] = {
        "output of data or frames": lambda scene: scene.output("data", "frames"),
        "output of a training": lambda scene: scene.output("train", "pretrain", "features"),
        "output of a measurement": lambda scene: scene.output("measure", "timing"),
        "cells or curves": lambda scene: scene.output("aggregate"),
        "page": lambda scene: scene.choose(scene.made("report")).folder / HTML,
        "report.json": lambda scene: scene.choose(scene.made("report")).folder / JSON,
        "manifest": lambda scene: scene.choose(scene.made()).folder / MANIFEST,
        "manifest of the report": lambda scene: scene.choose(scene.made("report")).folder / MANIFEST,
        "receipt": lambda scene: scene.choose(scene.made()).folder / RECEIPT,
        "spec": lambda scene: scene.choose(scene.made()).folder / SPEC,
    }
    for way, change in WAYS.items():
        for what, find in files.items():
            KINDS[f"{what}: {way}"] = _spoiling(find, change)


def _spoiling(find: Callable[[Scene], Path], change: Callable[[Scene, bytes, str], bytes]) -> Kind:
    def spoil(scene: Scene) -> Damage:
        path = find(scene)
        if not path.is_file():
            raise NotHere
        before = path.read_bytes()
        after = change(scene, before, path.suffix)
        if after == before:
            raise NotHere
        scene.bench.write(path, after)
        where = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after))
        return Damage(f"{path}, byte {where} of {len(before)}", places(path))

    return spoil


_declare_bytes()


# --- values, the file still well formed ---


@kind("cell: a value edited")
def _cell(scene: Scene) -> Damage:
    task = scene.choose(scene.made("aggregate"))
    path = task.folder / CELLS
    content = read_json(path)
    cells = [cell for cell in content["cells"] if isinstance((cell.get("reproduced") or {}).get("value"), int | float)]
    cell = scene.choose(cells)
    cell["reproduced"]["value"] += 1
    scene.bench.write(path, canonical_json(content).encode())
    return Damage(f"{path}, {cell['row']}/{cell['column']}", places(path))


@kind("cell: a trace led elsewhere")
def _trace(scene: Scene) -> Damage:
    path = scene.choose(scene.made("aggregate")).folder / CELLS
    text = path.read_text(encoding="utf-8")
    found = scene.choose(list(re.finditer(r'"pointer": "([^"]+)"', text)))
    new = scene.choose(["/seconds", f"{found[1]}0", "/best/epoch"])
    scene.bench.write(path, (text[: found.start(1)] + new + text[found.end(1) :]).encode())
    return Damage(f"{path}, {found[1]} to {new}", places(path))


def _in_documents(scene: Scene, name: str, pattern: str, new: Callable[[re.Match[str]], str]) -> Damage:
    path = scene.choose(sorted(DOCUMENTS.glob(f"*/{name}")))
    text = path.read_text(encoding="utf-8")
    found = scene.choose(list(re.finditer(pattern, text)))
    scene.bench.write(path, (text[: found.start()] + new(found) + text[found.end() :]).encode())
    readers = [task.folder.as_posix() for task in scene.plan if path in task.texts]
    return Damage(f"{path}, {found[0]!r}", (path.as_posix(), DOCUMENTS.name, *readers))


def _other_digit(scene: Scene) -> Callable[[re.Match[str]], str]:
    return lambda found: found[0][:-1] + str((int(found[0][-1]) + scene.draw.randrange(1, 10)) % 10)


@kind("published table: a printed digit")
def _published(scene: Scene) -> Damage:
    return _in_documents(scene, "published.yaml", r"\d+\.\d+", _other_digit(scene))


@kind("claims: a digit")
def _claims(scene: Scene) -> Damage:
    return _in_documents(scene, "claims.yaml", r"\d", _other_digit(scene))


@kind("claims: one left out")
def _claim_left_out(scene: Scene) -> Damage:
    path = scene.choose([path for path in sorted(DOCUMENTS.glob("*/claims.yaml")) if _claims_in(path)])
    text = path.read_text(encoding="utf-8")
    entry = scene.choose(_claims_in(path))
    scene.bench.write(path, text.replace(entry, "", 1).encode())
    readers = [task.folder.as_posix() for task in scene.plan if path in task.texts]
    return Damage(f"{path}, {entry.strip().splitlines()[0]}", (path.as_posix(), DOCUMENTS.name, *readers))


def _claims_in(path: Path) -> list[str]:
    return re.findall(r"^ *- id:.*\n(?:(?! *- id:)(?! *$).*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE)


@kind("ledger: a word")
def _ledger(scene: Scene) -> Damage:
    return _in_documents(scene, "assumptions.yaml", r"(?<= )[a-z]{5,}(?= )", lambda found: found[0][::-1] + "x")


@kind("template: a word")
def _template(scene: Scene) -> Damage:
    path = scene.choose(sorted(Path("reports/templates").glob("*.j2")))
    text = path.read_text(encoding="utf-8")
    found = scene.choose(list(re.finditer(r"(?<=>)[A-Z][a-z]+", text)))
    scene.bench.write(path, (text[: found.start()] + "Otherwise" + text[found.end() :]).encode())
    return Damage(f"{path}, {found[0]}", (path.as_posix(), *(t.folder.as_posix() for t in scene.made("report"))))


@kind("source code of a stage")
def _code(scene: Scene) -> Damage:
    task = scene.choose(scene.made("train", "measure", "aggregate", "data"))
    path = scene.choose([path for path in task.sources if path.suffix == ".py"])
    scene.bench.write(path, path.read_bytes() + b"\nALTERED = True\n")
    stages = {each.stage for each in scene.plan if path in each.sources}
    return Damage(f"{path}", tuple(each.folder.as_posix() for each in scene.made(*stages)))


@kind("page: a number")
def _page(scene: Scene) -> Damage:
    path = scene.choose(scene.made("report")).folder / HTML
    text = path.read_text(encoding="utf-8")
    found = scene.choose(list(re.finditer(r"(?<=[>\s])\d+\.\d+(?=[<\s])", text)))
    new = _other_digit(scene)(found)
    scene.bench.write(path, (text[: found.start()] + new + text[found.end() :]).encode())
    return Damage(f"{path}, {found[0]} to {new}", places(path))


@kind("page: data embedded in it")
def _embedded(scene: Scene) -> Damage:
    path = scene.choose(scene.made("report")).folder / HTML
    text = path.read_text(encoding="utf-8")
    blocks = list(re.finditer(r'<script [^>]*id="embedded"[^>]*>(.*?)</script>', text, re.DOTALL))
    block = scene.choose(blocks)
    digits = [block.start(1) + found.start() for found in re.finditer(r"\d", block[1])]
    place = scene.choose(digits)
    scene.bench.write(path, (text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]).encode())
    return Damage(f"{path}, character {place}", places(path))


# --- artifacts ---


@kind("predictions swapped between two runs")
def _swapped(scene: Scene) -> Damage:
    first, second = _two_runs(scene, PREDICTIONS)
    return Damage(_swap(scene, first, second), (*places(first), *places(second)))


@kind("predictions swapped, both manifests hashed again")
def _swapped_and_hashed(scene: Scene) -> Damage:
    first, second = _two_runs(scene, PREDICTIONS)
    damage = _swap(scene, first, second)
    for path in (first, second):
        _hash_again(scene, path.parent)
    names = (f"{path.parent.as_posix()}/" for path in (first, second))
    return Damage(damage, (*names, *_readers(scene, first.parent), *_readers(scene, second.parent)))


def _swap(scene: Scene, first: Path, second: Path) -> str:
    one, other = first.read_bytes(), second.read_bytes()
    if one == other:
        raise NotHere
    scene.bench.write(first, other)
    scene.bench.write(second, one)
    return f"{first} and {second}"


def _two_runs(scene: Scene, file: str) -> tuple[Path, Path]:
    runs = scene.made("train")
    first = scene.choose(runs)
    alike = [each for each in runs if each is not first and each.inputs == first.inputs]
    return first.folder / file, scene.choose(alike).folder / file


def _readers(scene: Scene, folder: Path) -> list[str]:
    """The manifests of what is made from an artifact, which name it when its own manifest changes."""
    name = "/".join(folder.parts[-2:])
    return [task.manifest.as_posix() for task in scene.made() if name in task.inputs]


def _hash_again(scene: Scene, folder: Path) -> None:
    """The manifest of an artifact as its files are now; of what follows none."""
    manifest = rehash(scene.plan, scene.plan["/".join(folder.parts[-2:])], Path())
    scene.bench.write(folder / MANIFEST, canonical_json(manifest).encode())


@kind("output altered and its manifest hashed again")
def _hashed_again(scene: Scene) -> Damage:
    path = scene.output("data", "frames", "pretrain", "features", "train", "measure", "timing", "aggregate")
    scene.bench.write(path, _flipped(scene, path.read_bytes(), path.suffix))
    folder = Path(*path.parts[:4])
    _hash_again(scene, folder)
    return Damage(f"{path}", (*places(path), f"{folder.as_posix()}/", *_readers(scene, folder)))


@kind("artifact of another spec, consistent in itself")
def _other_spec(scene: Scene) -> Damage:
    folder = scene.choose(scene.made("train", "data", "measure", "pretrain")).folder
    spec = read_json(folder / SPEC)
    numbers = [name for name, value in spec.items() if isinstance(value, int) and not isinstance(value, bool)]
    spec[scene.choose(numbers)] += 1
    scene.bench.write(folder / SPEC, canonical_json(spec).encode())
    manifest = read_json(folder / MANIFEST)
    manifest["spec"]["sha256"] = sha256_json(spec)
    scene.bench.write(folder / MANIFEST, canonical_json(manifest).encode())
    return Damage(f"{folder}", (folder.as_posix(), f"{folder.as_posix()}/", *_readers(scene, folder)))


@kind("a run renamed")
def _renamed(scene: Scene) -> Damage:
    folder = scene.choose(scene.made("train")).folder
    to = folder.with_name(f"{folder.name}9")
    scene.bench.rename(folder, to)
    return Damage(f"{folder} to {to.name}", (folder.as_posix(), f"{to.as_posix()}/", *_readers(scene, folder)))


@kind("a run in the place of another")
def _in_place_of(scene: Scene) -> Damage:
    first, second = _two_runs(scene, MANIFEST)
    scene.bench.put(second.parent, lambda path: shutil.copytree(first.parent, path))
    folder = second.parent
    return Damage(f"{first.parent} as {folder}", (folder.as_posix(), f"{folder.as_posix()}/"))


@kind("a leftover artifact that no task names")
def _leftover(scene: Scene) -> Damage:
    folder = scene.choose(scene.made("train", "measure", "data")).folder
    to = folder.with_name("left-over")
    manifest = {**read_json(folder / MANIFEST), "key": to.name}
    scene.bench.put(to, lambda path: shutil.copytree(folder, path))
    (to / MANIFEST).write_text(canonical_json(manifest))
    return Damage(f"{to}", (to.as_posix(), f"{to.as_posix()}/"))


@kind("an artifact missing")
def _missing(scene: Scene) -> Damage:
    folder = scene.choose(scene.made()).folder
    scene.bench.remove(folder)
    return Damage(f"{folder}", (folder.as_posix(), *_readers(scene, folder)))


@kind("a file missing")
def _file_missing(scene: Scene) -> Damage:
    task = scene.choose(scene.made())
    path = scene.choose([path for path in sorted(task.folder.rglob("*")) if path.is_file()])
    scene.bench.remove(path)
    readers = _readers(scene, task.folder) if path.name == MANIFEST else []
    return Damage(f"{path}", (*places(path), task.folder.as_posix(), *readers))


@kind("an extra file")
def _extra(scene: Scene) -> Damage:
    folder = scene.choose(scene.made()).folder
    path = folder / scene.choose(["notes.txt", "metrics.json.bak", "last.pt.1", "more/cells.json"])
    scene.bench.put(folder / path.relative_to(folder).parts[0], lambda top: _new_file(top, path))
    return Damage(f"{path}", (path.as_posix(), path.parent.as_posix(), f"{path.parent.as_posix()}/"))


def _new_file(top: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")


@kind("a folder in place of a file")
def _folder(scene: Scene) -> Damage:
    path = _some_file(scene)
    scene.bench.put(path, Path.mkdir)
    return _in_place(scene, path)


@kind("a pipe in place of a file")
def _pipe(scene: Scene) -> Damage:
    path = _some_file(scene)
    scene.bench.put(path, os.mkfifo)
    return _in_place(scene, path)


@kind("a link in place of a file")
def _link(scene: Scene) -> Damage:
    """To a copy of it elsewhere, so that what is read stays the same."""
    path = _some_file(scene)
    copy = scene.bench.root / "elsewhere" / path.name
    scene.bench.write(copy, path.read_bytes())
    scene.bench.put(path, lambda link: link.symlink_to(copy.resolve()))
    return _in_place(scene, path)


@kind("a link that leads nowhere in place of a file")
def _dead_link(scene: Scene) -> Damage:
    path = _some_file(scene)
    scene.bench.put(path, lambda link: link.symlink_to("nowhere"))
    return _in_place(scene, path)


def _some_file(scene: Scene) -> Path:
    task = scene.choose(scene.made())
    return scene.choose([path for path in sorted(task.folder.iterdir()) if path.is_file()])  # type: ignore[no-any-return]


def _in_place(scene: Scene, path: Path) -> Damage:
    readers = _readers(scene, path.parent) if path.name == MANIFEST else []
    return Damage(f"{path}", (*places(path), path.parent.as_posix(), *readers))


# --- manifests ---


@kind("manifest: an output dropped")
def _dropped(scene: Scene) -> Damage:
    return _manifest(scene, lambda manifest: manifest["outputs"].pop(scene.choose(sorted(manifest["outputs"]))))


@kind("manifest: a key added")
def _added(scene: Scene) -> Damage:
    return _manifest(scene, lambda manifest: manifest.update(approved=True))


@kind("manifest: an input dropped")
def _input_dropped(scene: Scene) -> Damage:
    return _manifest(scene, lambda manifest: manifest["inputs"].pop(scene.choose(sorted(manifest["inputs"]))))


@kind("manifest: another code")
def _other_code(scene: Scene) -> Damage:
    return _manifest(scene, lambda manifest: manifest["code"].update(sha256="0" * 64))


@kind("manifest: another text named")
def _other_text(scene: Scene) -> Damage:
    def change(manifest: Any) -> None:
        texts = manifest["code"]["texts"]
        texts[scene.choose(sorted(texts))] = "0" * 64

    return _manifest(scene, change, "aggregate", "report")


def _manifest(scene: Scene, change: Callable[[Any], object], *stages: str) -> Damage:
    task = scene.choose(scene.made(*stages))
    manifest = read_json(task.folder / MANIFEST)
    try:
        change(manifest)
    except KeyError:
        raise NotHere from None
    path = task.folder / MANIFEST
    scene.bench.write(path, canonical_json(manifest).encode())
    return Damage(f"{path}", (path.as_posix(), task.folder.as_posix(), *_readers(scene, task.folder)))


# --- attestations ---


def _attested(scene: Scene) -> Path:
    return Path("results", scene.plan.scale, ATTESTED)


for _way, _change in WAYS.items():
    KINDS[f"attestation: {_way}"] = _spoiling(lambda scene: _attested(scene) / scene.choose(FILES), _change)


@kind("attestation: a file missing")
def _attestation_file(scene: Scene) -> Damage:
    path = _attested(scene) / scene.choose(FILES)
    scene.bench.remove(path)
    return Damage(f"{path}", (path.as_posix(),))


@kind("attestation: gone, and its key asked for")
def _attestation_gone(scene: Scene) -> Damage:
    scene.bench.remove(_attested(scene))
    return Damage("the folder", (_attested(scene).as_posix(),))


@kind("attestation: by another key, and its own asked for")
def _attestation_by_another(scene: Scene) -> Damage:
    _attest_anew(scene)
    return Damage("signed again", (f"{_attested(scene).as_posix()}/",))


def _attest_anew(scene: Scene) -> None:
    """As a forger would: a log of one line, signed with a key of his own."""
    scene.bench.put(_attested(scene), lambda path: attest_report(scene.plan, OTHER_KEY, say=lambda line: None))


@kind("log: a line left out")
def _log_line_left_out(scene: Scene) -> Damage:
    return _log(scene, lambda lines: lines.pop(scene.draw.randrange(len(lines))))


@kind("log: two lines in another order")
def _log_order(scene: Scene) -> Damage:
    return _log(scene, lambda lines: lines.insert(0, lines.pop(scene.draw.randrange(1, len(lines)))))


@kind("log: a line twice")
def _log_twice(scene: Scene) -> Damage:
    return _log(scene, lambda lines: lines.append(scene.choose(lines)))


def _log(scene: Scene, change: Callable[[list[bytes]], object]) -> Damage:
    path = _attested(scene) / LOG
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    scene.bench.write(path, b"".join(lines))
    return Damage(f"{path}", (path.as_posix(),))


@kind("receipt: another host")
def _other_host(scene: Scene) -> Damage:
    path = scene.choose(scene.made()).folder / RECEIPT
    receipt = read_json(path)
    receipt["host"]["name"] = f"{receipt['host']['name']}-2"
    scene.bench.write(path, canonical_json(receipt).encode())
    return Damage(f"{path}", (path.as_posix(),))


# --- what hashes cannot show: changed, and everything hashed and rendered again ---


@kind("forged: a run perfect, its attestation left")
def _forged_run(scene: Scene) -> Damage:
    name = _forge_run(scene)
    return Damage(name, (_attested(scene).as_posix(), f"{scene.plan[name].folder.as_posix()}/"))


@kind("forged: a run perfect, attested by another key")
def _forged_run_attested(scene: Scene) -> Damage:
    name = _forge_run(scene)
    _attest_anew(scene)
    return Damage(name, (f"{_attested(scene).as_posix()}/",))


@kind("forged: a run perfect, no key to ask for")
def _forged_run_keyless(scene: Scene) -> Damage:
    name = _forge_run(scene)
    _attest_anew(scene)
    return Damage(name, (f"{scene.plan[name].folder.as_posix()}/",), keyless=True, replays=name)


@kind("forged: a count, its attestation left")
def _forged_count(scene: Scene) -> Damage:
    name = _forge_count(scene)
    return Damage(name, (_attested(scene).as_posix(), f"{scene.plan[name].folder.as_posix()}/"))


@kind("forged: a count, no key to ask for")
def _forged_count_keyless(scene: Scene) -> Damage:
    name = _forge_count(scene)
    scene.bench.remove(_attested(scene))
    return Damage(name, (f"{scene.plan[name].folder.as_posix()}/",), keyless=True, replays=name)


def _forge_run(scene: Scene) -> str:
    name: str = scene.choose(scene.made("train")).name
    _forge(scene, name, perfect)
    return name


def _forge_count(scene: Scene) -> str:
    counted = [task for task in scene.made("measure") if not task.observes]
    name: str = scene.choose([t for t in counted if COUNT.search((t.folder / METRICS).read_text("utf-8"))]).name

    def change(folder: Path) -> None:
        content = (folder / METRICS).read_text(encoding="utf-8")
        found = scene.choose(list(COUNT.finditer(content)))
        other = str(int(found[1]) + 1)
        (folder / METRICS).write_text(content[: found.start(1)] + other + content[found.end(1) :], encoding="utf-8")

    _forge(scene, name, change)
    return name


COUNT = re.compile(r'"(?:parameters|multiply_adds)": (\d+)')


def _forge(scene: Scene, name: str, change: Callable[[Path], None]) -> None:
    """Work on copies of the folders, so that what stood there can be put back."""
    for task in following(scene.plan, name):
        if task.folder.is_dir():
            copy = scene.bench.root / "forged"
            shutil.copytree(task.folder, copy, symlinks=True)
            scene.bench.put(task.folder, copy.rename)
    change(scene.plan[name].folder)
    forge(scene.plan, Path(), name)
