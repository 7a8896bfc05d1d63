"""`python -m reeltrace.corruption`: damage finished results again and again, and count by kind what `verify` names."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.attest.keys import signer
from reeltrace.attest.names import ATTESTED
from reeltrace.attest.statement import REPORT
from reeltrace.corruption.bench import Bench, lay
from reeltrace.corruption.damages import OTHER_KEY, OWN_KEY
from reeltrace.corruption.quickly import Checker
from reeltrace.corruption.trials import Counts, Trial, kinds_in_turn, try_one
from reeltrace.errors import CheckFailed, UserError
from reeltrace.pipeline.attesting import attest_report
from reeltrace.pipeline.plan import Plan

LINES = 4  # of the log of attestations


def main(arguments: list[str] | None = None) -> int:
    """Print the table of counts; 1 where something was missed, was named at a wrong place, or stopped `verify`."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="reeltrace-corruption-") as folder:
        counts = corrupt(asked.root, asked.scale, Path(folder) / "project", asked.count, asked.seed, asked.minutes)
    print(counts.table())
    for trial in counts.failed():
        print(trial)
    return 1 if counts.failed() else 0


def corrupt(checkout: Path, scale: str, folder: Path, count: int, seed: int, minutes: float) -> Counts:
    """Damage a copy, in `folder`, of the results of a checkout `count` times, or until the time is over.

    Raises `CheckFailed` where they have problems before, `UserError` where there are none.
    """
    results = checkout / "results" / scale
    if not (results / "report" / "all").is_dir():
        raise UserError(f"{results}: no finished report; make it first: snakemake --cores all")
    lay(checkout.resolve(), scale, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _corrupt(folder, count, seed, minutes)
    finally:
        os.chdir(before)


def _corrupt(folder: Path, count: int, seed: int, minutes: float) -> Counts:
    checker, draw, counts = Checker(folder), random.Random(seed), Counts(seed)
    if problems := checker.problems():
        raise CheckFailed(f"{problems[0]}; only sound results can be damaged: `reeltrace verify` tells of all problems")
    checker.key = _attest(checker.plan())
    if problems := checker.problems():
        raise CheckFailed(f"{problems[0]}; this came with attesting the copy")
    began, used = time.monotonic(), time.process_time()
    kinds = kinds_in_turn(draw)
    while len(counts.trials) < count and time.monotonic() - began < 60 * minutes:
        with Bench(folder) as bench:
            trial = try_one(next(kinds), bench, checker, draw)
        if trial is not None:
            counts.trials.append(trial)
            _show(counts, count, trial)
    counts.seconds, counts.processor = time.monotonic() - began, time.process_time() - used
    if problems := checker.problems():
        raise CheckFailed(f"{problems[0]}; the harness did not put back what it damaged")
    return counts


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reeltrace.corruption", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout with finished results")
    parser.add_argument("--scale", default="smoke", help="of which scale")
    parser.add_argument("--count", type=int, default=1000, help="how many damages")
    parser.add_argument("--seed", type=int, default=0, help="of kinds and places")
    parser.add_argument("--minutes", type=float, default=10.0, help="end when these are over")
    return parser


def _end(message: str, code: int) -> NoReturn:
    print(f"reeltrace: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the copy is removed on the way out
    try:
        sys.exit(main())
    except UserError as error:
        _end(str(error), 2)
    except CheckFailed as error:
        _end(str(error), 1)
