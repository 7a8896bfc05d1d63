"""`python -m reeltrace.replay`: a share of finished artifacts, replayed one after the other.

Reads from standard input one JSON object {"root", "scale", "names", "share", "seed"}: `names` are the artifacts that
may be replayed, `share` the part of those that can be, from 0 to 1, drawn with `seed`. Writes one JSON object a line:
first {"of", "chosen"}, then of each artifact {"name", "held_to", "seconds", "problems"}.
"""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from reeltrace.pipeline.plan import load_plan
from reeltrace.replay.stages import can_replay, replay
from reeltrace.verify.shares import Share


def main() -> None:
    """Standard output is for these lines alone: what a stage prints goes to standard error."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    root = Path(asked["root"])
    plan = load_plan(root, asked["scale"]).whole()
    able = [name for name in asked["names"] if name in plan.tasks and can_replay(plan[name])]
    chosen = Share(asked["share"], asked["seed"]).draw(able)
    _say(lines, {"of": len(able), "chosen": len(chosen)})
    for name in chosen:
        began = time.monotonic()
        found = replay(plan, plan[name], root)
        problems = [asdict(problem) for problem in found.problems]
        seconds = round(time.monotonic() - began, 1)
        _say(lines, {"name": name, "held_to": found.held_to, "seconds": seconds, "problems": problems})


def _say(lines: TextIO, value: Any) -> None:
    lines.write(json.dumps(value) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
