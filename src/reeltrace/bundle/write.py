"""A zip of the results with what checks it: equal results give an equal zip."""

import contextlib
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from reeltrace.artifacts.files import atomic_write, named
from reeltrace.artifacts.json_values import canonical_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.bundle import check
from reeltrace.errors import CheckFailed, UserError

SCHEMA = "reeltrace-bundle/1"
MARK = SCHEMA.encode()  # the comment of the zip, by which a bundle is known as one that may be replaced
ATTESTED = "attested"
TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say

README = """\
Results of Reeltrace at the scale {scale}.

results/{scale}/report/all/report.html   the report; it opens in a browser, without a network, and checks itself
results/{scale}/report/all/report.json   the same for machines
results/{scale}/STAGE/KEY/               every artifact behind it: manifest, receipt, spec, and its small files
results/{scale}/attested/                who signed the report, where it was signed
bundle.json                              the bulk files that are not in this zip
check.py                                 checks all of it: python check.py (Python 3.9 or later, nothing to install)

Unpacked or not: `python check.py` in the unpacked folder, or `python check.py FILE.zip` with a check.py from elsewhere,
which is the better way where you do not trust whoever gave you the zip.
"""


def write_bundle(root: Path, scale: str, asked: Path) -> Path:
    """Write the bundle of `root`/results/`scale` to `asked`, a file or a folder for it, and check what was written.

    Returns the file. Raises `UserError` where there is no report, where the place is among the results or something
    else lies in it, and `CheckFailed` where the results do not agree with each other: the bundle is then written all
    the same.
    """
    results = root / "results" / scale
    if not (results / check.REPORT / MANIFEST).is_file():
        raise UserError(f"{results / check.REPORT}: no report yet; run: snakemake --cores all")
    target = asked / f"reeltrace-{scale}.zip" if asked.is_dir() else asked
    if target.resolve().is_relative_to((root / "results").resolve()):
        raise UserError(
            f"{target}: lies among the results, where `reeltrace verify` would name it; choose another place with -o"
        )
    _refuse_others(target)
    left_out: list[str] = []
    with atomic_write(target) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.comment = MARK
        for name, path in sorted(_files(root, results, left_out)):
            with named(path):
                _add(archive, name, path.read_bytes())
        _add(archive, check.LEFT_OUT, canonical_json({"schema": SCHEMA, "left_out": sorted(left_out)}).encode())
        _add(archive, "README.txt", README.format(scale=scale).encode())
        _add(archive, "check.py", Path(check.__file__).read_bytes())
    try:
        problems = check.check(target).problems
    except check.Unreadable as error:
        raise CheckFailed(f"{target}: was written and cannot be checked ({error}); try again") from None
    if problems:
        raise CheckFailed(
            f"{target}: was written, but the results in it do not agree: {problems[0]}; {len(problems)} such "
            "problem(s), `reeltrace verify` names them"
        )
    return target


def _refuse_others(target: Path) -> None:
    """Only a bundle is replaced."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise UserError(f"{target}: not a file; name another one with -o")
    if mode and target.stat().st_size:
        with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(target) as archive:
            if archive.comment == MARK:
                return
        raise UserError(f"{target}: is there and is no bundle; move it away, or name another file with -o")


def _files(root: Path, results: Path, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    """Names in the zip with the files: of each artifact what its manifest names and is small, and what attests it."""
    for path in sorted(results.glob(f"*/*/{MANIFEST}")):
        folder = path.parent
        if folder.name.startswith(".") or folder.parent.name.startswith("."):
            continue
        for file in sorted(folder.iterdir()):
            name = file.relative_to(root).as_posix()
            if file.name.startswith(".") or file.name == "scratch":
                continue
            if file.is_dir():
                left_out.append(f"{name}/")
            elif file.is_file() and (file.stat().st_size <= check.BULK or folder.parent.name == "report"):
                yield name, file
            elif file.is_file():
                left_out.append(name)
    attested = results / ATTESTED
    for file in sorted(attested.rglob("*")) if attested.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):
            yield file.relative_to(root).as_posix(), file


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, TIME)
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.create_system = 3
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)
