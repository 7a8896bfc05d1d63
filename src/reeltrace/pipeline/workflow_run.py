"""What a run of the Snakefile does before its first job and after its last: recover, and record with DVC.

What has been computed and checked is a success. Recording it with DVC is a second step: it waits, is skipped with one
line where it cannot be, and the next run makes up for it, whether or not that one has jobs. Snakemake has no hook for
"nothing to be done", so the end of the process is used.
"""

import atexit
import base64
import contextlib
import errno
import fcntl
import logging
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psutil

from reeltrace.artifacts.files import free_name, in_one_line
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.protocol import check_outputs
from reeltrace.errors import CheckFailed, UserError
from reeltrace.machine import variables
from reeltrace.pipeline.graph import RESULTS, Graph, Node
from reeltrace.pipeline.standings import (
    MISMATCH,
    Standing,
    bring_back_times,
    incomplete,
    looks_current,
    order_times,
    standings,
    unrecorded,
)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KILLED = "a run was killed here and left its lock behind"
WAIT_AT_END = 5.0  # seconds that a run without jobs waits for other DVC processes
TOO_LITTLE = 2**20  # bytes: a disk with less free is full
LONG_AGO = 946_684_800 * 10**9  # ns; of no file of a project, and one that every file system can note


class WorkflowRun:
    """One process of Snakemake that reads the Snakefile, from the reading to its end.

    `folder` is Snakemake's own, `.snakemake`. Everything happens in the main process alone, nothing in those of jobs.
    """

    def __init__(self, plan: Graph[Any], workflow: Any, folder: Path = Path(".snakemake")) -> None:
        self.plan, self.workflow = plan, workflow
        self.recorded = False
        self.presence: Presence | None = None
        if not workflow.is_main_process:
            return
        try:
            self.presence = Presence(folder)
            if self.presence.alone():
                if _remove_stale_locks(folder, self.presence):
                    aside = "".join(f", {log} put aside" for log in self._keep_logs())
                    _say(f"{KILLED}; no other run is alive, so the lock was removed{aside}")
                self._agree(folder)
            else:
                _name_holders(self.presence)
            self.presence.stay()
        except OSError as error:  # a folder that cannot be written: Snakemake itself will say what it needs
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                logging.raiseExceptions = False  # Snakemake's log lies there too
                raise UserError(
                    f"{error.filename or folder}: the disk is full, and Snakemake keeps its records there; free some "
                    "space and run the same command again"
                ) from None
            _say(f"could not look for runs that were killed: {in_one_line(error)}")
            self.presence = None
        atexit.register(self.end)

    def explain_failure(self) -> None:
        """After a job failed: say what its log could not, where the log lies on a disk that is full."""
        for folder in dict.fromkeys((self.plan.root / RESULTS, self.plan.root)):
            with contextlib.suppress(OSError):
                if shutil.disk_usage(folder).free < TOO_LITTLE:
                    _say(f"{folder}: the disk is full; free some space and run the same command again")
                    return

    def _keep_logs(self) -> list[Path]:
        """Put aside the logs of what a killed run did not finish: Snakemake removes the log of a job that it starts.

        A leaf that lives on keeps writing to the one put aside.
        """
        kept = []
        for task in self.plan:
            log = self.plan.root / task.folder.parents[1] / "logs" / f"{task.stage}-{task.key}.log"
            with contextlib.suppress(FileNotFoundError):
                manifest = self.plan.root / task.manifest
                if manifest.is_file() and manifest.stat().st_mtime_ns >= log.stat().st_mtime_ns:
                    continue
                kept.append(log.rename(free_name(log)))
        return kept

    def _agree(self, folder: Path) -> None:
        """Let Snakemake see what is current, stale and no longer whole, whoever made it.

        It takes an input with a later time for unchanged where the checksum is that of its own last run; but DVC may
        have made the artifact of another one since. So its records of stale artifacts are dropped: the time decides.

        It knows of the manifests alone. Where a file behind one is gone, the manifest is kept, with a time before that
        of its inputs: so the artifact is made again, unless the file comes back first. The same is done where a stale
        one looks newer than all that it is made of: a file was put back with its old time, or the artifact's time lay
        in the future.

        What it marked as unfinished, and could not take back on a full disk or when it was killed, it would make again;
        but an artifact stands in its place only once it is whole.
        """
        gone, ahead = incomplete(self.plan), bring_back_times(self.plan)
        marked = [task for task in self.plan if _record_of(folder, task.manifest, "incomplete").is_file()]
        if ahead:
            more = f" (and {len(ahead) - 1} more)" if ahead[1:] else ""
            _say(f"{ahead[0]}{more}: dated in the future; set to now")
        found = standings(self.plan)
        order_times(self.plan, found)
        for task in marked:
            if found[task.name].state == "current" and not check_outputs(self.plan.root / task.folder):
                _record_of(folder, task.manifest, "incomplete").unlink(missing_ok=True)
                record = _record_of(folder, task.manifest)
                try:
                    read_json(record)
                except CheckFailed:  # half written
                    record.unlink(missing_ok=True)
        for task in self.plan:
            if found[task.name].state == "stale" and looks_current(self.plan, task):
                self._put_back(task)
            if task.name in gone or found[task.name].state == "stale":
                _record_of(folder, task.manifest).unlink(missing_ok=True)
        for name, missing in gone.items():
            task = self.plan[name]
            if self._put_back(task):
                _say(f"{task.folder}: {missing}; it has to be made again")

    def _put_back(self, task: Node) -> bool:
        """Give a manifest a time before that of its inputs, and say whether that could be done."""
        try:
            os.utime(self.plan.root / task.manifest, ns=(LONG_AGO, LONG_AGO))
        except (FileNotFoundError, PermissionError):  # removed meanwhile, or somebody else's
            return False
        return True

    def record(self) -> bool:
        """After a successful run: check what it made and record it with DVC; False where something does not match.

        However else recording ends, the work was done: that is said in one line, and the next call makes up for it.
        """
        self.recorded = True
        code = _sync()
        if code not in (0, MISMATCH):
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            _say(f"made, but not recorded with DVC (`reeltrace sync` ended with {how}); the next call records it")
        if code != MISMATCH:
            self._attest()
        return code != MISMATCH

    def _attest(self, found: dict[str, Standing] | None = None) -> None:
        """Put a name and a date to the report, where there is a new one; loaded only here, after the work."""
        try:
            from reeltrace.pipeline.attesting import attest_finished
        except ImportError as error:
            _say(f"made, but not attested: {error}; install what requirements.lock names")
        else:
            self.plan.read_anew()
            attest_finished(self.plan, _say, found)

    def end(self) -> None:
        """When the process ends: make up for what was not recorded, by this run or by one before."""
        try:
            self._make_up()
            if self.presence is not None:
                self.presence.leave()
        except (OSError, UserError, CheckFailed) as error:
            _say(f"not recorded with DVC: {in_one_line(error)}")

    def _make_up(self) -> None:
        workflow = self.workflow
        ran = workflow.execution_settings is not None and not (workflow.dryrun or workflow.touch)
        alone = self.presence is not None and self.presence.alone()
        if ran and alone and not self.recorded and not workflow.execution_settings.no_hooks:
            from reeltrace.pipeline.engines import code_is_recorded
            from reeltrace.pipeline.plan import load_plan

            self.plan.read_anew()
            found = standings(self.plan)
            recorded = load_plan(self.plan.root)  # what stands aside is not
            if unrecorded(recorded, found) or not code_is_recorded(recorded):
                _sync("--wait", os.environ.get(variables.WAIT) or str(WAIT_AT_END))
            self._attest(found)


