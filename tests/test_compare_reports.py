"""The comparison of two reports: what follows from code or from a machine is no difference, all else is."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import PROJECT


def cell(name: str, unit: str, value: float) -> dict[str, Any]:
    return {"id": f"d/1/r/{name}", "unit": unit, "reproduced": {"value": value}, "trace": {"sha256": "ab" * 32}}


REPORT: dict[str, Any] = {
    "scale": "quick",
    "cells": [cell("right", "percent", 90.0), cell("time", "seconds", 2.0)],
    "artifacts": {"train/a": {"code_sha256": "cd" * 32, "inputs": {}, "outputs": {}, "settings": {"seed": "0"}}},
}


def code_of_comparison(folder: Path, change: Any) -> int:
    changed = copy.deepcopy(REPORT)
    change(changed)
    for name, report in (("before", REPORT), ("after", changed)):
        (folder / name).write_text(json.dumps(report))
    command = [sys.executable, PROJECT / "tools/compare_reports.py", folder / "before", folder / "after"]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: r["artifacts"]["train/a"].update(code_sha256="ef" * 32), 0),
        (lambda r: r["cells"][1]["reproduced"].update(value=3.0), 0),
        (lambda r: r["cells"].reverse(), 0),
        (lambda r: r["cells"][0]["reproduced"].update(value=91.0), 1),
        (lambda r: r["artifacts"]["train/a"]["settings"].update(seed="1"), 1),
        (lambda r: r.update(scale="paper"), 1),
        (lambda r: r["cells"].pop(0), 1),
    ],
)
def test_only_hashes_times_and_order_may_differ(tmp_path: Path, change: Any, code: int) -> None:
    assert code_of_comparison(tmp_path, change) == code
