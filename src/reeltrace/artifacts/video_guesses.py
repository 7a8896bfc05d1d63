"""What a network holds for likely in each video of a set, and how often that is right: its file, and the counts."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from reeltrace.artifacts.files import read_whole

GUESSES = "guesses.csv"
COLUMNS = ("set", "video", "truth", "guesses")
KEPT = 5  # guesses of a video, the likeliest first


class Guess(NamedTuple):
    """A video of a set, the number of its class, and those that it was taken for, the likeliest first."""

    of: str
    video: str
    truth: int
    guesses: tuple[int, ...]


def write_guesses(path: Path, guesses: Iterable[Guess]) -> None:
    """A line per video."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([each.of, each.video, each.truth, " ".join(map(str, each.guesses[:KEPT]))] for each in guesses)
    path.write_text(text.getvalue(), encoding="utf-8")


def read_guesses(path: Path) -> list[Guess]:
    """The lines of such a file. Raises ValueError where it is no such file."""
    rows = list(csv.reader(read_whole(path).decode().splitlines()))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"{path}: not {', '.join(COLUMNS)}")
    return [Guess(of, video, int(truth), tuple(map(int, found.split()))) for of, video, truth, found in rows[1:]]


def counted(path: Path) -> dict[str, dict[str, Any]]:
    """Per set: of `total` videos how many are `correct` at first (top1) and within five guesses (top5), in percent."""
    sets: dict[str, list[Guess]] = {}
    for each in read_guesses(path):
        sets.setdefault(each.of, []).append(each)
    return {
        name: {
            f"top{within}": score(sum(each.truth in each.guesses[:within] for each in found), len(found))
            for within in (1, KEPT)
        }
        for name, found in sets.items()
    }


def score(correct: int, total: int) -> dict[str, Any]:
    """A share of a test set, as metrics.json has it."""
    return {"correct": correct, "total": total, "percent": 100 * correct / total}
