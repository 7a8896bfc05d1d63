"""Verification: every hash, every link, every printed cell and the page itself, recomputed from what lies on disk.

A hash says that a file is the one that was recorded. It does not say that the record is honest: a file edited together
with its manifest passes. So numbers are also recomputed from what they were computed from: accuracies from stored
predictions, cells from metrics, the report from cells. That says something only of what is current: an artifact of
another spec, other code or other inputs is stale, whatever would be computed in its place today. Never imports torch.
"""

import contextlib
import json
import os
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from reeltrace.analysis.readings import output as readings_output
from reeltrace.analysis.stage import outputs as aggregate_outputs
from reeltrace.artifacts.files import reason_of, sha256_file
from reeltrace.artifacts.formats import (
    CELLS,
    FRAMES,
    HTML,
    JSON,
    METRICS,
    PREDICTIONS,
    READINGS,
    SCORES,
    TIMING,
)
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, RECEIPT, SPEC
from reeltrace.artifacts.protocol import check_outputs, file_entry, hash_large
from reeltrace.artifacts.runs import CHECKPOINTS, CLIP_LABEL, LABEL, VIDEO, on_test, predicted, score_for_dvc
from reeltrace.attest.check import ATTESTATION, against, check
from reeltrace.attest.names import ATTESTED
from reeltrace.errors import CheckFailed, Problem, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.points import load
from reeltrace.machine.affinity import processors
from reeltrace.registry.specs import AggregateSpec, ReadingSpec, ReportSpec
from reeltrace.report.document import build
from reeltrace.verify.belonging import Planned, leftovers, linked, misfits, strangers
from reeltrace.verify.bulk import check_share
from reeltrace.verify.history import course
from reeltrace.verify.nets_on_frames import times
from reeltrace.verify.problems import STALE, TAMPERED, short
from reeltrace.verify.published import NOT_PRINTED, as_printed
from reeltrace.verify.shares import Share
from reeltrace.verify.videos import stored

BROKEN = "broken chain"
UNBOUND, DIFFERS = "unbound number", "report differs from artifacts"
KINDS = (TAMPERED, STALE, BROKEN, UNBOUND, DIFFERS, NOT_PRINTED, ATTESTATION)
SMALL = 1_000_000  # bytes; larger files are hashed only on request
REPORT = "report/all"
REMADE = "`snakemake --cores all` makes it again"
TOLERANCE = 1e-6


