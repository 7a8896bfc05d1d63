"""Replay: what starts `python -m reeltrace.replay`, which loads torch, and reads what it found."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltrace.errors import CheckFailed, Problem
from reeltrace.verify.shares import Share

MODULE = "reeltrace.replay"
EXACTLY = "every byte"


@dataclass
class Replays:
    """What was replayed of how many artifacts that can be: problems, and by name what each was held to."""

    of: int = 0
    held_to: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    def summary(self) -> list[str]:
        """In lines: how many were replayed and differ, and which were held to less than every byte."""
        lines = [f"replayed {len(self.held_to)} of {self.of} artifacts; {len(self.differing)} of them differ"]
        for held in sorted(set(self.held_to.values()) - {EXACTLY}):
            names = [name for name, to in self.held_to.items() if to == held]
            lines.append(f"held to {held}: {', '.join(names)}")
        return lines


def replay(root: Path, scale: str, names: Sequence[str], share: Share, say: Callable[[str], None]) -> Replays:
    """Replay a share of the artifacts `names`, of those that can be; `say` is told of each one as it ends.

    Raises `CheckFailed` where the process that replays ends before it has done so.
    """
    asked = {"root": str(root), "scale": scale, "names": list(names), "share": share.part, "seed": share.seed}
    command = [sys.executable, "-P", "-m", MODULE]
    found, chosen = Replays(), 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), encoding="utf-8"
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        for line in process.stdout:
            told: dict[str, Any] = json.loads(line)
            if "of" in told:
                found.of, chosen = told["of"], told["chosen"]
                continue
            found.held_to[told["name"]] = told["held_to"]
            found.problems += [Problem(**problem) for problem in told["problems"]]
            found.differing += [told["name"]] if told["problems"] else []
            outcome = "differs" if told["problems"] else f"held to {told['held_to']}"
            say(f"replay {len(found.held_to)}/{chosen}: {told['name']}: {outcome}, {told['seconds']} s")
    if process.returncode or len(found.held_to) < chosen:
        last = f"after {len(found.held_to)} of {chosen} artifacts"
        raise CheckFailed(
            f"the replay ended with {process.returncode} {last}; what it said stands above: correct that and try again"
        )
    return found


def _environment() -> dict[str, str]:
    """This one, with the code of this process first: the replay is of the same project."""
    code = str(Path(__file__).resolve().parents[2])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
