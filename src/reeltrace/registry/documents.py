"""The folders of `documents/` and `params.yaml` as one plain tree per scale, and which file says what.

A document is a folder: `experiments.yaml` holds its own values, `quick.yaml` and `smoke.yaml` what differs at a reduced
scale, `document.yaml` its title. `documents/common` has no tables; what stands there is for all. `params.yaml` says
which documents, at which scale, with which seeds on which device, and may change any of their values at that scale.

Later files go over earlier ones: a mapping is merged key by key, anything else is replaced.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, short
from reeltrace.registry import readings
from reeltrace.registry.fields import SCALES, Scale
from reeltrace.registry.header import HEADER, Header, Tree, header, mapping
from reeltrace.registry.readings import BETWEEN, Derived
from reeltrace.registry.texts import read_text
from reeltrace.registry.trees import merged

PARAMS = "params.yaml"
COMMON = "common"
EXPERIMENTS = "experiments.yaml"
PAPER: Scale = "paper"
OVERLAYS: dict[Scale, str] = {scale: f"{scale}.yaml" for scale in SCALES if scale != PAPER}
SECTIONS = ("datasets", "backbones", "models", "protocols", "runs", "measurements", "tables")
OF_A_DOCUMENT = ("measurements", "tables")  # entries that say whose they are
SETTINGS = ("seeds", "device", "reference", "readings")  # of params.yaml itself
ALL = "all"
KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def keys(root: Path = Path()) -> list[str]:
    """The documents that have a folder, in the order of their names."""
    folder = root / DOCUMENTS
    found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in found if name != COMMON and not name.startswith((".", "_")))


def read(root: Path = Path()) -> dict[str, str]:
    """The text of every file of the registry, by its path from the project's root. Raises `UserError`."""
    files = {PARAMS: read_text(root / PARAMS, PARAMS, "run the command in the folder that holds params.yaml")}
    for name in (COMMON, *keys(root)):
        if name != COMMON and not KEY.fullmatch(name):
            raise UserError(f"{DOCUMENTS / name}: expected lower-case letters, digits and dashes; rename it")
        needed = () if name == COMMON else (HEADER, EXPERIMENTS)
        for file in (HEADER, EXPERIMENTS, *OVERLAYS.values(), *(() if name == COMMON else (readings.FILE,))):
            path = DOCUMENTS / name / file
            if file in needed or (root / path).exists():
                files[path.as_posix()] = read_text(root / path, path.as_posix())
        head = (DOCUMENTS / name / HEADER).as_posix()
        for file in header(head, files[head]).kinds if head in files else ():
            path = DOCUMENTS / name / file
            files[path.as_posix()] = read_text(root / path, path.as_posix(), f"{head} names it under kinds")
    return files


@dataclass(frozen=True)
class Composition:
    """What all files say together. `trees` has a plain tree per scale; params.yaml's own changes are in the active one.

    `written` is what the documents say at the published scale, without those changes; `headers` are the active
    documents in the order of the report; `layers` are the files in the order in which they go over each other; `kinds`
    are the Python files that declare kinds. `readings` are, per scale, those of the active documents; `mistaken`
    says what is wrong with them, if they are, which may follow from another mistake.
    """

    scale: Scale
    trees: Mapping[Scale, Tree]
    written: Tree
    headers: Mapping[str, Header]
    layers: tuple[tuple[str, Tree], ...]
    kinds: tuple[str, ...]
    readings: Mapping[Scale, tuple[Derived, ...]]
    mistaken: Mapping[Scale, UserError]

    def file_of(self, path: str, scale: Scale | None = None) -> str:
        """The file whose value is in force at a path of the registry, or where it would stand."""
        parts = path.split(".")
        holders = self._holders(parts, scale or self.scale)
        return holders[-1] if holders else self._home(parts)

    def place(self, path: str, scale: Scale | None = None) -> str:
        """A path of the registry with its file: "documents/basu2021/quick.yaml: protocols.dir-cnn4.epochs"."""
        section, _, rest = path.partition(".")
        for reading in self.readings[scale or self.scale] if BETWEEN in rest else ():
            if rest.partition(".")[0] in reading.entries.get(section, ()):
                return f"{reading.place}: {path}"
        return f"{self.file_of(path, scale)}: {path}"

    def files_of(self, path: str) -> list[str]:
        """The files that say something at a path of the registry, at the active scale."""
        return self._holders(path.split("."), self.scale)

    def _holders(self, parts: list[str], scale: Scale) -> list[str]:
        others = {file for of, file in OVERLAYS.items() if of != scale}
        if scale != self.scale and parts[0] in SECTIONS:
            others.add(PARAMS)
        return [file for file, tree in self.layers if Path(file).name not in others and _has(tree, parts)]

    def _home(self, parts: list[str]) -> str:
        """The file that declares the entry of a path that no file has."""
        while parts:
            parts = parts[:-1]
            for file, tree in self.layers:
                if len(parts) > 1 and _has(tree, parts):
                    return file
        return PARAMS