def verify(
    root: Path,
    *,
    scale: str,
    data: bool | Share = False,
    standing: Mapping[str, str] | None = None,
    planned: Mapping[str, Planned] | None = None,
    only: Collection[str] | None = None,
    key: str | None = None,
    tell: Callable[[str], None] = lambda name: None,
) -> list[Problem]:
    """All problems of the artifacts below `root`/results/<scale>, none when everything agrees.

    `standing` says of each artifact of the registry why its own spec, code or inputs make it stale, and nothing ("")
    where they do not; without it all are taken for current. Of an artifact that is stale, or that the registry no
    longer has, only bytes and links are checked. With `data`, files over 1 MB are hashed too, or a share of them; of
    the others only the size is compared. `planned` says what each artifact of the registry is made of and leaves:
    manifests are held to it, and an artifact that it does not name is left over.

    With `only` some artifacts are looked at, and of the attestation what it says of these. `key` is the id of the
    key that must have attested the report. `tell` is called with the name of each artifact that is being checked.

    Paths in problems are relative to `root`. Raises `UserError` when there is nothing to verify.
    """
    results = root / "results" / scale
    folders = {
        f"{path.parent.parent.name}/{path.parent.name}": path.parent
        for path in sorted(results.glob(f"*/*/{MANIFEST}"))
        if not path.parent.name.startswith(".") and not path.parent.parent.name.startswith(".")
    }
    if only is not None:
        folders = {name: folder for name, folder in folders.items() if name in only}
    if not folders:
        raise UserError(f"{results}: no artifacts to verify; run `reeltrace run` or `snakemake --cores all` first")
    found: dict[str, list[Problem]] = {}
    whole = data is True or (isinstance(data, Share) and data.part == 1)
    limit = None if whole else SMALL
    sha256_of = hash_large(folders.values() if whole else (), processors())
    for name, folder in folders.items():
        tell(name)
        small = None if name == REPORT else limit  # the report is read whole anyway
        found[name] = _guarded(folder / MANIFEST, partial(check_outputs, folder, limit=small, sha256_of=sha256_of))
        found[name] += _guarded(folder / MANIFEST, partial(_links, name, folder, results))
        found[name] += _guarded(folder / MANIFEST, partial(strangers, folder))
        if planned is not None and name in planned and not (standing and standing.get(name)):
            found[name] += _guarded(folder / MANIFEST, partial(misfits, folder, planned[name]))
        if not found[name] and standing and (why := standing.get(name)):
            found[name] = [Problem(STALE, str(folder), why if ";" in why else f"{why}; {REMADE}")]
    if isinstance(data, Share) and not whole:
        for problem in check_share(folders.values(), data, SMALL):
            found["/".join(Path(problem.where).relative_to(results).parts[:2])].append(problem)
    below = _made_from(folders)
    stale = {name for name, of in found.items() if any(p.kind == STALE for p in of)}
    stale |= {name for name in folders if standing and standing.get(name)}
    reached = below(stale)
    for name in sorted(reached.keys() - stale):
        found[name].append(Problem(STALE, str(folders[name]), f"{reached[name]} is stale; {REMADE}"))
    altered = {name for name, of in found.items() if any(p.kind == TAMPERED for p in of)}
    # What was computed from altered files would be computed otherwise today, and is not what was altered.
    unfit = {*stale, *reached, *below(altered), *(folders.keys() - (standing or folders).keys())}
    # What a linked folder holds was checked all the same, so that it is one makes nothing below unfit.
    problems = [*linked(folders.values()), *(problem for of in found.values() for problem in of)]
    endless = {path.parent: path for folder in folders.values() for path in _endless(folder)}
    problems += [Problem(TAMPERED, str(path), "not a file") for path in endless.values()]
    for name, folder in folders.items():
        if name in unfit or folder in endless or (endless and name.split("/")[0] in ("aggregate", "reading", "report")):
            continue  # these: whoever opened it would wait for ever
        tell(name)
        said = _contents(name, folder, results, root)
        problems += [p for p in said if p.kind != BROKEN or name not in altered]  # that it is altered has been said
    if only is not None:
        attestation = check(results / ATTESTED)
        problems += attestation.problems
        problems += against(attestation, root, scale, stale.union(reached).__contains__, only)
    else:
        problems += _beside(root, scale, folders, planned, stale.union(reached).__contains__, key)
    return [Problem(p.kind, _relative(p.where, root), p.found) for p in dict.fromkeys(problems)]


def _beside(
    root: Path,
    scale: str,
    folders: Mapping[str, Path],
    planned: Mapping[str, Planned] | None,
    is_stale: Callable[[str], bool],
    key: str | None,
) -> list[Problem]:
    """What concerns no artifact alone: what is left over, what is printed where, and who attested it."""
    results = root / "results" / scale
    problems = [] if planned is None else _guarded(results, partial(leftovers, results, folders, planned, STALE))
    problems += _guarded(root / DOCUMENTS, partial(as_printed, root))
    if REPORT not in folders:
        problems.append(Problem(BROKEN, str(results / REPORT), "there is no report; run `reeltrace run report all`"))
    attestation = check(results / ATTESTED, key)
    return [*problems, *attestation.problems, *against(attestation, root, scale, is_stale)]


