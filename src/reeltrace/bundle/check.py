#!/usr/bin/env python3
"""Check results of Reeltrace without Reeltrace: python check.py [FOLDER or ZIP] [--key ID]

Plain Python 3.9 or later, nothing to install, no network; nothing is unpacked, written or run. Checked are the hash of
every file against its manifest and of every manifest against those that name it, report.html and report.json against
their own manifest, what report.html carries against the files, every printed number against the recorded value that
it was read from, the scores of every run against its predictions, and the signature in attested/ where there is one
(by the key ID, 64 digits, where one is named). Each problem is one line; the exit code is 1 if there is one. Hashes say
that files belong together, not that the numbers are true.
"""

from __future__ import annotations

import ast
import base64
import bisect
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

MANIFEST, SPEC, RECEIPT = "manifest.json", "spec.json", "receipt.json"
REPORT, HTML, JSON = "report/all", "report.html", "report.json"
LEFT_OUT = "bundle.json"  # at the top of a bundle: names the bulk files that it does not carry
BULK = 1_000_000  # bytes; a bundle leaves out larger files, and folders of outputs, and nothing else
MOST = 100_000_000  # bytes of a file that is read whole; a page has about 3 MB, its report.json less
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))


MOST_IN_ZIP = 10_000_000_000  # bytes of all files of a zip, unpacked; a bundle has some MB, or some hundred
LINK = "a link, where a file or folder of its own belongs"


class Unreadable(Exception):
    """A file that cannot be read, and why."""


# --- files, from a folder or a zip ---


class Files:
    """Files by their names with slashes. `sizes` has those that can be read, `odd` the others with the reason."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.odd: dict[str, str] = {}
        self._hashes: dict[str, str] = {}
        self._names: list[str] = []

    def below(self, folder: str) -> list[str]:
        """The files that can be read below a folder, whose name ends with a slash, in their order."""
        if len(self._names) != len(self.sizes):
            self._names = sorted(self.sizes)
        start, stop = (bisect.bisect_left(self._names, name) for name in (folder, folder[:-1] + "0"))  # it follows "/"
        return self._names[start:stop]

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in pieces."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """A whole file. Raises `Unreadable`."""
        if name in self.odd:
            raise Unreadable(self.odd[name])
        if name not in self.sizes:
            raise Unreadable("missing")
        if self.sizes[name] > MOST:
            raise Unreadable(f"too large to be read: {self.sizes[name]:,} bytes, the most is {MOST:,}")
        return b"".join(self.pieces(name))

    def sha256(self, name: str) -> str:
        """The hash of a file. Raises `Unreadable`."""
        if name in self.odd or name not in self.sizes:
            raise Unreadable(self.odd.get(name, "missing"))
        if name not in self._hashes:
            digest = hashlib.sha256()
            for piece in self.pieces(name):
                digest.update(piece)
            self._hashes[name] = digest.hexdigest()
        return self._hashes[name]

    def json(self, name: str) -> Any:
        """The value of a JSON file. Raises `Unreadable`."""
        return parsed(self.read(name))


class Folder(Files):
    """The files below a folder; names that begin with a dot do not count."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        for inside, folders, names in os.walk(root, onerror=self._denied):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in folders:
                if Path(inside, name).is_symlink():  # which is not followed
                    self._add(Path(inside, name))
            for name in sorted(names):
                if not name.startswith("."):
                    self._add(Path(inside, name))

    def _add(self, path: Path) -> None:
        name = path.relative_to(self.root).as_posix()
        try:
            found = path.lstat()
        except OSError as error:
            self.odd[name] = reason(error)
            return
        if stat.S_ISLNK(found.st_mode):  # what it leads to may be another one tomorrow
            self.odd[name] = LINK
        elif stat.S_ISREG(found.st_mode):
            self.sizes[name] = found.st_size
        else:  # a pipe would be waited for without end
            self.odd[name] = "not a file"

    def _denied(self, error: OSError) -> None:
        path = Path(str(error.filename or self.root))
        self.odd[path.relative_to(self.root).as_posix()] = reason(error)

    def pieces(self, name: str) -> Iterator[bytes]:
        left = self.sizes[name]
        try:
            with open(self.root / name, "rb") as handle:  # noqa: PTH123
                while piece := handle.read(1 << 20):
                    left -= len(piece)
                    if left < 0:
                        raise Unreadable("grows while it is read")
                    yield piece
        except OSError as error:
            raise Unreadable(reason(error)) from None


class Zip(Files):
    """The files in a zip. Nothing is unpacked, so no name in it can lead anywhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # a damaged zip raises whatever its damage leads to
            raise Unreadable(f"not a readable zip ({reason(error)})") from None
        total = sum(entry.file_size for entry in self._zip.infolist())
        if total > MOST_IN_ZIP:
            raise Unreadable(f"says that it unpacks to {total:,} bytes, the most is {MOST_IN_ZIP:,}")
        for entry in self._zip.infolist():
            name = entry.filename
            parts = name.split("/")
            if entry.is_dir() or parts[-1].startswith("."):
                continue
            if name.startswith("/") or "\\" in name or ".." in parts or ":" in parts[0]:
                self.odd[name] = "its name leads out of the zip"
            elif name in self.sizes:
                self.odd[name] = "is in the zip twice"
            elif stat.S_ISLNK(entry.external_attr >> 16):
                self.odd[name] = LINK
            else:
                self.sizes[name] = entry.file_size

    def pieces(self, name: str) -> Iterator[bytes]:
        left = self.sizes[name]
        try:
            with self._zip.open(name) as handle:
                while piece := handle.read(1 << 20):
                    left -= len(piece)
                    if left < 0:
                        raise Unreadable("is larger than the zip says")
                    yield piece
        except Unreadable:
            raise
        except Exception as error:  # a damaged zip raises whatever its damage leads to
            raise Unreadable(f"damaged in the zip ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """An error in a few words, on one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def parsed(text: bytes) -> Any:
    """The value of a JSON text. Raises `Unreadable`."""
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not valid JSON ({reason(error)})") from None


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# --- what was found ---