def _has(tree: Any, parts: list[str]) -> bool:
    for part in parts:
        if isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        elif isinstance(tree, dict) and part in tree:
            tree = tree[part]
        else:
            return False
    return True


def compose(files: Mapping[str, str], scale: Scale | None = None) -> Composition:
    """The files of the registry as trees; `scale` replaces the one that params.yaml names.

    Raises `UserError` with the file, the place in it, what was found and what was expected: for keys that belong
    nowhere, entries that two documents declare, overlays of what their own document does not declare, and changes of
    what no document has.
    """
    asked = mapping(PARAMS, files[PARAMS])
    if not asked:
        raise UserError(f"{PARAMS}: found no keys; expected scale, seeds, device, documents")
    _check_keys(PARAMS, asked, ("scale", *SETTINGS, "documents", *SECTIONS))
    active = scale if scale is not None else asked.get("scale")
    if active not in SCALES:
        raise UserError(f"{PARAMS}: scale: found {short(active)}; expected one of {', '.join(SCALES)}")
    folders = dict.fromkeys(Path(path).parent.name for path in files if path != PARAMS)
    headers = {
        name: header(path, files[path])
        for name in folders
        if name != COMMON and (path := (DOCUMENTS / name / HEADER).as_posix()) in files
    }
    ordered = sorted(headers, key=lambda name: (headers[name].position or 10**9, name))
    layers: list[tuple[str, Tree]] = []
    trees: dict[Scale, Tree] = {each: {section: {} for section in SECTIONS} for each in SCALES}
    home: dict[tuple[str, str], str] = {}
    for name in (*ordered, COMMON):
        _add_folder(name, files, trees, home, layers)
    read_as = {
        name: readings.readings(path, files[path]) for name in ordered if (path := readings.path_of(name)) in files
    }
    layers += [(readings.path_of(name), tree) for name, (tree, _) in read_as.items()]
    chosen, tables = _chosen(asked.get("documents", ALL), ordered, trees[PAPER]["tables"])
    written = {section: dict(entries) for section, entries in trees[PAPER].items()}
    settings = {each: {key: at_scale(asked[key], each, key) for key in SETTINGS if key in asked} for each in SCALES}
    changes = {section: asked[section] for section in SECTIONS if section in asked}
    _check_entries(PARAMS, changes, home, "no document has")
    layers.append((PARAMS, asked))
    composed: dict[Scale, Tree] = {}
    derived: dict[Scale, tuple[Derived, ...]] = {}
    mistaken: dict[Scale, UserError] = {}
    for each in SCALES:
        tree = merged(trees[each], changes) if each == active else dict(trees[each])
        tree["tables"] = {key: table for key, table in tree["tables"].items() if key in tables}
        composed[each] = {"scale": each, **settings[each], **tree}
        of_documents = ((name, read_as[name][1]) for name in chosen if name in read_as)
        try:
            derived[each] = tuple(readings.derive(of_documents, composed[each], each))
        except UserError as error:
            derived[each], mistaken[each] = (), error
    written["tables"] = {key: table for key, table in written["tables"].items() if key in tables}
    return Composition(
        scale=active,
        trees=composed,
        written={**settings[PAPER], **written},
        headers={name: headers[name] for name in chosen},
        layers=tuple(layers),
        kinds=tuple(path for path in files if path.endswith(".py")),
        readings=derived,
        mistaken=mistaken,
    )