def _contents(name: str, folder: Path, results: Path, root: Path) -> list[Problem]:
    """What a current artifact says, recomputed from what it was computed from."""
    stage = name.split("/")[0]
    checks: list[tuple[str, Callable[[], list[Problem]]]] = []
    if stage == "train":
        checks = [(METRICS, partial(_scores, folder, results)), (METRICS, partial(_further, folder))]
        checks.append((METRICS, partial(course, folder)))
    elif stage == "timing":
        checks = [(TIMING, partial(times, folder, results))]
    elif stage == "data":
        checks = [(SPEC, partial(_dataset, folder))]
    elif stage == "frames":
        checks = [(FRAMES.name, partial(stored, folder, results))]
    elif stage == "measure":
        checks = [(METRICS, partial(_measured, folder))]
    elif stage == "aggregate":
        checks = [(CELLS, partial(_cells, folder, results, root))]
    elif stage == "reading":
        checks = [(READINGS, partial(_read, folder, results, root))]
    elif name == REPORT:
        checks = [(HTML, partial(_report, folder, results, root))]
    return [problem for file, check in checks for problem in _guarded(folder / file, check)]


def _made_from(folders: Mapping[str, Path]) -> Callable[[Iterable[str]], dict[str, str]]:
    """A function from artifacts to all that were made from them, as manifests say, each with the input that leads."""
    readers: dict[str, set[str]] = {}
    for name, folder in folders.items():
        with contextlib.suppress(CheckFailed, KeyError, TypeError):  # one without inputs has been named as such
            for other in read_json(folder / MANIFEST)["inputs"]:
                readers.setdefault(other, set()).add(name)

    def below(names: Iterable[str]) -> dict[str, str]:
        reached: dict[str, str] = {}
        waiting = sorted(names)
        for name in waiting:  # grows while it is read
            new = sorted(readers.get(name, set()) - reached.keys())
            reached.update(dict.fromkeys(new, name))
            waiting += new
        return reached

    return below


def _relative(where: str, root: Path) -> str:
    return Path(where).relative_to(root).as_posix() if Path(where).is_relative_to(root) else where


def _guarded(where: Path, check: Callable[[], list[Problem]]) -> list[Problem]:
    """A check that cannot be carried out is a problem too: a file is missing, or its content is not what it was.

    Whatever stands in an edited file must not stop the checks of the others.
    """
    try:
        return check()
    except (CheckFailed, UserError) as error:
        return [Problem(BROKEN, str(where), str(error))]
    except OSError as error:
        return [Problem(BROKEN, str(error.filename or where), f"cannot be read ({reason_of(error)})")]
    except Exception as error:
        what = f"cannot be checked, a field is not what it should be ({type(error).__name__}: {error})"
        return [Problem(TAMPERED, str(where), what)]


def _endless(folder: Path) -> list[Path]:
    """Pipes, sockets and devices in an artifact's folder."""
    found = []
    for path in sorted(folder.iterdir()) if os.access(folder, os.R_OK) else ():
        with contextlib.suppress(OSError):  # a link that leads nowhere, named where it is missing
            mode = path.stat().st_mode
            if not (S_ISREG(mode) or S_ISDIR(mode)):
                found.append(path)
    return found


def _links(name: str, folder: Path, results: Path) -> list[Problem]:
    """The manifest is this artifact's, and each input it names is still the one that it was made from."""
    manifest = read_json(folder / MANIFEST)
    where = str(folder / MANIFEST)
    if f"{manifest.get('stage')}/{manifest.get('key')}" != name:
        return [Problem(TAMPERED, where, f"says that it is {manifest.get('stage')}/{manifest.get('key')}")]
    problems = []
    inputs = manifest.get("inputs")
    for other, entry in sorted(inputs.items() if isinstance(inputs, dict) else ()):
        path = results / other / MANIFEST
        if not path.is_file():
            problems.append(Problem(BROKEN, where, f"its input {other} is missing"))
        elif sha256_file(path) != entry.get("sha256"):
            problems.append(Problem(STALE, where, f"its input {other} has changed since; {REMADE}"))
        elif entry != file_entry(path):
            problems.append(Problem(TAMPERED, where, f"what it records of its input {other} is not so"))
    # `receipt.json` may differ between two runs, so nothing can recompute it; it must be there and be JSON.
    if not isinstance(read_json(folder / RECEIPT), dict):
        problems.append(Problem(TAMPERED, str(folder / RECEIPT), "is not a receipt"))
    return problems


