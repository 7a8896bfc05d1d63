"""`python -m reeltrace.corruption`: damage finished results again and again, and count by kind what `verify` names."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from reeltrace.corruption.rounds import WHOLE, Round, corrupt
from reeltrace.errors import CheckFailed, UserError


def main(arguments: list[str] | None = None) -> int:
    """Print the table of counts; 1 where something was missed, was named at a wrong place, or stopped `verify`."""
    asked = _parser().parse_args(arguments)
    wanted = Round(asked.count, asked.seed, asked.minutes, asked.workers, asked.whole)
    with tempfile.TemporaryDirectory(prefix="reeltrace-corruption-") as folder:
        counts = corrupt(asked.root, asked.scale, Path(folder), wanted)
    print(counts.table())
    for trial in counts.failed():
        print(trial)
    return 1 if counts.failed() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reeltrace.corruption", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout with finished results")
    parser.add_argument("--scale", default="smoke", help="of which scale")
    parser.add_argument("--count", type=int, default=1000, help="how many damages")
    parser.add_argument("--seed", type=int, default=0, help="of kinds and places")
    parser.add_argument("--workers", type=_natural, default=2, help="how many processes at once")
    parser.add_argument("--whole", type=_natural, default=WHOLE, help="verify one in so many without memory, too")
    parser.add_argument("--minutes", type=float, default=10.0, help="end when these are over")
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1 on")
    return int(text)


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