class Findings:
    """Problems, each with its place, and how much was checked."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.hashes = self.numbers = self.shown = self.scores = self.unread = self.left_out = 0
        self.notes: list[str] = []

    def say(self, where: str, what: str) -> None:
        line = printable(f"{where}: {what}")
        if line not in self.problems:
            self.problems.append(line)

    def guard(self, where: str, check: Callable[[], None]) -> None:
        """Carry out a check; what an edited file makes impossible is a problem of that file and stops no other."""
        try:
            check()
        except Unreadable as error:
            self.say(where, str(error))
        except Exception as error:
            self.say(where, f"its fields are not what they should be ({type(error).__name__}: {reason(error)})")


def printable(text: str) -> str:
    """One line without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


# --- hashes ---


def check_artifacts(files: Files, base: str, found: Findings) -> None:
    """Every artifact below `base` against its manifest, and every manifest against those that name it."""
    left_out = _left_out(files, found)
    names = sorted({tuple(name[len(base) :].split("/")[:2]) for name in files.sizes if is_manifest(name, base)})
    known = {f"{stage}/{key}" for stage, key in names}
    for stage, key in names:
        folder = f"{base}{stage}/{key}/"
        found.guard(folder + MANIFEST, lambda n=f"{stage}/{key}": _artifact(files, base, n, known, left_out, found))  # type: ignore[misc]
    for name in sorted({*files.sizes, *files.odd}):
        parts = name[len(base) :].split("/") if name.startswith(base) else []
        if len(parts) >= 3 and f"{parts[0]}/{parts[1]}" not in known and parts[0] != "attested":
            if parts[0] not in ("logs", "code") and parts[2] == SPEC and len(parts) == 3:
                continue  # asked for and not made yet
            if parts[0] not in ("logs", "code"):
                found.say(name, "belongs to no manifest")
    for name, why in sorted(files.odd.items()):
        if why != LINK or name.startswith(base):  # what else lies around the results is not asked
            found.say(name, why)
    if found.left_out:
        found.notes.append(f"{found.left_out} bulk files and folders are not in the bundle and were not checked")


def is_manifest(name: str, base: str) -> bool:
    """Whether a name is `base`/stage/key/manifest.json."""
    return name.startswith(base) and name[len(base) :].count("/") == 2 and name.endswith("/" + MANIFEST)


def _left_out(files: Files, found: Findings) -> set[str]:
    """The bulk files that a bundle says it does not carry."""
    if LEFT_OUT not in files.sizes:
        return set()
    try:
        names = {str(name) for name in files.json(LEFT_OUT)["left_out"]}
    except (Unreadable, KeyError, TypeError) as error:
        found.say(LEFT_OUT, f"does not say what was left out ({reason(error)})")
        return set()
    return names


def may_be_left_out(stage: str, output: str, entry: dict[str, Any]) -> bool:
    """Whether a bundle leaves out an output, by what its manifest says of its size: no list excuses another one."""
    size = entry.get("bytes")
    return stage != "report" and (output.endswith("/") or (type(size) is int and size > BULK))


def _artifact(files: Files, base: str, name: str, known: set[str], left_out: set[str], found: Findings) -> None:
    folder = f"{base}{name}/"
    manifest = files.json(folder + MANIFEST)
    if f"{manifest['stage']}/{manifest['key']}" != name:
        found.say(folder + MANIFEST, f"says that it is {manifest['stage']}/{manifest['key']}")
    outputs = dict(manifest["outputs"])
    expected = {SPEC: {"sha256": manifest["spec"]["sha256"]}, **outputs}
    for output, entry in sorted(expected.items()):
        where = folder + output
        inside = tree(files, where) if output.endswith("/") else []
        if where in left_out and not inside and where not in files.sizes and where not in files.odd:
            if may_be_left_out(name.split("/")[0], output, entry):
                found.left_out += 1
            else:
                found.say(where, "missing, and a bundle carries it")
        elif output.endswith("/"):
            found.guard(where, lambda w=where, e=entry, i=inside: _tree(files, w, e, i, found))  # type: ignore[misc]
        else:
            found.guard(where, lambda w=where, e=entry: _file(files, w, e, found))  # type: ignore[misc]
    for file in files.below(folder):
        inner = file[len(folder) :]
        top = inner.split("/")[0] + ("/" if "/" in inner else "")
        if top not in expected and top not in (MANIFEST, RECEIPT, "scratch/"):
            found.say(file, "is in no manifest")
    if PREDICTIONS in outputs and METRICS in outputs and folder + PREDICTIONS in files.sizes:
        found.guard(folder + METRICS, lambda: check_scores(files, folder, found))
    if not isinstance(files.json(folder + RECEIPT), dict):
        found.say(folder + RECEIPT, "is not a receipt")
    for other, entry in sorted(manifest["inputs"].items()):
        if other not in known:
            found.say(folder + MANIFEST, f"its input {other} is missing")
            continue
        found.hashes += 1
        there = f"{base}{other}/{MANIFEST}"
        if files.sha256(there) != entry["sha256"] or files.sizes[there] != entry["bytes"]:
            found.say(folder + MANIFEST, f"its input {other} is not the one that it was made from")


def _file(files: Files, where: str, entry: dict[str, Any], found: Findings) -> None:
    found.hashes += 1
    if where not in files.sizes:
        raise Unreadable(files.odd.get(where, "missing"))
    if "bytes" in entry and files.sizes[where] != entry["bytes"]:
        found.say(where, f"{files.sizes[where]} bytes, its manifest says {entry['bytes']}")
    elif files.sha256(where) != entry["sha256"]:
        found.say(where, f"its sha256 is not {str(entry['sha256'])[:12]}... of its manifest")


def tree(files: Files, folder: str) -> list[str]:
    """The files below a folder in the order in which its hash has them."""
    inside = [n for n in files.below(folder) if not any(part.startswith(".") for part in n[len(folder) :].split("/"))]
    return sorted(inside, key=lambda n: n.split("/"))


