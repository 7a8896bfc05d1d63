"""`dvc commit -f --no-relink` of many stages at once.

Usage: python -m reeltrace.pipeline.dvc_commit [--wait SECONDS] STAGE...

DVC's own command takes its targets one after another: for each it reads the project and writes dvc.lock anew, which
for a hundred stages takes minutes. Here the stages are saved and committed as there, and dvc.lock is written once.
A stage that did not change, and whose outputs the cache has, is left alone.

DVC empties dvc.lock and its rwlock file and then writes them, for seconds; whoever is killed there, or finds the disk
full, leaves half a file that no command of DVC reads any more. Here dvc.lock is written beside and renamed, the rwlock
file is not written at all, and what others tore is mended first. Nothing is asked of git: a tree without it, and
results behind a link, which git cannot look into, are recorded as well.
"""

import argparse
import bisect
import json
import os
import re
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from dvc import dvcfile, rwlock
from dvc.dependency import param
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import SCM, SCMError
from dvc.utils.serialize import dumps_yaml, parse_yaml

from reeltrace.artifacts.files import atomic_write, free_name
from reeltrace.errors import UserError

BUSY = 75  # another DVC process is at work; the same call may succeed later
POLL = 0.5  # seconds between two tries
SCHEMA = "2.0"
HEADER = f"schema: '{SCHEMA}'\nstages:\n"


def commit(repo: Repo, names: Sequence[str]) -> None:
    """Record what the stages' outputs, dependencies and parameters are now. `repo` is locked. Raises DvcException."""
    wanted = set(names)
    stages = [stage for stage in repo.index.stages if stage.addressing in wanted]
    changed = [s for s in stages if s.changed() or any(out.changed_cache() for out in s.outs)]
    for stage in changed:
        stage.save()
        stage.commit(relink=False)
    if changed:
        changed[0].dvcfile.dump_stages(changed, update_pipeline=False)


# --- files that are whole or not there ---


@contextmanager
def modify_whole(path: str, fs: Any = None) -> Iterator[Any]:
    """As DVC's `modify_yaml`, but the file is replaced by one rename, and read by the quicker parser."""
    file = Path(path).resolve()
    data = parse_yaml(file.read_text(encoding="utf-8"), path) if file.is_file() else {}
    yield data
    with atomic_write(file, "w") as handle:
        handle.write(dumps_yaml(data))


def private_rwlock() -> Callable[..., Any]:
    """DVC's table of files in use, kept in memory: whoever writes it holds the repository's lock, and we hold that."""
    table: dict[str, Any] = {}

    @contextmanager
    def edit(*_: Any) -> Iterator[dict[str, Any]]:
        table["read"] = defaultdict(list, table.get("read", {}))
        table["write"] = defaultdict(dict, table.get("write", {}))
        yield table

    return edit


def mend_lockfile(path: Path, aside: Path) -> str:
    """Keep the whole entries of a dvc.lock that somebody tore, and say so; "" where there is nothing to mend.

    The torn file is put `aside`, or beside those that lie there. Raises UserError for what another version of DVC
    wrote, and where a merge left its marks: then there is a choice to make.
    """
    if not path.is_file():
        return ""
    data = path.read_bytes()
    text = data.decode(errors="replace")
    if _is_whole(text, str(path)):
        return ""
    if re.search(r"^(<{7} |={7}$|>{7} )", text, re.MULTILINE):
        raise UserError(f"{path.name}: holds the marks of a merge; settle it with git, then run `reeltrace sync`")
    if how := _of_another_dvc(text, str(path)):
        raise UserError(
            f"{path.name}: of another version of DVC ({how}) and left as it is; record with that version, or move the "
            "file away and run `reeltrace sync`"
        )
    blocks = re.split(r"^  (?=\S)", text, flags=re.MULTILINE)[1:]
    entries = [HEADER, *(f"  {block}" for block in blocks[:-1])]
    # from the first on, since one may refer to another before it: the number of which the text makes sense
    kept = bisect.bisect(range(1, len(entries)), False, key=lambda n: not _is_whole("".join(entries[: n + 1]), ""))
    if aside.exists() and aside.read_bytes() != data:
        aside = free_name(aside)
    with atomic_write(aside) as handle:
        handle.write(data)
    if kept:
        with atomic_write(path, "w") as handle:
            handle.write("".join(entries[: kept + 1]))
    else:
        path.unlink()
    return f"{path.name} was torn; {kept} whole entries were kept, the rest is recorded anew ({aside})"