# --- one run ---


def _further(folder: Path) -> list[Problem]:
    """What a net found beside its scores, as its kind checks it."""
    further = ARCHITECTURES.get(read_json(folder / SPEC)["model"]["architecture"]).further
    found: list[Problem] = [] if further is None else load(further.check)(folder)
    return found


def _scores(folder: Path, results: Path) -> list[Problem]:
    """Predictions, metrics and scores of one run agree, and the labels are those of its test set.

    A run on videos has both of videos and of the clips cut from them.
    """
    metrics, scores, spec = (read_json(folder / name) for name in (METRICS, SCORES, SPEC))
    path = folder / PREDICTIONS
    try:
        with np.load(path, allow_pickle=False) as stored:
            predictions = {name: stored[name] for name in stored.files}
        label = predictions[LABEL]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return [Problem(TAMPERED, str(path), "not readable as predictions")]
    problems = []
    try:
        for checkpoint in CHECKPOINTS:
            for transform in spec["evaluation"]:
                place = on_test(checkpoint, transform)
                problems += _score(folder, metrics, place, predictions[predicted(checkpoint, transform)], label)
                if spec.get("video"):
                    clips = predictions[predicted(checkpoint, transform, clips=True)]
                    problems += _score(folder, metrics, (*place, "clip"), clips, predictions[CLIP_LABEL])
        for name, value in scores.items():
            expected = score_for_dvc(metrics, name)
            if abs(float(value) - expected) > TOLERANCE:
                problems.append(
                    Problem(TAMPERED, str(folder / SCORES), f"/{name} is {value}, {METRICS} says {expected}")
                )
        problems += _agreements(folder, metrics, predictions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [*problems, Problem(TAMPERED, str(folder / METRICS), f"its fields are not those of a run ({error})")]
    if spec.get("video"):
        of_clips, video = predictions[CLIP_LABEL], predictions[VIDEO]
        if video.shape != of_clips.shape or (label[video] != of_clips).any():
            problems.append(Problem(TAMPERED, str(path), "the labels of its clips are not those of their videos"))
    return problems + _of_its_set(folder, results, spec, metrics, predictions)


def _of_its_set(folder: Path, results: Path, spec: Any, metrics: Any, predictions: dict[str, Any]) -> list[Problem]:
    """Labels and counts of a run are those of its dataset, as the kind of that checks them."""
    path = results / "data" / spec["dataset"] / SPEC
    trained = DATASETS.get(read_json(path)["kind"]).trained if path.is_file() else None
    found: list[Problem] = [] if trained is None else load(trained.check)(folder, results, spec, metrics, predictions)
    return found


def _measured(folder: Path) -> list[Problem]:
    """What a measurement says of itself is so, as its kind recomputes it; some kinds have nothing to recompute."""
    asked, metrics = read_json(folder / SPEC)["measurement"], read_json(folder / METRICS)
    check = MEASUREMENTS.get(asked["kind"]).check
    if check is None:
        return []
    return [Problem(TAMPERED, str(folder / file), found) for file, found in check(folder, asked, metrics)]


def _score(folder: Path, metrics: Any, place: tuple[str, ...], predicted: Any, label: Any) -> list[Problem]:
    score = metrics
    for token in place:
        score = score[token]
    correct, total = int((predicted == label).sum()), len(label)
    expected = {"correct": correct, "total": total, "top1": 100 * correct / total}
    return [
        Problem(
            TAMPERED,
            str(folder / METRICS),
            f"/{'/'.join(place)}/{name} is {score[name]}, the predictions give {value:.10g}",
        )
        for name, value in expected.items()
        if abs(score[name] - value) > TOLERANCE
    ]


def _agreements(folder: Path, metrics: Any, predictions: dict[str, Any]) -> list[Problem]:
    """The share of clips that keep their class under a transform, from predictions. (Relative errors need logits.)"""
    problems = []
    clips = CLIP_LABEL in predictions
    for checkpoint, by_transform in metrics["equivariance"].items():
        for transform, entry in by_transform.items():
            before, after = (predictions[predicted(checkpoint, name, clips=clips)] for name in ("original", transform))
            same = before == after
            expected = 100 * float(same.mean())
            if abs(entry["agreement"] - expected) > TOLERANCE:
                where = f"/equivariance/{checkpoint}/{transform}/agreement"
                found = f"{where} is {entry['agreement']}, the predictions give {expected:.10g}"
                problems.append(Problem(TAMPERED, str(folder / METRICS), found))
    return problems


# --- datasets ---


def _dataset(folder: Path) -> list[Problem]:
    """What a dataset says of itself is so, as its kind checks it; some kinds have nothing to recompute."""
    check = DATASETS.get(read_json(folder / SPEC)["kind"]).check
    return [] if check is None else _guarded(folder / check.file, partial(load(check.by), folder))


# --- tables and report ---


def _spec(folder: Path, model: Any) -> Any:
    try:
        return TypeAdapter(model).validate_python(read_json(folder / SPEC))
    except ValidationError as error:
        raise CheckFailed(f"not a spec of this stage ({error.errors()[0]['msg']})") from None


def _inputs(folder: Path, results: Path) -> dict[str, Path]:
    return {name: results / name for name in read_json(folder / MANIFEST)["inputs"]}


def _cells(folder: Path, results: Path, root: Path) -> list[Problem]:
    """Aggregate again, and compare."""
    texts = aggregate_outputs(_spec(folder, AggregateSpec), _inputs(folder, results), root)
    problems = []
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() == text.encode():
            continue  # a missing file was reported with its manifest
        if name != CELLS:
            problems.append(Problem(TAMPERED, str(path), "the histories of its runs give another text"))
            continue
        problems.append(Problem(TAMPERED, str(path), _first_difference(read_json(path), json.loads(text))))
    return problems


def _read(folder: Path, results: Path, root: Path) -> list[Problem]:
    """Make what is found under readings again, and compare."""
    text = readings_output(_spec(folder, ReadingSpec), _inputs(folder, results), root)
    path = folder / READINGS
    if not path.is_file() or path.read_bytes() == text.encode():
        return []
    return [Problem(TAMPERED, str(path), _first_difference(read_json(path), json.loads(text)))]


def _first_difference(stored: Any, computed: Any, path: str = "") -> str:
    if isinstance(stored, dict) and isinstance(computed, dict) and set(stored) == set(computed):
        for key in sorted(stored):
            if stored[key] != computed[key]:
                return _first_difference(stored[key], computed[key], f"{path}/{key}")
    if isinstance(stored, list) and isinstance(computed, list) and len(stored) == len(computed):
        for index, (left, right) in enumerate(zip(stored, computed, strict=True)):
            if left != right:
                return _first_difference(left, right, f"{path}/{index}")
    return f"{path or '/'} is {short(stored)}, its sources give {short(computed)}"


def _report(folder: Path, results: Path, root: Path) -> list[Problem]:
    """Build the report again; compare bytes, and name each number on the page that its artifact does not give."""
    rebuilt = build(_spec(folder, ReportSpec), _inputs(folder, results), root)
    problems = []
    for name, text in ((JSON, rebuilt.json), (HTML, rebuilt.html)):
        path = folder / name
        if not path.is_file() or path.read_bytes() == text.encode():
            continue
        if name == HTML:
            page = path.read_text(encoding="utf-8", errors="replace")
            problems += rebuilt.binder.check(page, str(path))
            found = f"line {_first_line(page, text)} is not what the artifacts give"
        else:
            found = _first_difference(read_json(path), json.loads(text))
        problems.append(Problem(DIFFERS, str(path), f"{found}; run `reeltrace run report all`"))
    return problems


def _first_line(stored: str, computed: str) -> int:
    lines = zip(stored.splitlines(), computed.splitlines(), strict=False)
    return next((number for number, (a, b) in enumerate(lines, start=1) if a != b), 1 + stored.count("\n"))