def _tree(files: Files, where: str, entry: dict[str, Any], inside: list[str], found: Findings) -> None:
    found.hashes += 1
    if not inside and entry["files"]:
        raise Unreadable("missing")
    total = sum(files.sizes[n] for n in inside)
    if (len(inside), total) != (entry["files"], entry["bytes"]):
        found.say(where, f"{len(inside)} files of {total} bytes, expected {entry['files']} of {entry['bytes']}")
        return
    digest = hashlib.sha256()
    for name in inside:
        digest.update(f"{name[len(where) :]}\0{files.sizes[name]}\0{files.sha256(name)}\n".encode())
    if digest.hexdigest() != entry["sha256"]:
        found.say(where, f"the sha256 of its files is not {str(entry['sha256'])[:12]}... of its manifest")


# --- scores, from predictions ---

PREDICTIONS, METRICS = "predictions.npz", "metrics.json"
PREDICTED = re.compile(r"(clip_)?(best|last)_(.+)")


def arrays(data: bytes) -> dict[str, tuple[int, ...]]:
    """The arrays of integers, of one dimension, in a file of NumPy's savez. Raises `Unreadable`."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST:
                raise ValueError("too large")
            for name in archive.namelist():
                text = archive.read(name)
                wide = text[6] > 1  # the version of the format: how long the length of its header is
                start = 12 if wide else 10
                end = start + int.from_bytes(text[8:start], "little")
                header = ast.literal_eval(text[start:end].decode("latin-1"))
                kind = re.fullmatch(r"[<|]([iu][1248])", header["descr"])
                if text[:6] != b"\x93NUMPY" or kind is None or len(header["shape"]) != 1:
                    raise ValueError(f"{name} is no array of integers")
                code = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}[kind[1]]
                found[name[: -len(".npy")]] = struct.unpack(f"<{header['shape'][0]}{code}", text[end:])
    except Exception as error:  # a damaged zip raises whatever its damage leads to
        raise Unreadable(f"not readable as predictions ({reason(error)})") from None
    return found


def check_scores(files: Files, folder: str, found: Findings) -> None:
    """The scores of one run, and how many clips keep their class, counted from what it predicted for each."""
    predicted, metrics = arrays(files.read(folder + PREDICTIONS)), files.json(folder + METRICS)
    for name, classes in sorted(predicted.items()):
        match = PREDICTED.fullmatch(name)
        if match is None:
            continue
        clips, checkpoint, transform = match.groups()
        score = metrics[checkpoint]["test"][transform]
        score = score["clip"] if clips else score
        labels = predicted["clip_label" if clips else "label"]
        if len(labels) != len(classes):
            found.say(folder + PREDICTIONS, f"{name} has {len(classes)} classes, there are {len(labels)} labels")
            continue
        right = sum(a == b for a, b in zip(classes, labels))  # noqa: B905
        counted = (right, len(labels), 100 * right / len(labels))
        found.scores += 1
        if (score["correct"], score["total"]) != counted[:2] or abs(score["top1"] - counted[2]) > 1e-9:
            says = f"{score['correct']} of {score['total']} ({score['top1']})"
            found.say(folder + METRICS, f"{name} is {says}, the predictions give {right} of {len(labels)}")
        if transform != "original" and bool(clips) == ("clip_label" in predicted):
            before = predicted[f"{clips or ''}{checkpoint}_original"]
            kept = 100 * sum(a == b for a, b in zip(classes, before)) / len(before)  # noqa: B905
            found.scores += 1
            if abs(metrics["equivariance"][checkpoint][transform]["agreement"] - kept) > 1e-6:
                found.say(folder + METRICS, f"the agreement of {name} is not what the predictions give ({kept:.10g})")


# --- what the page carries ---


def unpacked(page: str) -> dict[str, str]:
    """By name the texts that a page carries. Raises `Unreadable`."""
    match = re.search(r'<script type="text/plain" id="embedded">\s*([A-Za-z0-9+/=]*)\s*</script>', page)
    if match is None:
        raise Unreadable("carries nothing to check it with")
    try:
        packer = zlib.decompressobj()
        data = packer.decompress(base64.b64decode(match[1], validate=True), MOST)
        if not packer.eof:
            raise ValueError("cut off")
        count = int.from_bytes(data[:4], "big")
        body = data[4 + 32 * count :].decode("utf-8")
        hashes = [data[4 + 32 * i : 36 + 32 * i].hex() for i in range(count)]
        body = re.sub("\1([0-9a-z]+)\2", lambda m: hashes[int(m[1], 36)], body)
        parts = unfolded(body).split("\0")
    except (ValueError, zlib.error, IndexError) as error:
        raise Unreadable(f"what it carries is damaged ({reason(error)})") from None
    texts = (text[1:] if text[:1] == "\4" else indented(text) for text in parts[1::2])
    return dict(zip(parts[::2], texts))  # noqa: B905  # Python 3.9 has no strict


def unfolded(body: str) -> str:
    """The lines, with those that stand for earlier ones replaced by them. Raises `ValueError`."""
    lines: list[str] = []
    size = 0
    for line in body.split("\n"):
        if line[:1] != "\3":
            lines.append(line)
            continue
        back, count = map(int, line[1:].split(","))
        start = len(lines) - back
        if not 0 <= start <= len(lines) - count:
            raise ValueError("a line stands for none")
        copied = lines[start : start + count]
        lines += copied
        size += sum(map(len, copied))
        if size > MOST:
            raise ValueError("too large")
    return "\n".join(lines)


def indented(text: str) -> str:
    """The text with two spaces for each bracket that is open where a line begins."""
    depth, lines = 0, []
    for line in text.split("\n"):
        depth -= line[:1] in ("}", "]")
        lines.append(" " * (2 * depth) + line)
        depth += line[-1:] in ("{", "[")
    return "\n".join(lines)


class Page(HTMLParser):
    """The text of every element that says where its text is from."""

    MARKS = ("data-trace", "data-published")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.marked: list[tuple[str, str, str]] = []
        self._stack: list[tuple[str, tuple[str, str] | None]] = []
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        mark = next(((name, value or "") for name, value in attrs if name in self.MARKS), None)
        if mark is not None and not any(m for _, m in self._stack):
            self._text = []
        self._stack.append((tag, mark))

    def handle_endtag(self, tag: str) -> None:
        if all(open_tag != tag for open_tag, _ in self._stack):
            return
        while self._stack:
            open_tag, mark = self._stack.pop()
            if mark is not None and not any(m for _, m in self._stack):
                self.marked.append((mark[0], mark[1], plain("".join(self._text))))
            if open_tag == tag:
                break

    def handle_data(self, data: str) -> None:
        if any(mark for _, mark in self._stack):
            self._text.append(data)


class Outcomes(HTMLParser):
    """The outcomes that the page shows of every claim and finding, by the id of its place, and what the banner says."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: dict[str, list[str]] = {}
        self.banner = ""
        self._entry: str | None = None
        self._until = ""
        self._in = ""  # "chip" or "banner" while its text is read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        classes = of.get("class", "").split()
        for start, kind, until in (("claim-", "tr", "tr"), ("audit-", "details", "summary")):
            if tag == kind and of.get("id", "").startswith(start):
                self._entry, self._until = of["id"], until
                self.shown[self._entry] = []
        if tag == "span" and "chip" in classes and self._entry is not None:
            self._in = "chip"
            self.shown[self._entry].append("")
        elif tag == "div" and "banner" in classes and not self.banner:
            self._in = "banner"

    def handle_endtag(self, tag: str) -> None:
        if tag == {"chip": "span", "banner": "div"}.get(self._in):
            self._in = ""
        if tag == self._until:
            self._entry = None

    def handle_data(self, data: str) -> None:
        if self._in == "banner":
            self.banner += data
        elif self._in == "chip" and self._entry is not None:
            self.shown[self._entry][-1] += data


