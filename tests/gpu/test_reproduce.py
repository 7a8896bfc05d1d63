"""Trainings one after another in one process come to the bytes of processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import edit, run_in
from gpu.conftest import on_devices
from invented import lay
from reeltrace.pipeline.plan import load_plan
from reeltrace.pipeline.reproduce import in_order

TABLES = {"nobody2024-table3": "two nets", "nobody2024-table4": "groups, augmented", "nobody2024-table5": "rotations"}


@pytest.mark.parametrize(("table", "device"), on_devices(TABLES, ["nobody2024-table3"]))
def test_one_process_makes_what_many_make(table: str, device: str, workspace: Path) -> None:
    lay(workspace)
    if device == "cuda":
        edit(workspace / "params.yaml", "smoke: cpu", "smoke: cuda")
        edit(workspace / "params.yaml", "smoke: float32", "smoke: bfloat16")
    run_in(workspace, "reeltrace", "reproduce", "--tables", table)
    tasks = [task for task in in_order(load_plan(workspace), [table], [0]) if task.stage == "train"]
    together = [(workspace / task.manifest).read_bytes() for task in tasks]
    for task in tasks:
        run_in(workspace, "reeltrace", "run", task.stage, task.key)
    assert [(workspace / task.manifest).read_bytes() for task in tasks] == together
    assert len(together) > 1