def _is_whole(text: str, path: str) -> bool:
    try:
        return text.endswith("\n") and bool(dvcfile.Lockfile.validate(parse_yaml(text, path), path))
    except DvcException:
        return False


def _of_another_dvc(text: str, path: str) -> str:
    """By what a dvc.lock that this DVC does not read shows that another version wrote it; "" if it does not."""
    stated = re.search(r"^schema:[ ]*(['\"]?)([\w.-]+)\1[ ]*\n", text, re.MULTILINE)
    if stated and stated[2] != SCHEMA:
        return f"its schema is {stated[2]}, this one reads {SCHEMA}"
    try:
        data = parse_yaml(text, path)
    except DvcException:
        return ""
    if isinstance(data, dict) and data and "schema" not in data:
        return "it states no schema"
    try:
        dvcfile.Lockfile.SCHEMA(data)
    except rwlock.Invalid as error:
        unknown = [each for each in getattr(error, "errors", ()) if each.msg == "extra keys not allowed"]
        if unknown and text.endswith("\n"):
            return f"this one does not know {'.'.join(map(str, unknown[0].path))}"
    return ""


def mend_rwlock(path: Path) -> str:
    """Remove a torn table of files in use, and say so; a whole one names the processes that work. "" if all is well.

    Raises LockError where another DVC process works: its files are not ours to record, and holding DVC's lock for
    long would make it fail.
    """
    if not path.is_file():
        return ""
    try:
        table = rwlock.SCHEMA(json.loads(path.read_bytes()))
    except (ValueError, rwlock.Invalid):
        path.unlink()
        return f"{path} was torn; removed"
    users = [*table["write"].values(), *(user for users in table["read"].values() for user in users)]
    for user in users:
        if user["pid"] != os.getpid() and psutil.pid_exists(user["pid"]):
            raise LockError(f"`{user['cmd']}` (process {user['pid']}) is at work")
    return ""


# --- the command ---


def record(repo: Repo, names: Sequence[str]) -> None:
    """Mend what is torn, then commit, under DVC's lock. Raises LockError while another DVC process works."""
    tmp = Path(repo.tmp_dir)
    with lock_repo(repo):
        for note in (
            mend_rwlock(tmp / rwlock.RWLOCK_FILE),
            mend_lockfile(Path(repo.root_dir, dvcfile.LOCK_FILE), tmp / f"{dvcfile.LOCK_FILE}.torn"),
        ):
            if note:
                print(f"NOTE: {note}")
        commit(repo, names)


def _note_on_git(repo: Repo) -> None:
    """DVC's own commands refuse where there is no git; say how they work."""
    if repo.config["core"].get("no_scm"):
        return
    try:
        SCM(repo.root_dir).close()
    except SCMError:
        print("NOTE: no git repository here; for DVC's own commands: dvc config --local core.no_scm true")


def _holder(repo: Repo) -> str:
    try:
        return f"process {int(Path(repo.tmp_dir, 'lock').read_text())} holds DVC's lock"
    except (OSError, ValueError):
        return "another process holds DVC's lock"


def main(arguments: Sequence[str]) -> int:
    """Commit in the current folder; 1 and the reason on standard error when DVC refuses, `BUSY` when DVC is at work."""
    parser = argparse.ArgumentParser(prog="python -m reeltrace.pipeline.dvc_commit")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for another DVC process")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(arguments)
    param.load_path = cache(param.load_path)  # DVC parses params.yaml three times per stage
    dvcfile.modify_yaml = modify_whole
    rwlock._edit_rwlock = private_rwlock()
    deadline = time.monotonic() + asked.wait
    try:
        with Repo(scm=SCM(".", no_scm=True)) as repo:
            _note_on_git(repo)
            while True:
                try:
                    record(repo, asked.names)
                    return 0
                except LockError as error:
                    if time.monotonic() >= deadline:
                        reason = str(error) if "is at work" in str(error) else _holder(repo)
                        print(f"ERROR: {reason}", file=sys.stderr)
                        return BUSY
                time.sleep(POLL)
    except (DvcException, UserError) as error:
        print(f"ERROR: {' '.join(str(error).split())}", file=sys.stderr)
    except sqlite3.Error as error:  # of the databases that DVC keeps of files and their hashes
        print(f"ERROR: .dvc/tmp: {' '.join(str(error).split())}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"ERROR: {where}{error.strerror or error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