def outcomes_on(page: str) -> Outcomes:
    """What a page shows of claims and findings, and its banner."""
    seen = Outcomes()
    seen.feed(page)
    seen.close()
    return seen


def check_outcomes(page: str, report: Any, found: Findings, where: str) -> None:
    """The outcome of every claim and finding, and the scale and data in the banner, are those of report.json."""
    seen = outcomes_on(page)
    wanted = {f"claim-{c['id']}": [c["published_verdict"], c["verdict"]] for c in report["claims"]}
    wanted |= {"audit-" + f["id"].replace("/", "-"): [f["severity"]] for f in report["audit"]}
    for place, outcomes in wanted.items():
        shown = [re.sub(r"^\W+ ", "", plain(text)) for text in seen.shown.get(place, [])]  # without its sign
        if shown != outcomes:
            found.say(where, f"{place} shows {', '.join(shown) or 'nothing'}, {JSON} says {', '.join(outcomes)}")
    banner = plain(seen.banner)
    if not banner.startswith(f"{report['scale'].capitalize()} scale") or plain(report["stand_in"] or "") not in banner:
        found.say(where, f"its banner does not say the scale and the data that {JSON} says")


def plain(text: object) -> str:
    """Text with single spaces."""
    return " ".join(str(text).split())


def marked_on(page: str) -> list[tuple[str, str, str]]:
    """By mark and identity the text of every element of a page that says where its text is from."""
    seen = Page()
    seen.feed(page)
    seen.close()
    return seen.marked


def check_page(page: str, report: Any, found: Findings, where: str) -> None:
    """What the page prints is what report.json says."""
    numbers = {number["id"]: plain(number["printed"]) for number in report["numbers"]}
    prints = {cell["id"]: cell["published"]["printed"] for cell in report["cells"]}
    there = set()
    for kind, identity, text in marked_on(page):
        if kind == "data-trace":
            there.add(identity)
            found.shown += 1
            if identity not in numbers:
                found.say(where, f"{text!r} names {identity}, which {JSON} has not")
            elif numbers[identity] != text:
                found.say(where, f"{identity} shows {text!r}, {JSON} says {numbers[identity]!r}")
        elif identity in prints and prints[identity] is not None and plain(prints[identity]) != text:
            found.say(where, f"the published {identity} shows {text!r}, {JSON} says {prints[identity]!r}")
    for identity in numbers:
        if identity not in there:
            found.say(where, f"{identity} is in {JSON} and never shown")


# --- printed numbers, from recorded values ---

NUMERAL = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+\u2212]?\d+)?")
HOURS = {" s": 3600.0, " min": 60.0}  # a time that is recorded in hours and printed as what reads well
BYTES = 1e6  # an amount of memory from here on is recorded in bytes where it is printed in GB


def scale_of(letters: str, value: float) -> float:
    """What a recorded value is multiplied by where it is printed with these letters behind it."""
    return 1e-9 if letters.endswith(" GB") and value >= BYTES else HOURS.get(letters, 1.0)


def close(numeral: str, value: float) -> bool:
    """Whether `value` is what a numeral prints: it differs by half a unit of the last printed place at most."""
    text = numeral.replace(",", "").replace("\u2212", "-")  # a minus as it is set
    mantissa, _, exponent = text.partition("e")
    step = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(text) - value) <= step / 2 * (1 + 1e-9) + abs(value) * 1e-15


def agrees(printed: str, value: Any) -> bool:
    """Whether a printed text is a recorded value: a text itself, each number at the precision of its print."""
    printed = plain(printed)
    if isinstance(value, str):
        return printed == plain(value)
    if value is None:
        return printed == "none"
    if isinstance(value, bool):
        return printed == ("yes" if value else "no")
    if isinstance(value, list):
        return _list_agrees(printed, value)
    if not isinstance(value, (int, float)):
        return False
    numerals = NUMERAL.findall(printed)
    if len(numerals) != 1:
        return False
    return close(numerals[0], value * scale_of(printed.replace(numerals[0], "", 1), value))


def _list_agrees(printed: str, value: list[Any]) -> bool:
    if not value:
        return printed == "N/A"
    if any(isinstance(part, str) for part in value):
        return all(str(part) in printed for part in value)
    square = re.fullmatch(r"(\d+)x(\d+)\^2", printed)
    numerals = [square[1], square[2], square[2]] if square else NUMERAL.findall(printed)
    if len(numerals) == 1:
        numerals *= len(value)
    elif len(numerals) == 2 and len(value) > 2 and value == list(range(value[0], value[0] + len(value))):
        value = [value[0], value[-1]]
    letters = NUMERAL.sub("", printed)
    return len(numerals) == len(value) and all(
        close(numeral, part * scale_of(letters, part))
        for numeral, part in zip(numerals, value)  # noqa: B905
    )


