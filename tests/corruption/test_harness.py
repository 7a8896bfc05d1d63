"""The harness on results that the real engines made: every kind of damage is named at its place."""

import re
from pathlib import Path

import pytest

from conftest import run_in
from e2e.conftest import reproduced  # noqa: F401
from reeltrace.corruption.damages import KINDS

pytestmark = pytest.mark.slow
DAMAGES = len(KINDS) + 5


def test_every_kind_of_damage_is_named_at_its_place(reproduced: Path) -> None:  # noqa: F811
    before = sorted((path, path.stat().st_mtime_ns) for path in (reproduced / "results").rglob("*") if path.is_file())
    done = run_in(
        reproduced, "python", "-m", "reeltrace.corruption", "--count", str(DAMAGES), "--seed", "3", "--minutes", "30"
    )  # its exit code says that check.py named those that it can, and that all agree with a verification as a whole
    rows = {row[1]: row for row in re.findall(r"(?m)^(\| (.*?) \| (\d+) \|.*)$", done.stdout)}
    assert len(rows) >= len(KINDS) - 2, (
        "what is embedded in the page, and texts of artifacts without any, may not be there"
    )
    total = [cell.strip() for cell in rows["all"][0].strip("|").split("|")]
    named, by_replay, elsewhere, missed, crashed, otherwise = (int(cell or 0) for cell in total[2:8])
    assert (elsewhere, missed, crashed, otherwise) == (0, 0, 0, 0), done.stdout
    assert named + by_replay == DAMAGES and by_replay >= 2
    after = sorted((path, path.stat().st_mtime_ns) for path in (reproduced / "results").rglob("*") if path.is_file())
    assert after == before


def test_results_that_are_not_sound_are_not_damaged_further(reproduced: Path, tmp_path: Path) -> None:  # noqa: F811
    done = run_in(reproduced, "python", "-m", "reeltrace.corruption", "--root", str(tmp_path), code=2)
    assert done.stderr.count("\n") == 1 and "no finished report" in done.stderr
