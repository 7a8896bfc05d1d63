"""Tables made one artifact after another in this process, as far as the time goes: for who has a machine for a while.

Python, torch and CUDA start once. What is made goes through the leaf (`leaf.run`), so artifacts, locks and receipts are
those of the engines, and so are the logs. Each task finds the process as a new one would be: environment, threads,
generators and flags of torch are put back (`training.fresh`). What is measured of the process itself has its own.
"""

import contextlib
import gc
import hashlib
import importlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from reeltrace.analysis.cross_checks import check_texts
from reeltrace.artifacts.files import in_one_line, reason_of, sha256_file
from reeltrace.artifacts.formats import HISTORY
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST
from reeltrace.errors import CheckFailed, UserError, known_names
from reeltrace.kinds.dataset import decoded_of
from reeltrace.machine import pauses
from reeltrace.machine.memory import LOADING, explaining_memory, try_import
from reeltrace.machine.pauses import Stopped, telling
from reeltrace.pipeline import early, leaf
from reeltrace.pipeline.attesting import attest_finished
from reeltrace.pipeline.early import OUT_OF_TIME
from reeltrace.pipeline.engines import code_is_recorded, sync
from reeltrace.pipeline.graph import PACKAGE, RESULTS, check_sources
from reeltrace.pipeline.pace import Pace, epochs_of, training_of
from reeltrace.pipeline.plan import Plan, Task, load_plan
from reeltrace.pipeline.standings import refuse_unreadable, standings, unrecorded
from reeltrace.pipeline.unbroken import when_it_may
from reeltrace.pipeline.warm import STAGES as ON_TORCH
from reeltrace.registry.documents import EXPERIMENTS, PARAMS, compose, read
from reeltrace.registry.fields import Scale
from reeltrace.registry.header import mapping
from reeltrace.registry.specs import PretrainSpec

Say = Callable[[str], None]
Clock = Callable[[], float]

KEPT_BACK = 10.0  # seconds of the time given, or a tenth of it if that is less, for what ends when all else has
OFTEN = 60.0  # seconds between two lines on the same task
TO_CLEAN_UP = 10.0  # until a task that was broken off, and did not end, is broken off again
CHANGED = "the code changed since this began, and this process has loaded what it was; run it again"
TO_RECORD = 20.0  # seconds that must be left for recording with DVC


@dataclass
class Outcome:
    """What came of it, by names of tasks: made now, there before, failed and why, and left to be made.

    `stopped` says what ended it early: "the time is over", or a signal; "" where nothing did.
    """

    made: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.failed else OUT_OF_TIME if self.stopped and self.left else 0


# --- what is asked for ---


def in_order(plan: Plan, tables: Iterable[str], seeds: Iterable[int]) -> list[Task]:
    """The tasks behind some tables, each once, in the order in which these are complete soonest.

    First the data of all, and what is downloaded: what cannot be had is known soon. Then table by table as they are
    given; of one its first seed in all runs, then the next; before a training what it needs. A table comes after its
    last training. Trainings with other seeds than `seeds` are left out, the table stays.
    """
    found: dict[str, Task] = {}

    def add(task: Task) -> None:
        found.update({each.name: each for each in plan.behind(task) if each.name not in found})

    aggregates = [plan[f"aggregate/{table}"] for table in tables]
    for aggregate in aggregates:
        for each in plan.behind(aggregate):
            if each.stage == "data" or (isinstance(each.spec, PretrainSpec) and each.spec.training is None):
                add(each)
    for aggregate in aggregates:
        trainings = [plan[name] for name in aggregate.inputs if plan[name].stage == "train"]
        for seed in seeds:
            for task in trainings:
                if (training := training_of(task)) is not None and training.seed == seed:
                    add(task)
        for each in plan.behind(aggregate):
            if each.stage != "train" and each.name not in found:
                found[each.name] = each
    return list(found.values())


