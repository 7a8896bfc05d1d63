"""The stage `data` for a set of videos in a folder that the user names, such as Kinetics: its lists, checked.

The videos stay where they are. Each side has a list, `train.txt` and `validation.txt`, with lines `path class`: the
path of a video below the folder, and after the last space the name of its class.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.formats import ABOUT, LISTED_INDEX
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.video_sets import about_set
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.kinds.datasets.videos import VideosSpec

LISTS = {"train": "train.txt", "test": "validation.txt"}  # the validation set of the document is what tests a net


def run(spec: "VideosSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `index.csv` and `about.json` of the videos that the two lists in `spec.folder` name.

    The index has a row per video, sorted by label and path, with its side in split 1; it is in no other split. Raises
    UserError with the file, the line and what was expected.
    """
    assert spec.folder is not None
    folder = Path(spec.folder).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"datasets.{spec.key}.folder in params.yaml: {folder} is no folder; name the one that holds the videos, "
            f"{' and '.join(LISTS.values())}"
        )
    sides: dict[str, tuple[str, str]] = {}
    for side, name in LISTS.items():
        for number, (video, label) in read_list(folder / name).items():
            if video in sides:
                raise UserError(f"{folder / name} line {number}: {video} is listed twice; keep it on one side, once")
            if not (folder / video).is_file():
                raise UserError(
                    f"{folder / name} line {number}: {video} is not there; bring it, or take it off the list"
                )
            sides[video] = (label, side)
    classes = sorted({label for label, _ in sides.values()})
    if len(classes) != spec.classes:
        raise UserError(
            f"{folder}: its lists name {len(classes)} classes, expected {spec.classes}; correct the lists, or "
            f"datasets.{spec.key}.classes in params.yaml"
        )
    for side, name in LISTS.items():
        bare = set(classes) - {label for label, where in sides.values() if where == side}
        if bare:
            raise UserError(f"{folder / name}: no video of class {min(bare)}; both lists need every class")
    total = _write_index(folder, sides, classes, work)
    about = about_set(
        spec.layout,
        f"the videos listed in the folder of {spec.key}",
        "as its owner says",
        "none given",
        classes,
        [(side, "unused", "unused") for _, side in sides.values()],
        total,
    )
    write_json(work / ABOUT, about)
    return {"folder": str(folder)}


def read_list(path: Path) -> dict[int, tuple[str, str]]:
    """(path, class) by the number of its line. Raises UserError naming the line that is not one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: no such list; write a line `path class` for each video of this side") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        video, _, label = line.strip().rpartition(" ")
        video = video.strip()
        if not video:
            raise UserError(f"{path} line {number}: found {line.strip()[:60]!r}; expected `path class`")
        parts = PurePosixPath(video)
        if parts.is_absolute() or ".." in parts.parts or parts.as_posix() != video:
            raise UserError(f"{path} line {number}: {video[:60]!r} leaves the folder; expected a plain path below it")
        found[number] = (video, label)
    if not found:
        raise UserError(f"{path}: names no video; write a line `path class` for each video of this side")
    return found


def _write_index(folder: Path, sides: Mapping[str, tuple[str, str]], classes: list[str], work: Path) -> int:
    """Write the index; the number of bytes of all videos."""
    total = 0
    rows = []
    for video in sorted(sides, key=lambda name: (sides[name][0], name)):
        label, side = sides[video]
        size = (folder / video).stat().st_size
        total += size
        rows.append([video, label, classes.index(label), side, "unused", "unused", size])
    LISTED_INDEX.write(work, rows)
    return total