def _add_folder(
    name: str,
    files: Mapping[str, str],
    trees: Mapping[Scale, Tree],
    home: dict[tuple[str, str], str],
    layers: list[tuple[str, Tree]],
) -> None:
    """Put what one folder says into the trees, and note which file declares which entry."""
    path = (DOCUMENTS / name / EXPERIMENTS).as_posix()
    if path not in files:
        return
    tree = mapping(path, files[path])
    _check_sections(path, tree)
    own: dict[tuple[str, str], str] = {}
    for section, entries in tree.items():
        for key, entry in entries.items():
            if name == COMMON and section in OF_A_DOCUMENT:
                raise UserError(f"{path}: {section}: belongs to a document; move {key!r} into its folder")
            if BETWEEN in str(key):
                what = f"{BETWEEN} stands between a key and a reading of it; expected single dashes"
                raise UserError(f"{path}: {section}.{key}: {what}")
            if (section, key) in home:
                raise UserError(
                    f"{path}: {section}.{key}: declared in {home[section, key]} too; rename one, or move it to "
                    f"{DOCUMENTS / COMMON / EXPERIMENTS} if both mean the same"
                )
            if section in OF_A_DOCUMENT and isinstance(entry, dict):
                if "document" in entry:
                    raise UserError(f"{path}: {section}.{key}.document: the folder says that; remove it")
                entry = {"document": name, **entry}
            own[section, key] = path
            for each in SCALES:
                trees[each][section][key] = entry
    home |= own
    layers.append((path, tree))
    for scale, file in OVERLAYS.items():
        path = (DOCUMENTS / name / file).as_posix()
        if path in files:
            overlay = mapping(path, files[path])
            _check_sections(path, overlay)
            _check_entries(path, overlay, own, f"{DOCUMENTS / name / EXPERIMENTS} does not have")
            for section, entries in overlay.items():
                for key, entry in entries.items():
                    trees[scale][section][key] = merged(trees[scale][section][key], entry)
            layers.append((path, overlay))


def _check_keys(path: str, tree: Tree, known: Iterable[str]) -> None:
    known = list(known)
    for key in tree:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise UserError(
                f"{path}: {key}: unknown key; "
                + (f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}")
            )


def _sections(path: str, tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Each section with its entries. Raises `UserError` for one that has none by name."""
    for section, entries in tree.items():
        if not isinstance(entries, dict):
            raise UserError(f"{path}: {section}: found {short(entries)}; expected names with their values")
        yield section, entries


def _check_sections(path: str, tree: Tree) -> None:
    _check_keys(path, tree, SECTIONS)
    for section, entries in _sections(path, tree):
        for key, value in _maps_over_scales(entries, section):
            raise UserError(
                f"{path}: {key}: found a map over scales ({', '.join(value)}); write the document's value here, and "
                f"the others into {', '.join(OVERLAYS.values())} beside it"
            )


def _maps_over_scales(value: Any, path: str) -> Iterator[tuple[str, Tree]]:
    if is_scaled(value):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _maps_over_scales(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _maps_over_scales(item, f"{path}.{index}")


def _check_entries(path: str, tree: Tree, home: Iterable[tuple[str, str]], lacking: str) -> None:
    declared = set(home)
    for section, entries in _sections(path, tree):
        for key in entries:
            if (section, key) not in declared:
                known = sorted(name for of, name in declared if of == section)
                near = difflib.get_close_matches(str(key), known, n=3, cutoff=0.0)
                raise UserError(
                    f"{path}: {section}.{key}: {lacking} it; "
                    + (f"nearest: {', '.join(near)}" if near else f"it has no {section}")
                )


def _chosen(asked: Any, documents: list[str], tables: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """The documents and the tables that params.yaml asks for: all, or a list of either."""
    if asked == ALL:
        return documents, set(tables)
    where = f"{PARAMS}: documents"
    if not isinstance(asked, list) or not asked:
        raise UserError(f"{where}: found {short(asked)}; expected all, or a list of documents and tables")
    wanted: set[str] = set()
    for name in asked:
        of = {key for key, table in tables.items() if isinstance(table, dict) and table.get("document") == name}
        if name not in documents and name not in tables:
            near = difflib.get_close_matches(str(name), [*documents, *tables], n=3, cutoff=0.0)
            raise UserError(f"{where}: no document or table {short(name)}; nearest: {', '.join(near) or 'none'}")
        wanted |= of if name in documents else {name}
    used = {tables[key]["document"] for key in wanted if isinstance(tables[key], dict)}
    return [name for name in documents if name in used], wanted


# --- plain values ---


def is_scaled(value: Any) -> bool:
    """Whether a YAML value is a map over scales, `{paper: ..., quick: ...}`."""
    return isinstance(value, dict) and bool(value) and set(value) <= set(SCALES)


def at_scale(value: Any, scale: Scale, path: str) -> Any:
    """A setting of params.yaml at one scale, its maps over scales replaced by the value in force."""
    if is_scaled(value):
        if PAPER not in value:
            raise UserError(
                f"{PARAMS}: {path}: found a map over scales without `paper`; a value for the published scale (or null) "
                "must stand beside the others"
            )
        return value.get(scale, value[PAPER])
    if isinstance(value, dict):
        return {key: at_scale(item, scale, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        for index, item in enumerate(value):
            if is_scaled(item):
                raise UserError(
                    f"{PARAMS}: {path}.{index}: found a map over scales inside a list, where the report would not show "
                    "it; write the map around the whole list"
                )
    return value