def refuse_unreachable(plan: Plan, waiting: Sequence[Task]) -> dict[str, str]:
    """By name, why tasks cannot be made whose sources do not answer. Raises `UserError` where nothing else can be."""
    if not (specs := {task.name: task.spec for task in waiting if task.stage in ("data", "pretrain")}):
        return {}
    found: dict[str, str] = importlib.import_module("reeltrace.data.reach").out_of_reach(specs)
    if found and all(found.keys() & {each.name for each in plan.behind(task)} for task in waiting):
        raise UserError("; ".join(f"{name}: {why}" for name, why in found.items()))
    return found


def check_asked(plan: Plan, tables: Sequence[str], seeds: Sequence[int], minutes: float | None) -> None:
    """Raises `UserError` for a table or a seed that there is not, and for a number of minutes that is none."""
    known = plan.registry.params
    if not tables:
        raise UserError("--tables: names no table; expected one or more, as `reeltrace status` lists them")
    for table in tables:
        if table not in known.tables:
            if (document := _declaring(plan.root, table)) is not None:
                raise UserError(f"--tables: {PARAMS}: documents: leaves out {table} of {document}; name it there")
            raise UserError(f"--tables: no table is named {table!r}; {known_names(table, known.tables)}")
    for seed in seeds:
        if seed not in known.seeds:
            raise UserError(f"--seeds: {seed} is not among seeds in params.yaml; {_names(seed, known.seeds)}")
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise UserError(f"--minutes: found {minutes:g}; expected a number of minutes above 0")


def _declaring(root: Path, table: str) -> str | None:
    """The document that declares a table, whether `documents:` in params.yaml asks for it or not."""
    for path, text in read(root).items():
        if Path(path).name == EXPERIMENTS and table in (mapping(path, text).get("tables") or {}):
            return Path(path).parent.name
    return None


def check_bring(bring: Path, root: Path) -> None:
    """Make the folder that artifacts are to be copied to. Raises `UserError` where they cannot be put there."""
    results, target = (root / RESULTS).resolve(), (bring / RESULTS).resolve()
    if bring.exists() and not bring.is_dir():
        raise UserError(f"--bring: {bring} is no folder; expected one, or a place for a new one")
    if target == results:
        raise UserError(f"--bring: {bring} is the project itself, where {RESULTS} is made; name another folder")
    if bring.resolve().is_relative_to(results):
        raise UserError(f"--bring: {bring} lies among the results; name a folder outside of {RESULTS}")
    try:
        bring.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".reeltrace-", dir=bring):
            pass
    except OSError as error:
        raise UserError(f"--bring: {bring}: {reason_of(error)}; name a folder that can be written") from None


def _names(seed: int, seeds: Iterable[int]) -> str:
    return known_names(str(seed), map(str, seeds))


def _check_folders(plan: Plan, tasks: Iterable[Task]) -> None:
    """Raises `UserError` for a set of videos whose folder, which the user names, is not there."""
    for task in tasks:
        dataset = plan.registry.params.datasets.get(task.key) if task.stage == "data" else None
        decoded = None if dataset is None else decoded_of(dataset)
        folder = None if decoded is None else decoded.folder(dataset)
        if folder is not None and not (plan.root / Path(folder).expanduser()).is_dir():
            place = plan.registry.files.place(f"datasets.{task.key}.folder")
            raise UserError(f"{place}: {folder} is no folder; name the one that holds the videos and their lists")


def _current(plan: Plan) -> set[str]:
    """The names of all artifacts that are there and would be the same if they were made again."""
    return {name for name, standing in standings(plan).items() if standing.state == "current"}


# --- the work ---