def at(value: Any, pointer: str) -> Any:
    """The value that a JSON pointer names. Raises `KeyError`."""
    for raw in pointer.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(token)] if isinstance(value, list) else value[token]
        except (KeyError, IndexError, TypeError, ValueError):
            raise KeyError(pointer) from None
    return value


def seed_agrees(printed: str, seed: str, reproduced: Any) -> bool:
    """`98.33 (295 of 300 clips right, epoch 4)` against the record of that seed."""
    entry = reproduced["seeds"][seed]
    epochs = entry["epoch"] if isinstance(entry["epoch"], list) else [entry["epoch"]]
    numerals = NUMERAL.findall(printed)
    wanted = [reproduced["values"][seed], entry["correct"], entry["total"], *epochs]
    return len(numerals) == len(wanted) and all(close(n, v) for n, v in zip(numerals, wanted))  # noqa: B905


POINTS = {"percent": 1.0, "error rate": 100.0}  # by unit, of which values a difference is told in points


def apart(cell: Any, in_points: bool) -> float | None:
    """How far our value of a cell is from its print, in points or in percent of the print; None where there is none."""
    ours, theirs = (cell["reproduced"] or {}).get("value"), cell["published"]["value"]
    if isinstance(ours, list) or not isinstance(ours, (int, float)) or not isinstance(theirs, (int, float)):
        return None
    if in_points:
        return abs(ours - theirs) * POINTS[cell["unit"]] if cell["unit"] in POINTS else None
    return 100 * abs(ours - theirs) / abs(theirs) if theirs else None


def furthest_agrees(number: Any, cells: dict[str, Any]) -> bool | None:
    """Whether a number is the largest distance between ours and the print in the table of the cell that it names."""
    cell = cells[number["of"][0]]
    in_points = number["rule"].endswith("in points")
    size = apart(cell, in_points)
    if size is None:
        return None
    table = [c for c in cells.values() if (c["document"], c["table"]) == (cell["document"], cell["table"])]
    others = [d for c in table for d in [apart(c, in_points)] if d is not None]
    return agrees(number["printed"], size) and size >= max(others) - 1e-9


def claim_agrees(number: Any, claims: dict[str, Any]) -> bool | None:
    """Whether a number of a claim is what report.json has of that claim; None where it is of another form.

    `claim/ID/p`, `claim/ID/2/here` (the second comparison: difference, interval, p-values, visible),
    `claim/ID/2/left/print` (a side of it).
    """
    _, identity, *place = number["id"].split("/")
    claim = claims.get(identity)
    if claim is None or not place:
        return None
    if place == ["p"]:
        return p_agrees(number["printed"], claim["p_adjusted"])
    of = claim["rule"][int(place[0]) - 1][place[-1]]
    if len(place) == 3:
        return agrees(number["printed"], of[place[1]])
    match = COMPARISON.fullmatch(plain(number["printed"]))
    if match is None:
        return None
    values, p, of_videos, seen = match.groups()
    held = agrees(values, [of["difference"], *(of["interval"] or ())]) and (of["p"] is None or p_agrees(p, of["p"]))
    held = held and (of.get("p_of_videos") is None or p_agrees(of_videos, of["p_of_videos"]))
    return held and (seen is None or agrees(seen, of["visible"]))


P_VALUE = r"(p (?:below|=) [\d.e\u2212-]+)"
COMPARISON = re.compile(rf"([^a-df-z]*?)(?:, {P_VALUE})?(?:, of the videos alone {P_VALUE})?(?:, seen from (\S+) on)?")


def p_agrees(printed: str, p: float) -> bool:
    """`p below 0.001`, or `p = 0.012`."""
    low = re.fullmatch(r"p below (0\.\d+)", printed or "")
    return p < float(low[1]) if low else (printed or "").startswith("p = ") and agrees(printed[4:], p)


def number_agrees(
    number: Any, read: Callable[[str], Any], cells: dict[str, Any], claims: dict[str, Any]
) -> bool | None:
    """Whether a number of report.json is what was recorded; None where that is not there to be read, or a rule made it.

    `cells` and `claims` are those of report.json by id; `read` gives the value of a JSON file by its path, or None.
    Raises `KeyError` where the pointer leads nowhere.
    """
    printed, trace, rule = number["printed"], number["trace"], number["rule"]
    if trace is None and str(rule).startswith("largest difference") and number["of"]:
        return furthest_agrees(number, cells)
    if trace is None and str(rule).endswith(", before rounding"):
        cell = cells[number["id"].rpartition("/")[0]]
        return agrees(printed, cell["reproduced"]["value"] - cell["published"]["value"])
    if trace is None and rule != "count":
        return claim_agrees(number, claims) if number["id"].startswith("claim/") else None
    if trace is None:
        return agrees(printed, len(number["of"]))
    whole = read(trace["artifact"])
    if whole is None:
        return None
    pointer = trace["pointer"]
    value = at(whole, pointer)
    if rule == "count" and isinstance(value, list):
        explaining = number["id"].endswith("/explaining")
        return agrees(printed, sum(bool(v["explains"]) for v in value) if explaining else len(value))
    if rule is not None and rule.startswith("100 / "):
        return agrees(printed, 100 / value)
    if rule is not None:
        return None
    head, _, last = pointer.rpartition("/")
    if isinstance(value, dict) and head.endswith("/reproduced/seeds"):
        return seed_agrees(printed, last, at(whole, head[: -len("/seeds")]))
    if isinstance(value, dict):
        return None
    if last == "start":  # the first of the frames of a clip, of which the page prints the first and the last
        value = list(range(value, value + at(whole, head)["frames"]))
    return agrees(printed, value)