class Presence:
    """A file that says on which machine a run is alive; the kernel lets go of its lock when the process dies.

    Each start of a machine has its own file, since a lock may not be seen from another machine. It holds the machine's
    name, and in lines of their own the processes that have been at work since somebody was there alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "reeltrace-runs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = platform.node()
        boot = BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.is_file() else self.host
        self.path = self.folder / boot
        self.file: IO[str] = self.path.open("a+", encoding="utf-8")  # children do not inherit it
        self.first = False

    def alone(self) -> bool:
        """Whether no other run is alive on this machine; if so it holds the file against others for the moment."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.first = True
        return True

    def others(self) -> list[int]:
        """The other processes that are alive here; none where they cannot be told."""
        self.file.seek(0)
        found = {int(line) for line in self.file.read().splitlines()[1:] if line.isdigit()}
        return sorted(pid for pid in found - {os.getpid()} if psutil.pid_exists(pid))

    def elsewhere(self) -> list[str]:
        """Other machines where a run may be alive: one began there, and its end was not seen."""
        texts = (path.read_text(encoding="utf-8") for path in self.folder.iterdir() if path != self.path)
        hosts = {text.partition("\n")[0].strip() for text in texts}
        return sorted(hosts - {"", self.host})  # this host under another boot: it was started anew

    def stay(self) -> None:
        """Say that this run is alive, for as long as the process lives."""
        if self.first:
            self._write(f"{self.host}\n")
        self.file.write(f"{os.getpid()}\n")
        self.file.flush()
        fcntl.flock(self.file, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Say that the last run on this machine has ended, if it is the last."""
        if self.alone():
            self._write("")
        self.file.close()

    def _write(self, text: str) -> None:
        self.file.truncate(0)
        self.file.write(text)
        self.file.flush()


def _remove_stale_locks(folder: Path, presence: Presence) -> bool:
    """Take away the locks of a killed run, and say whether there were any; a run that may be alive keeps its own."""
    locks = sorted((folder / "locks").glob("*.lock"))
    if not locks:
        return False
    if hosts := presence.elsewhere():
        _say(f"a run on {', '.join(hosts)} may be alive; if it is not: snakemake --unlock")
        return False
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True


def _name_holders(presence: Presence) -> None:
    """Let Snakemake, where it cannot lock the folder, name the process that has it, and not advise to unlock it."""

    from snakemake import exceptions

    def locked() -> Any:
        pids = " or ".join(map(str, presence.others()))
        who = f"process {pids}, another run of Snakemake, works here" if pids else "another run of Snakemake is alive"
        end = f": kill {pids}" if pids.isdigit() else ""
        return exceptions.WorkflowError(f"Directory cannot be locked: {who}; wait until it ends, or end it{end}")

    exceptions.LockException = locked


def _record_of(folder: Path, output: Path, kind: str = "metadata") -> Path:
    """Where Snakemake keeps what it knows of an output: under its path in base64, cut where that is too long a name."""
    metadata = folder / kind
    name = base64.urlsafe_b64encode(output.as_posix().encode()).decode()
    longest = (os.pathconf(metadata, "PC_NAME_MAX") if metadata.is_dir() else 255) - 1
    parts = [name[i : i + longest] for i in range(0, len(name), longest)]
    return metadata.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def _sync(*arguments: str) -> int:
    """`reeltrace sync --later` of this interpreter, in the folder of the plan."""
    command = [sys.executable, "-P", "-m", "reeltrace.cli", "sync", "--later", *arguments]
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode


def _say(text: str) -> None:
    print(f"reeltrace: {text}", file=sys.stderr)
