"""A round of damages: copies of finished results, each with a process of its own, and what they counted."""

import multiprocessing
import multiprocessing.connection
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.attest.keys import signer
from reeltrace.attest.names import ATTESTED
from reeltrace.attest.statement import REPORT
from reeltrace.corruption.bench import Bench, lay
from reeltrace.corruption.damages import OTHER_KEY, OWN_KEY
from reeltrace.corruption.quickly import Beside, Checker
from reeltrace.corruption.trials import Asked, Counts, Trial, kinds_in_turn, try_one
from reeltrace.errors import CheckFailed, UserError
from reeltrace.pipeline.attesting import attest_report
from reeltrace.pipeline.plan import Plan, load_plan

LINES = 4  # of the log of attestations
WHOLE = 40  # in one of so many damages `verify` is asked a second time, and remembers nothing


@dataclass(frozen=True)
class Round:
    """What is asked of a call: how many damages with which seed, within how long, by how many processes at once."""

    count: int
    seed: int
    minutes: float
    workers: int = 1
    whole: int = WHOLE


def corrupt(checkout: Path, scale: str, folder: Path, wanted: Round) -> Counts:
    """Damage copies, in `folder`, of the results of a checkout so often, or until the time is over.

    Which damages these are depends on the seed, and not on how many processes do them. Raises `CheckFailed` where the
    results have problems before, `UserError` where there are none.
    """
    results = checkout / "results" / scale
    if not (results / "report" / "all").is_dir():
        raise UserError(f"{results}: no finished report; make it first: snakemake --cores all")
    copies = [folder / f"project-{number}" for number in range(wanted.workers)]
    lay(checkout.resolve(), scale, copies[0])
    key = _attested(copies[0])
    for copy in copies[1:]:
        shutil.copytree(copies[0], copy, symlinks=True)
    return _at_once(copies, key, wanted)


def _at_once(copies: Sequence[Path], key: str, wanted: Round) -> Counts:
    """One process for each copy; what they found, in the order of the numbers."""
    context = multiprocessing.get_context("spawn")
    following, done = context.Value("i", 0), context.Value("i", 0)
    counts, began, failed = Counts(wanted.seed), time.monotonic(), None
    running = {}
    try:
        for copy in copies:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(copy, key, wanted, following, done, theirs))
            process.start()
            theirs.close()
            running[ours] = process
        while running and failed is None:
            for pipe in multiprocessing.connection.wait(list(running)):
                assert isinstance(pipe, multiprocessing.connection.Connection)
                try:
                    told = pipe.recv()
                except EOFError:
                    process = running.pop(pipe)
                    process.join()
                    if process.exitcode:
                        failed = f"the harness failed: one of its processes ended with {process.exitcode}"
                    continue
                if isinstance(told, Trial):
                    counts.trials.append(told)
                    _show(counts, wanted.count, told)
                elif isinstance(told, float):
                    counts.processor += told
                else:
                    failed = str(told)
    finally:
        for process in running.values():
            process.terminate()
            process.join()
    if failed is not None:
        raise CheckFailed(failed)
    counts.seconds = time.monotonic() - began
    counts.trials = sorted(counts.trials, key=lambda trial: trial.number)[: wanted.count]
    return counts


def _work(folder: Path, key: str, wanted: Round, following: Any, done: Any, pipe: Any) -> None:
    """Damages in one copy, until all copies together have enough; trials, processor time and an error are sent."""
    os.chdir(folder)
    try:
        _damage(folder, key, wanted, following, done, pipe.send)
    except (UserError, CheckFailed) as error:
        pipe.send(str(error))
    except Exception:
        pipe.send(f"the harness failed: {' / '.join(traceback.format_exc().strip().splitlines()[-3:])}")
    pipe.send(sum(os.times()[:4]))
    pipe.close()


def _damage(folder: Path, key: str, wanted: Round, following: Any, done: Any, tell: Callable[[object], object]) -> None:
    checker = Checker(folder, key)
    asked = Asked(checker, Beside(checker.plan().scale))
    if problems := asked.checker.problems() or asked.beside.problems(key):
        raise CheckFailed(f"{problems[0]}; only sound results can be damaged: `reeltrace verify` tells of all problems")
    kinds, drawn = kinds_in_turn(random.Random(wanted.seed)), -1
    end = time.monotonic() + 60 * wanted.minutes
    while done.value < wanted.count and time.monotonic() < end:
        with following.get_lock():
            number, following.value = following.value, following.value + 1
        while drawn < number:
            kind, drawn = next(kinds), drawn + 1
        draw = random.Random(f"{wanted.seed}/{number}")
        whole = draw.random() * wanted.whole < 1
        with Bench(folder) as bench:
            trial = try_one(kind, bench, asked, draw, number=number, whole=whole)
        if trial is not None:
            with done.get_lock():
                done.value += 1
            tell(trial)
    if problems := asked.checker.problems() or asked.beside.problems(key):
        raise CheckFailed(f"{problems[0]}; the harness did not put back what it damaged")


def _attested(folder: Path) -> str:
    """The id of the key that attests a copy; see `_attest`."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _attest(load_plan(Path()))
    finally:
        os.chdir(before)


def _attest(plan: Plan) -> str:
    """Attest the copy, with a key made for it, so often that its log has lines to lose; the id of that key."""
    for key in (OWN_KEY, OTHER_KEY):
        signer(key, new=True)
    shutil.rmtree(Path("results", plan.scale, ATTESTED), ignore_errors=True)
    receipt = plan[REPORT].folder / RECEIPT
    for number in range(LINES):
        write_json(receipt, {**read_json(receipt), "duration_s": float(number)})
        done = attest_report(plan, OWN_KEY, say=lambda line: None)
    return done.key


def _show(counts: Counts, count: int, trial: Trial) -> None:
    if sys.stderr.isatty() or len(counts.trials) % 100 == 0:
        print(f"{len(counts.trials)}/{count}: {trial.outcome}: {trial.kind}", file=sys.stderr)