def check_numbers(report: Any, text_of: Callable[[str], bytes | None], found: Findings, where: str) -> None:
    """Every number of report.json against the recorded value, what it counts against its lists, and its scale."""
    known: dict[str, Any] = {}

    def read(path: str) -> Any:
        if path not in known:
            text = text_of(path)
            known[path] = None if text is None else parsed(text)
        return known[path]

    cells, claims = ({entry["id"]: entry for entry in report[part]} for part in ("cells", "claims"))
    for number in report["numbers"]:
        if number["id"] in cells and number["trace"] != cells[number["id"]]["trace"]:
            found.say(where, f"{number['id']} is traced to another record than its cell")
        try:
            said = number_agrees(number, read, cells, claims)
        except (KeyError, TypeError, ValueError, Unreadable):
            found.say(where, f"{number['id']}: its trace leads to no value")
            continue
        if said is None:
            found.unread += 1
            continue
        found.numbers += 1
        if not said:
            found.say(where, f"{number['id']} is printed {number['printed']!r}, which is not what was recorded")
    for cell in report["cells"]:
        check_cell(cell, read, found, where)
    check_counts(report, found, where)
    check_scale(report, read, found, where)


def counted(report: Any) -> Iterator[tuple[str, str, list[str]]]:
    """What the report counts, its kind in a word or two, and the ids of those that are to be counted."""
    lists = (
        ("count/", "cells", "cells", "verdict", ""),
        ("count/claims/", "claims", "claims", "verdict", "claim/"),
        ("count/claims-print/", "claims", "claims", "published_verdict", "claim/"),
        ("count/audit/", "findings", "audit", "severity", "audit/"),
    )
    for prefix, kind, part, field, before in lists:
        found: dict[str, list[str]] = {}
        for number in report["numbers"]:
            outcome = number["id"][len(prefix) :]
            if number["id"].startswith(prefix) and "/" not in outcome:
                found[outcome] = []
        if part == "cells":  # other counts stand beside these
            known = {entry[field] for entry in report[part]}
            found = {outcome: of for outcome, of in found.items() if outcome in known}
        for entry in report[part]:
            found.setdefault(entry[field], []).append(before + entry["id"])
        by = [c for c in report["claims"] if c["by_construction"] and c["verdict"] not in ("holds", "not run")]
        if prefix == "count/claims/" and (by or "by construction" in found):
            found["by construction"] = [before + claim["id"] for claim in by]
        for outcome, of in found.items():
            yield prefix + outcome, kind, of


def check_counts(report: Any, found: Findings, where: str) -> None:
    """Every count of verdicts, outcomes of claims and findings names those that the lists have."""
    counts = {n["id"]: n["of"] for n in report["numbers"] if n["rule"] == "count"}
    for identity, kind, of in counted(report):
        if sorted(counts.get(identity, ())) != sorted(of) or identity not in counts:
            found.say(where, f"{identity} does not count the {kind} that it says")


def check_scale(report: Any, read: Callable[[str], Any], found: Findings, where: str) -> None:
    """The scale and the data that stand in are those of the artifacts, the tables and the data sets."""
    said, every = set(), True
    for name, artifact in report["artifacts"].items():
        if artifact["path"] != f"results/{report['scale']}/{name}":
            found.say(where, f"{name} is not at the scale that it says: {report['scale']}")
        if "cells.json" not in artifact["outputs"]:
            continue
        table = read(f"{artifact['path']}/cells.json")
        every = every and table is not None
        if table is not None and table["scale"] != report["scale"]:
            found.say(where, f"{name} is not at the scale that it says: {report['scale']}")
        said |= sentences((table or {}).get("stand_in"))
    for dataset in report["datasets"]:
        said |= sentences(dataset["stand_in"])
    told = sentences(report["stand_in"])
    if said - told or (every and told - said):
        found.say(where, "its stand_in is not that of its tables and data sets")


def sentences(text: Any) -> set[str]:
    """What stands in for what, each in a sentence."""
    return set(text.split("; ")) if text else set()


OF_CELL = ("row", "column", "unit", "circumstances", "published", "reproduced", "verdict", "reason")
OF_TABLE = ("document", "table")


def check_cell(cell: Any, read: Callable[[str], Any], found: Findings, where: str) -> None:
    """A cell of report.json is the one in its table's cells.json, and a share is the mean of the scores of its runs."""
    ours, trace = cell["reproduced"], cell["trace"]
    if ours is None or trace is None:
        return
    try:
        table = read(trace["artifact"])
        recorded = None if table is None else at(table, trace["pointer"].rpartition("/reproduced/")[0])
        if recorded is not None:
            for field in OF_CELL + OF_TABLE:
                if (recorded if field in OF_CELL else table)[field] != cell[field]:
                    found.say(where, f"{cell['id']}: its {field} is not that of {trace['artifact']}")
        if "seeds" in ours and "values" in ours and not share_agrees(cell, read):
            found.say(where, f"{cell['id']}: is not the mean of the scores that it names")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, Unreadable):
        found.say(where, f"{cell['id']}: its trace leads to no cell")


def share_agrees(cell: Any, read: Callable[[str], Any]) -> bool:
    """The value of a share is the mean over seeds, and each seed's the mean over its runs' scores."""
    ours = cell["reproduced"]
    values = list(ours["values"].values())
    if abs(sum(values) / len(values) - ours["value"]) > 1e-9:
        return False
    for seed, value in ours["values"].items():
        of_seed = [source for source in cell["sources"] if str(source["seed"]) == seed]
        wholes = [read(source["artifact"]) for source in of_seed]
        if not wholes or any(whole is None for whole in wholes):
            continue
        tops = [at(whole, source["pointer"]) for whole, source in zip(wholes, of_seed)]  # noqa: B905
        top = sum(tops) / len(tops)
        if abs((1 - top / 100 if cell["unit"] == "error rate" else top) - value) > 1e-9:
            return False
    return True


