"""The three official splits of UCF-101 and HMDB-51, read strictly: what does not add up is refused, with its line."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reeltrace.artifacts.formats import OFFICIAL_SPLITS
from reeltrace.artifacts.video_sets import Side
from reeltrace.errors import UserError

Layout = Literal["ucf101", "hmdb51"]
UCF_FOLDER = "ucfTrainTestlist"
HMDB_FOLDER = "testTrainMulti_7030_splits"
_HMDB_SIDES: dict[str, Side] = {"0": "unused", "1": "train", "2": "test"}


@dataclass(frozen=True)
class Splits:
    """Class names in label order, and for each video its label and its side in splits 1, 2 and 3.

    Videos are named by their path below `videos/`.
    """

    classes: tuple[str, ...]
    labels: dict[str, int]
    sides: dict[str, tuple[Side, Side, Side]]


def read_splits(layout: Layout, splits: Path, videos: Iterable[str], classes: int) -> Splits:
    """Read the official lists below `splits`; `videos` are the paths below `videos/` that are there.

    Raises UserError, naming the list, its line, what was found and what was expected, for a listed video that is not
    there, an unknown class, a video on both sides of a split or listed twice, a label that is not the class's, a
    malformed line, a list that is not there, and another number of classes than `classes`.
    """
    there = _Videos(layout, videos)
    found = _read_ucf(splits / UCF_FOLDER, there) if layout == "ucf101" else _read_hmdb(splits / HMDB_FOLDER, there)
    if len(found.classes) != classes:
        raise UserError(
            f"{splits}: {len(found.classes)} classes are listed, {classes} expected; correct `classes` of the dataset "
            "in params.yaml, or bring the official split files"
        )
    return found


def by_spelling(names: Iterable[str]) -> dict[str, list[str]]:
    """The names that differ in capitals only, under what they have in common."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.casefold(), []).append(name)
    return found


class _Videos:
    """The videos that are there, found by class and file name.

    The rule of spelling: a list may write a class folder or a file name with other capitals than the archive
    (UCF-101 has the class HandstandPushups with files v_HandStandPushups_...); that is the same video if and only if
    there is exactly one such file.
    """

    def __init__(self, layout: Layout, videos: Iterable[str]) -> None:
        self.prefix = "UCF-101/" if layout == "ucf101" else ""
        self.exact = set(videos)
        self.folded = by_spelling(self.exact)

    def find(self, where: str, label_class: str, name: str) -> str:
        """The path of a listed video. Raises UserError when there is none, or more than one by the rule."""
        wanted = f"{self.prefix}{label_class}/{name}"
        if wanted in self.exact:
            return wanted
        similar = self.folded.get(wanted.casefold(), [])
        if len(similar) == 1:
            return similar[0]
        if similar:
            raise UserError(f"{where}: {wanted} may be {' or '.join(sorted(similar))}; remove one of them")
        raise UserError(
            f"{where}: video {wanted} is listed but not there; bring the whole archive, or the lists that belong to it"
        )


class _Sides:
    """Collects the side of each video in one split after the other."""

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}
        self.places: list[dict[str, tuple[Side, str]]] = [{} for _ in OFFICIAL_SPLITS]

    def put(self, split: int, video: str, label: int, side: Side, where: str) -> None:
        before = self.places[split - 1].get(video)
        if before is not None:
            both = f"on both sides of split {split}" if before[0] != side else "listed twice"
            raise UserError(f"{where}: video {video} is {both}, first at {before[1]}; a video has one place in a split")
        self.places[split - 1][video] = (side, where)
        self.labels[video] = label

    def splits(self, classes: Sequence[str], there: _Videos) -> Splits:
        def side(split: int, video: str) -> Side:
            return self.places[split - 1][video][0] if video in self.places[split - 1] else "unused"

        for video in sorted(there.exact - self.labels.keys()):
            # in no list of any split: its folder still tells its class, if that is one
            folder = video.removeprefix(there.prefix).partition("/")[0]
            label = next((n for n, name in enumerate(classes) if name.casefold() == folder.casefold()), None)
            if label is None:
                raise UserError(f"videos/{video}: no list names this video, and its folder is no class; remove it")
            self.labels[video] = label
        return Splits(
            tuple(classes),
            dict(sorted(self.labels.items())),
            {video: (side(1, video), side(2, video), side(3, video)) for video in sorted(self.labels)},
        )


def _lines(path: Path) -> list[tuple[str, str]]:
    """("file:line", text) of each line that is not empty. Raises UserError for a missing or unreadable list."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such list; bring the official split files") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); bring the official split files") from None
    lines = [(f"{path}:{number}", line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [(where, line) for where, line in lines if line]


def _read_ucf(folder: Path, there: _Videos) -> Splits:
    names: list[str] = []
    for where, line in _lines(folder / "classInd.txt"):
        match = re.fullmatch(r"(\d+) (\w+)", line)
        if match is None or int(match[1]) != len(names) + 1 or match[2] in names:
            raise UserError(f"{where}: found {line!r}; expected the number {len(names) + 1} and a new class name")
        names.append(match[2])
    label_of = {name: label for label, name in enumerate(names)}
    collected = _Sides()
    sides: tuple[tuple[str, Side], ...] = (("train", "train"), ("test", "test"))
    for split in OFFICIAL_SPLITS:
        for kind, side in sides:
            for where, line in _lines(folder / f"{kind}list{split:02d}.txt"):
                match = re.fullmatch(r"(\w+)/(v_\w+_g\d+_c\d+\.avi)" + (r" (\d+)" if kind == "train" else ""), line)
                if match is None:
                    shape = "Class/v_Class_gNN_cNN.avi" + (" and the class's number" if kind == "train" else "")
                    raise UserError(f"{where}: found {line!r}; expected {shape}")
                name = match[1]
                if name not in label_of:
                    raise UserError(f"{where}: unknown class {name!r}; expected one of classInd.txt")
                if kind == "train" and int(match[3]) != label_of[name] + 1:
                    raise UserError(
                        f"{where}: class {name} has number {match[3]} here, {label_of[name] + 1} in classInd.txt"
                    )
                collected.put(split, there.find(where, name, match[2]), label_of[name], side, where)
    return collected.splits(names, there)


def _read_hmdb(folder: Path, there: _Videos) -> Splits:
    pattern = re.compile(r"(.+)_test_split([123])\.txt")
    lists = {}
    for path in sorted(folder.glob("*.txt")):
        match = pattern.fullmatch(path.name)
        if match is None:
            raise UserError(f"{path}: found another file; expected lists named <class>_test_split<1, 2 or 3>.txt only")
        lists[match[1], int(match[2])] = path
    if not lists:
        raise UserError(f"{folder}: no such lists; bring the official split files")
    names = sorted({name for name, _ in lists})
    folders = sorted({video.partition("/")[0] for video in there.exact})
    for name in folders:
        if name not in names:
            raise UserError(f"videos/{name}: unknown class; {folder} has no list {name}_test_split1.txt")
    collected = _Sides()
    for label, name in enumerate(names):
        for split in OFFICIAL_SPLITS:
            if (name, split) not in lists:
                raise UserError(f"{folder / f'{name}_test_split{split}.txt'}: no such list; bring the official files")
            for where, line in _lines(lists[name, split]):
                match = re.fullmatch(r"(\S.*\.avi) +([012])", line)
                if match is None:
                    raise UserError(f"{where}: found {line!r}; expected a file name and 0, 1 or 2")
                collected.put(split, there.find(where, name, match[1]), label, _HMDB_SIDES[match[2]], where)
    return collected.splits(names, there)