def reproduce(
    tables: Sequence[str],
    *,
    scale: Scale | None = None,
    seeds: Sequence[int] = (),
    minutes: float | None = None,
    spent: float = 0.0,
    bring: Path | None = None,
    root: Path = Path(),
    say: Say = print,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Make `tables` with what they need, at `scale` as if params.yaml named it, with all of its seeds or some.

    Ends before `minutes` are over, of which `spent` seconds are already: no epoch begins that is not expected to end in
    time, and what takes longer all the same is broken off. A training keeps its last whole epoch, and the next call
    goes on from there. SIGINT and SIGTERM break off likewise. A task that fails is told by `say` in one line, and the
    others go on. What is there of the asked for is copied into the folder `bring`, as it is made, and what is half done
    at the end.

    Raises `UserError` before anything is made where what is asked for cannot be.
    """
    until = math.inf
    if minutes is not None and math.isfinite(minutes):
        until = clock() - spent + 60 * minutes - min(KEPT_BACK, 6 * minutes)
    plan = load_plan(root, scale)
    seeds = seeds or plan.registry.params.seeds
    check_asked(plan, tables, seeds, minutes)
    check_texts(plan.registry, root)
    check_sources(plan)
    refuse_unreadable(plan)
    tasks = in_order(plan, dict.fromkeys(tables), seeds)
    current = _current(plan)
    waiting = [task for task in tasks if task.name not in current]
    _check_folders(plan, waiting)
    unreachable = refuse_unreachable(plan, waiting)
    if bring is not None:
        check_bring(bring, root)
    work = _Work(plan, current, until, say, clock, bring)
    with work.signals():
        work.make(tasks, unreachable)
        work.report()
        work.record()
        work.attest()
        work.summarise(tasks)
    return work.outcome


class _Work:
    """One call of `reproduce`: what is made, how fast it goes, and why it ends."""

    def __init__(self, plan: Plan, current: set[str], until: float, say: Say, clock: Clock, bring: Path | None) -> None:
        self.plan, self.current = plan, current
        self.until, self.say, self.clock, self.bring = until, say, clock, bring
        self.outcome, self.pace = Outcome(), Pace()
        self.named = compose(read(plan.root)).scale  # by params.yaml
        self.code, self.environment = _code(plan.root), dict(os.environ)
        self.fresh: Any = None
        self.streams = [_stream(1), _stream(2)]
        self.task: Task | None = None  # that is being made
        self.began = self.said = clock()
        self.done = 0  # epochs of the task
        self.ended: float | None = None  # when its last epoch did

    # --- time and signals ---

    @property
    def over(self) -> bool:
        """Whether nothing more is to begin."""
        if not self.outcome.stopped and self.clock() >= self.until:
            self.outcome.stopped = "the time is over"
        return bool(self.outcome.stopped)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Within, SIGINT, SIGTERM and the end of the time break off the task that is being made; a second one ends."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        own, before = os.getpid(), dict[int, Any]()

        def stop(number: int, frame: FrameType | None) -> None:
            if os.getpid() != own:  # in a process that a task forked
                if number == signal.SIGINT:
                    raise KeyboardInterrupt
                os._exit(128 + number)
            for each, handler in before.items():
                signal.signal(each, handler)
            self.outcome.stopped = f"ended by {signal.Signals(number).name}"
            when_it_may(self._break_off)

        def look(number: int, frame: FrameType | None) -> None:
            if os.getpid() != own:
                return
            if self.over:
                when_it_may(self._break_off)
            else:
                self._tell()
                self._set_alarm()

        for each in (signal.SIGINT, signal.SIGTERM):
            found = signal.signal(each, stop)
            before[each] = early.FORMER.get(each, found)  # a second signal is not early
        alarm = signal.signal(signal.SIGALRM, look)
        try:
            self._set_alarm()
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _set_alarm(self) -> None:
        if self.clock is time.monotonic:  # another clock's time the system does not know
            signal.setitimer(signal.ITIMER_REAL, max(0.01, min(OFTEN, self.until - self.clock())))

    def _break_off(self) -> None:
        if self.task is not None and not pauses.is_finishing():
            signal.setitimer(signal.ITIMER_REAL, TO_CLEAN_UP)  # what is raised where an object dies, Python drops
            raise Stopped(self.outcome.stopped)

    # --- one task after another ---

    def make(self, tasks: Sequence[Task], unreachable: Mapping[str, str]) -> None:
        """Make what is not current, in order; what rests on something that is not there waits for another call.

        Of `unreachable` tasks it is known beforehand why they fail.
        """
        waiting = [task for task in tasks if task.name not in self.current]
        self.outcome.there = [task.name for task in tasks if task.name in self.current]
        there = f"; {len(self.outcome.there)} are there" if self.outcome.there else ""
        self.say(f"scale {self.plan.registry.scale}: {_count(waiting)} to make{there}")
        for name, why in unreachable.items():
            self._fail(name, why)
        for name in self.outcome.there:
            self._bring(self.plan[name].folder)
        for number, task in enumerate(waiting, start=1):
            if self.over:
                break
            if _code(self.plan.root) != self.code:
                self._fail("src", CHANGED)
                break
            if task.name not in unreachable and self._ready(task):
                self._make(task, f"{number} of {len(waiting)}")
        asked = self.current.union(task.name for task in tasks)
        behind = {task.name: {each.name for each in self.plan.behind(task)} for task in waiting}
        self.outcome.left = [name for name, needed in behind.items() if name not in self.current and needed <= asked]

    def _ready(self, task: Task) -> bool:
        return self.current.issuperset(task.inputs)

    def _make(self, task: Task, place: str) -> None:
        """Make one task, or take what another process has made; its failure is told, and no more."""
        if leaf.is_made(task, self.plan.root, self.plan):
            self.current.add(task.name)
            self.outcome.there.append(task.name)
            self._bring(task.folder)
            return
        log = self.plan.root / task.folder.parents[1] / "logs" / f"{task.stage}-{task.key}.log"
        failure, broken_off = "", False
        try:
            self.began = self.said = self.clock()
            self.task, self.done, self.ended = task, 0, None
            self._run(task, log)
        except Stopped:
            broken_off = True
        except (UserError, CheckFailed, OSError) as error:
            failure = in_one_line(error)
        except Exception as error:
            said = str(error).strip().splitlines()
            failure = f"{type(error).__name__}: {said[0] if said else 'no message'} (log: {log})"
        except BaseException as error:  # what became of `Stopped` in the code of others
            if not self.outcome.stopped or isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            broken_off = True
        finally:
            self.task = None
        gc.collect()
        if broken_off or (failure and self.outcome.stopped):  # which a loader may have met as a failure
            self._bring(task.folder.with_name(f".{task.key}.work"))
            return
        if failure:
            self._fail(task.name, failure)
            return
        now = self.clock()
        if self.ended is not None:
            self.pace.end_took(task, now - self.ended)
        self.current.add(task.name)
        self.outcome.made.append(task.name)
        self.say(f"made {task.name} in {_long(now - self.began)} ({place})")
        self._bring(task.folder)

    def _bring(self, folder: Path) -> None:
        """Copy a folder of results to where they are to be carried from, unless it is there."""
        if self.bring is None or not (self.plan.root / folder).is_dir():
            return
        source, target = self.plan.root / folder, self.bring / folder
        coming = target.with_name(f".{target.name}.coming")
        try:
            if (target / MANIFEST).is_file() and sha256_file(target / MANIFEST) == sha256_file(source / MANIFEST):
                return
            for older in (coming, target.with_name(f".{target.name}.work")):
                shutil.rmtree(older, ignore_errors=True)
            shutil.copytree(source, coming)
            shutil.rmtree(target, ignore_errors=True)
            coming.rename(target)
        except (OSError, shutil.Error) as error:
            self._fail(f"--bring {self.bring}", in_one_line(error))

    def _fail(self, name: str, why: str) -> None:
        """Say it, once, and go on."""
        if self.outcome.failed.get(name) == why:
            return
        self.outcome.failed[name] = why
        self.say(f"failed {name}: {why}")

    def _run(self, task: Task, log: Path) -> None:
        """The leaf, with its words in the log."""
        root, scale = self.plan.root, self.plan.registry.scale
        if load_plan(root, scale)[task.name].spec != task.spec:
            raise CheckFailed("its parameters changed since this began; run it again")
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._words_to(log):
            try:
                if task.observes:
                    self._run_apart(task)
                    return
                if task.stage in ON_TORCH:
                    self._make_fresh()
                with telling(self._between):
                    leaf.run(task.stage, task.key, root, wait=-1, scale=scale, check=self._check_code)
            except (UserError, CheckFailed, OSError) as error:
                print(f"reeltrace: {in_one_line(error)}", file=sys.stderr)
                raise
            except Exception:
                traceback.print_exc()
                raise
            finally:
                if os.environ != self.environment:
                    os.environ.clear()
                    os.environ.update(self.environment)

    def _check_code(self) -> None:
        """Raises `CheckFailed` where the code is no longer what this process has loaded, or may load yet."""
        if _code(self.plan.root) != self.code:
            raise CheckFailed(CHANGED)

    @contextlib.contextmanager
    def _words_to(self, log: Path) -> Iterator[None]:
        """What this process and those that it starts say goes into a file within."""
        kept = [os.dup(1), os.dup(2)]
        try:
            with log.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            with contextlib.redirect_stdout(self.streams[0]), contextlib.redirect_stderr(self.streams[1]):
                yield
        finally:
            for number, stream in enumerate(kept, start=1):
                os.dup2(stream, number)
                os.close(stream)

    def _run_apart(self, task: Task) -> None:
        """In a process of its own: how much memory a process holds, and how long it takes, is what is measured."""
        command = [sys.executable, "-P", "-m", "reeltrace.cli", "run", task.stage, task.key]
        command += ["--scale", self.plan.registry.scale]
        code = subprocess.run(command, cwd=self.plan.root, check=False).returncode
        if code:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise CheckFailed(f"ended with {how}; its log says why: {task.stage}-{task.key}.log")

    def _make_fresh(self) -> None:
        if self.fresh is None:
            loading = "reeltrace reproduce, while its libraries are loaded"
            with explaining_memory(loading, LOADING):
                try_import("torch", loading)
                self.fresh = importlib.import_module("reeltrace.training.fresh").Fresh()
        self.fresh.restore()

    # --- within a training ---

    def _between(self, done: int, total: int) -> None:
        """Before an epoch, and after the last: go on, if that is expected to end in time."""
        assert self.task is not None
        now = self.clock()
        if done > self.done and self.ended is not None:
            self.pace.epoch_took(self.task, now - self.ended)
        self.done, self.ended = done, now
        self._tell()
        needed = self.pace.epoch(self.task) if done < total else self.pace.end(self.task)
        if now + (needed or 0) >= self.until:
            self.outcome.stopped = self.outcome.stopped or "the time is over"
            raise Stopped(self.outcome.stopped)

    def _tell(self) -> None:
        """About one line a minute on a task that takes long."""
        now = self.clock()
        if self.task is None or now - self.said < OFTEN:
            return
        self.said = now
        epochs, epoch = epochs_of(self.task), self.pace.epoch(self.task)
        how = f"epoch {self.done} of {epochs}" if self.done else f"since {_long(now - self.began)}"
        rate = f", {epoch:.1f} s each" if self.done and epoch is not None else ""
        self.say(f"at work on {self.task.name}: {how}{rate}")

    # --- after the last ---

    def report(self) -> None:
        """Make the report, where all that it shows is there."""
        task = self.plan["report/all"]
        # what was made may be what others rest on: they are current again
        self.current |= _current(self.plan)
        if self.over or self.outcome.failed or task.name in self.current:
            return
        if self._ready(task):
            self._make(task, "the report")

    def record(self) -> None:
        """Record with DVC what is made, as after a run of Snakemake, where dvc.yaml is of this scale."""
        root, scale = self.plan.root, self.plan.registry.scale
        if self.outcome.stopped:
            if self.named == scale:
                self.say("not recorded with DVC for now; the next call that ends in time, or `reeltrace sync`, does it")
            else:
                self._say_other_scale(self.named)
            return
        try:
            plan = load_plan(root)
        except UserError as error:  # of what was edited meanwhile; what is made is made
            self._fail("not recorded with DVC", in_one_line(error))
            return
        if plan.registry.scale != scale:
            self._say_other_scale(plan.registry.scale)
            return
        found = standings(plan)
        if not unrecorded(plan, found) and code_is_recorded(plan):
            return
        if self.clock() + TO_RECORD >= self.until:
            self.say("not recorded with DVC: too little time is left; the next call, or `reeltrace sync`, does it")
            return
        try:
            self.task = plan["report/all"]  # what a signal breaks off
            result = sync(plan, wait=min(60.0, self.until - self.clock()))
        except Stopped:
            self.say("not recorded with DVC; the next call, or `reeltrace sync`, does it")
        except (CheckFailed, UserError, OSError) as error:
            self._fail("sync", in_one_line(error))
        else:
            why = result["reason"]
            self.say(
                f"made, but not recorded with DVC: {why}" if why else f"recorded {len(result['recorded'])} with DVC"
            )
        finally:
            self.task = None

    def attest(self) -> None:
        """Put a name and a date to the report, where there is a new one."""
        if not self.outcome.stopped:
            attest_finished(self.plan, self.say)

    def _say_other_scale(self, named: Scale) -> None:
        self.say(
            f"not recorded with DVC: dvc.yaml is of the scale {named}, which params.yaml names; after "
            f"`scale: {self.plan.registry.scale}` there, `reeltrace sync` records this one"
        )

    def summarise(self, tasks: Sequence[Task]) -> None:
        """A few lines: which tables are made, what is half done, what is left, and how long that takes."""
        asked = [task for task in tasks if task.stage == "aggregate"]
        made = [task.key for task in asked if task.name in self.current]
        self.say(f"made {len(self.outcome.made)} now; tables: {', '.join(made) or 'none yet'}")
        self._say_who_waits(asked, {task.name for task in tasks})
        left = [self.plan[name] for name in self.outcome.left if name not in self.outcome.failed]
        if not self.outcome.stopped or not left:
            return
        done = {task.name: epochs_done(task, self.plan.root) for task in left if epochs_of(task)}
        for task in left:
            if done.get(task.name):
                self.say(f"half done: {task.name} (epoch {done[task.name]} of {epochs_of(task)})")
        rests = [self.pace.rest(self.plan[name], epochs) for name, epochs in done.items()]
        seen = [seconds for seconds in rests if seconds is not None]
        long = f", about {_long(sum(seen))} at the rate seen" if seen and len(seen) == len(rests) else ""
        self.say(f"{self.outcome.stopped}; left: {_count(left)}{long}. The same command goes on")

    def _say_who_waits(self, tables: Iterable[Task], asked: set[str]) -> None:
        """Tables that need what was not asked for, and the report where it does."""
        known = asked | self.current
        if waits := [each.key for each in tables if not known.issuperset(of.name for of in self.plan.behind(each))]:
            self.say(f"wait for trainings with other seeds of params.yaml: {', '.join(waits)}")
        report = self.plan["report/all"]
        others = [name for name in report.inputs if name not in known]
        if report.name not in self.current and others and not self.outcome.stopped:
            self.say(
                f"the report waits for {_artifacts(len(others))} of other tables or seeds; `documents:` in "
                "params.yaml makes one of these tables alone"
            )


def epochs_done(task: Task, root: Path) -> int:
    """How many epochs of a training that is not finished are kept in its work folder."""
    try:
        text = (root / task.folder.with_name(f".{task.key}.work") / HISTORY).read_bytes()
    except OSError:
        return 0
    return text.count(b"\n")


def _code(root: Path) -> str:
    """One hash over the Python files of the package and of documents, but for what editors put beside them."""
    found = hashlib.sha256()
    for folder in (PACKAGE, DOCUMENTS):
        for path in sorted((root / folder).rglob("*.py")):
            if not path.name.startswith("."):
                found.update(path.relative_to(root).as_posix().encode() + b"\0")
                with contextlib.suppress(FileNotFoundError):  # put in another's place just now
                    found.update(path.read_bytes())
    return found.hexdigest()


def _stream(number: int) -> TextIO:
    """What is written goes where that file descriptor leads, line by line."""
    return open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _count(tasks: Sequence[Task]) -> str:
    """How many artifacts, and how many of them are trainings."""
    trainings = sum(task.stage == "train" for task in tasks)
    among = f", {trainings} of them trainings" if trainings else ""
    return _artifacts(len(tasks)) + among


def _artifacts(count: int) -> str:
    return f"{count} artifact{'' if count == 1 else 's'}"


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