def check_chain(report: Any, text_of: Callable[[str], bytes | None], found: Findings, where: str) -> None:
    """The hashes that report.json names are those of the manifests, and the manifests' own."""
    manifests: dict[str, Any] = {}
    lines = sorted(f"{name}/{MANIFEST} {a['manifest_sha256']}\n".encode() for name, a in report["artifacts"].items())
    found.hashes += 1
    if hashlib.sha256(b"".join(lines)).hexdigest() != report["root_sha256"]:
        found.say(where, "its root_sha256 is not the hash over all manifests")
    for name, artifact in sorted(report["artifacts"].items()):
        text = text_of(f"{artifact['path']}/{MANIFEST}")
        if text is None:
            found.say(where, f"the manifest of {name} is not there")
            continue
        manifest = manifests[artifact["path"]] = parsed(text)
        found.hashes += 1
        if hashlib.sha256(text).hexdigest() != artifact["manifest_sha256"]:
            found.say(where, f"{name}: its manifest is not the one that was reported")
        said = {
            "name": f"{manifest['stage']}/{manifest['key']}",
            "spec_sha256": manifest["spec"]["sha256"],
            "code_sha256": manifest["code"]["sha256"],
            "inputs": {other: entry["sha256"] for other, entry in manifest["inputs"].items()},
            "outputs": {file: entry["sha256"] for file, entry in manifest["outputs"].items()},
        }
        for field, value in said.items():
            if artifact[field] != value:
                found.say(where, f"{name}: its {field} is not that of its manifest")
        for other, sha256 in sorted(artifact["inputs"].items()):
            if other not in report["artifacts"]:
                continue  # further up than the report reaches; in a folder or a zip its manifest lies there
            found.hashes += 1
            if report["artifacts"][other]["manifest_sha256"] != sha256:
                found.say(where, f"{name}: its input {other} is not the one that was reported")
    for identity, trace in traces(report):
        path, _, file = trace["artifact"].rpartition("/")
        manifest = manifests.get(path)
        if manifest is None:
            continue
        entry = manifest["spec"] if file == SPEC else manifest["outputs"].get(file)
        found.hashes += 1
        if entry is None or entry["sha256"] != trace["sha256"]:
            found.say(where, f"{identity}: the sha256 of {trace['artifact']} is not that of its manifest")


def traces(report: Any) -> Iterator[tuple[str, Any]]:
    """Every trace and source with the number that has it, each file once per hash."""
    done = set()
    for identity, of in (
        *((n["id"], [n["trace"]] if n["trace"] else []) for n in report["numbers"]),
        *((c["id"], c["sources"]) for c in report["cells"]),
        *((e["run"], [*e["relative_error"]["sources"], *e["agreement"]["sources"]]) for e in report["equivariance"]),
    ):
        for trace in of:
            key = (trace["artifact"], trace["sha256"])
            if key not in done:
                done.add(key)
                yield identity, trace


# --- who signed it ---

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, FIELD - 2, FIELD) % FIELD
ROOT = pow(2, (FIELD - 1) // 4, FIELD)  # of -1
PEM_OF_ED25519 = bytes.fromhex("302a300506032b6570032100")  # before the 32 bytes of a public key in DER
PEM = b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
ATTESTED = ("statement.json", "envelope.json", "key.pub", "log.jsonl")
PAYLOAD = "application/vnd.in-toto+json"


def _sum(p: Any, q: Any) -> Any:
    """The sum of two points, each (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % FIELD, (p[1] + p[0]) * (q[1] + q[0]) % FIELD
    c, d = 2 * p[3] * q[3] * CURVE % FIELD, 2 * p[2] * q[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def _times(scalar: int, p: Any) -> Any:
    found: Any = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _sum(found, p)
        p, scalar = _sum(p, p), scalar >> 1
    return found


def _point(text: bytes) -> Any:
    """The point that 32 bytes stand for; None where they stand for none."""
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= FIELD:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, FIELD - 2, FIELD) % FIELD
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if (x * x - square) % FIELD:
        x = x * ROOT % FIELD
    if (x * x - square) % FIELD or (x == 0 and sign):
        return None
    x = FIELD - x if x & 1 != sign else x
    return x, y, 1, x * y % FIELD


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether 64 bytes are the ed25519 signature of a message by a public key of 32 bytes (RFC 8032)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, s = _point(public), int.from_bytes(signature[32:], "little")
    if key is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    base = _point((4 * pow(5, FIELD - 2, FIELD) % FIELD).to_bytes(32, "little"))
    x, y, z, _ = _sum(_times(s, base), _times(ORDER - h, key))
    inverse = pow(z, FIELD - 2, FIELD)
    x, y = x * inverse % FIELD, y * inverse % FIELD
    return bool((y | (x & 1) << 255).to_bytes(32, "little") == signature[:32])


def check_attested(files: Files, base: str, key: str | None, found: Findings) -> None:
    """The signed statement in attested/: its signature, its log, and the files that it covers."""
    folder = f"{base}attested/"
    there = [name for name in (*files.sizes, *files.odd) if name.startswith(folder)]
    if not there:
        found.notes.append("not signed: there is no attested/")
        if key is not None:
            found.say(folder, f"is not there, and one by the key {key[:12]}... is asked for")
        return
    missing = [name for name in ATTESTED if folder + name not in files.sizes]
    for name in missing:
        found.say(folder + name, files.odd.get(folder + name, "missing"))
    if missing:
        return
    statement, envelope = files.read(folder + "statement.json"), files.json(folder + "envelope.json")
    pem = files.read(folder + "key.pub")
    try:
        der = base64.b64decode(b"".join(pem.split(b"\n")[1:-2]), validate=True)
        payload = base64.b64decode(envelope["payload"], validate=True)
        (one,) = envelope["signatures"]
        signature = base64.b64decode(one["sig"], validate=True)
    except ValueError:
        found.say(folder + "envelope.json", "it or key.pub is not in base64, or has not one signature")
        return
    identity = hashlib.sha256(der).hexdigest()
    if der[: len(PEM_OF_ED25519)] != PEM_OF_ED25519 or pem != PEM % base64.b64encode(der):
        found.say(folder + "key.pub", "not a public key of ed25519")
        return
    if key is not None and identity != key:
        found.say(folder + "key.pub", f"is the key {identity[:12]}..., and {key[:12]}... is asked for")
    signed = b" ".join((b"DSSEv1", b"%d" % len(PAYLOAD), PAYLOAD.encode(), b"%d" % len(payload), payload))
    if envelope["payloadType"] != PAYLOAD or not is_signed(der[len(PEM_OF_ED25519) :], signed, signature):
        found.say(folder + "envelope.json", "its signature is not one of its payload by key.pub")
        return
    if one["keyid"] != identity:
        found.say(folder + "envelope.json", "names another key than key.pub")
    if payload != statement:
        found.say(folder + "statement.json", "is not the payload that envelope.json has signed")
    value = parsed(payload)
    metadata = value["predicate"]["runDetails"]["metadata"]
    last = {
        "number": metadata["reeltrace_log"]["number"],
        "previous": metadata["reeltrace_log"]["previous"],
        "time": metadata["finishedOn"],
        "scale": value["predicate"]["buildDefinition"]["externalParameters"]["scale"],
        "report": {entry["name"].rpartition("/")[2]: entry["digest"]["sha256"] for entry in value["subject"]},
        "roots": metadata["reeltrace_roots"],
        "statement": hashlib.sha256(payload).hexdigest(),
        "key": identity,
    }
    _check_log(files.read(folder + "log.jsonl"), last, found, folder + "log.jsonl")
    _check_covered(files, base, value, found)
    whose = "the key asked for" if key is not None else "whose key that is, only you can know: --key ID holds it to one"
    found.notes.append(f"signed {metadata['finishedOn']} by the key {identity} ({whose})")


def _check_log(text: bytes, wanted: dict[str, Any], found: Findings, where: str) -> None:
    """Every line follows the one before it, and the last one says what the signed statement says."""
    previous, line = "0" * 64, b""
    for number, line in enumerate(text[:-1].split(b"\n"), start=1):
        told = parsed(line)
        if told["number"] != number or told["previous"] != previous:
            found.say(where, f"line {number} does not follow the line before it: one was altered, put in or taken out")
            return
        previous = hashlib.sha256(line).hexdigest()
    last = json.dumps(wanted, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    if line != last or not text.endswith(b"\n"):
        found.say(where, "its last line is not that of the signed statement")


def _check_covered(files: Files, base: str, statement: Any, found: Findings) -> None:
    scale = statement["predicate"]["buildDefinition"]["externalParameters"]["scale"]
    prefix = f"results/{scale}/"
    listed = [*statement["subject"], *statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    covered = {e["name"]: e["digest"]["sha256"] for e in listed if e["name"].startswith(prefix)}
    for name, sha256 in sorted(covered.items()):
        there = base + name[len(prefix) :]
        found.hashes += 1
        if there not in files.sizes:
            found.say(there, "was attested and is not there")
        elif files.sha256(there) != sha256:
            found.say(there, "is not what was attested")
    for name in sorted(files.sizes):
        if is_manifest(name, base) and prefix + name[len(base) :] not in covered:
            found.say(name, "is not among what was attested")


# --- all of it ---


def check_report(files: Files, base: str, found: Findings) -> None:
    """report.json and report.html: against each other, against the files, and every printed number."""
    folder = f"{base}{REPORT}/"
    report, where = files.json(folder + JSON), folder + JSON
    prefix = f"results/{report['scale']}/"

    def text_of(path: str) -> bytes | None:
        name = base + path[len(prefix) :] if path.startswith(prefix) else ""
        return files.read(name) if name in files.sizes else None

    found.guard(where, lambda: check_chain(report, text_of, found, where))
    found.guard(where, lambda: check_numbers(report, text_of, found, where))
    html = folder + HTML
    page = files.read(html).decode("utf-8", "replace")
    found.guard(html, lambda: check_page(page, report, found, html))
    found.guard(html, lambda: check_outcomes(page, report, found, html))
    carried = unpacked(page)
    if carried.get(JSON, "").encode() != files.read(where):
        found.say(html, f"the {JSON} that it carries is not the one beside it")
    for path, text in carried.items():
        beside = None if path == JSON else text_of(path)
        found.hashes += 1
        if path != JSON and beside is not None and beside != text.encode():
            found.say(html, f"the {path} that it carries is not the one beside it")


def check(path: Path, key: str | None = None) -> Findings:
    """All that can be checked of a folder or a zip, signed by `key` where its id is given.

    Raises `Unreadable` where there is nothing to check.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise Unreadable(reason(error)) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise Unreadable("neither a folder nor a zip")
    files: Files = Folder(path) if stat.S_ISDIR(mode) else Zip(path)
    bases = sorted(
        {n[: -len(f"{REPORT}/{MANIFEST}")] for n in files.sizes if f"/{n}".endswith(f"/{REPORT}/{MANIFEST}")}
    )
    if not bases:
        there = sorted(n for n in {*files.sizes, *files.odd} if n.endswith("/" + MANIFEST))
        raise Unreadable(f"no {REPORT}/{MANIFEST} in it" + (", though it has other manifests" if there else ""))
    found = Findings()
    for base in bases:
        check_artifacts(files, base, found)
        found.guard(f"{base}{REPORT}/{JSON}", lambda b=base: check_report(files, b, found))  # type: ignore[misc]
        found.guard(f"{base}attested", lambda b=base: check_attested(files, b, key, found))  # type: ignore[misc]
    return found


def main(arguments: list[str]) -> int:
    """Print what was found; 1 if anything is wrong, 2 if it was called wrongly."""
    asked, key = list(arguments), None
    if "--key" in asked[:-1]:
        place = asked.index("--key")
        key = asked[place + 1].lower()
        del asked[place : place + 2]
    if len(asked) > 1 or any(a.startswith("-") for a in asked) or not re.fullmatch("[0-9a-f]{64}", key or "0" * 64):
        print((__doc__ or "").strip())
        return 0 if arguments in (["-h"], ["--help"]) else 2
    path = Path(asked[0]) if asked else Path(__file__).resolve().parent
    try:
        found = check(path, key)
    except Unreadable as error:
        print(f"check.py: {printable(str(path))}: {printable(str(error))}", file=sys.stderr)
        return 1
    for problem in found.problems:
        print(problem)
    for note in found.notes:
        print(printable(note))
    counted = f"{found.numbers} numbers recomputed, {found.scores} scores from predictions, "
    counted += f"{found.shown} places on the page, {found.hashes} hashes"
    if found.unread:
        counted += f"; {found.unread} numbers follow from a rule and were not recomputed"
    print(f"{counted}: " + (f"{len(found.problems)} problems" if found.problems else "all agree"))
    return 1 if found.problems else 0


def _run() -> int:
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the lines has seen enough of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"check.py: cannot go on ({type(error).__name__}: {reason(error)})", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(_run())
