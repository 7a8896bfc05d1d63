"""What the Snakefile settles before any job: what may be used of a machine, and the environment of jobs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT, refusal, system
from reeltrace.pipeline.launching import Limits, allowed, job_environment, memory_mb, refuse_place
from reeltrace.pipeline.plan import STAGES

MACHINE = allowed(Path("/nowhere"))


@pytest.mark.parametrize("name", ["a:b", "a{x}", os.fsdecode(b"lat\xe9in")])
def test_a_folder_from_which_jobs_would_run_other_code_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(refuse_place, tmp_path / name / "project")
    assert message.endswith("; move the folder or rename it")
    refuse_place(tmp_path / "plain, 'quoted' $name")


def test_the_launcher_refuses_a_folder_that_pythonpath_cannot_name(tmp_path: Path) -> None:
    place = tmp_path / "a:b" / "workflow"
    place.mkdir(parents=True)
    shutil.copy(PROJECT / "workflow/reeltrace", place)
    done = subprocess.run(["sh", place / "reeltrace", "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "its path holds ':'" in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_control_groups_the_machine_is_the_limit() -> None:
    assert MACHINE.cores == os.cpu_count()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert MACHINE.memory_mb == int(0.9 * total / 1e6)


V2 = "sys/fs/cgroup"
V1 = {"memory": f"{V2}/memory", "cpu": f"{V2}/cpu,cpuacct"}
UNLIMITED = "9223372036854771712\n"


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        # Version 2, in a container that sees its own group as the root.
        ("0::/\n", {f"{V2}/memory.max": "100000000\n", f"{V2}/cpu.max": "100000 100000\n"}, Limits(1, 90)),
        # No /proc.
        (None, {f"{V2}/memory.max": "100000000\n"}, Limits(MACHINE.cores, 90)),
        # In a unit of systemd: the group around it is the stricter one.
        (
            "0::/user.slice/app.scope\n",
            {
                f"{V2}/user.slice/app.scope/memory.max": "max\n",
                f"{V2}/user.slice/memory.max": "200000000\n",
                f"{V2}/user.slice/app.scope/cpu.max": "max 100000\n",
            },
            Limits(MACHINE.cores, 180),
        ),
        # Version 1, in a container that reads the host's path and sees its own group as the root.
        (
            "5:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n0::/\n",
            {
                f"{V1['memory']}/memory.limit_in_bytes": "300000000\n",
                f"{V1['cpu']}/cpu.cfs_quota_us": "150000\n",
                f"{V1['cpu']}/cpu.cfs_period_us": "100000\n",
            },
            Limits(1, 270),
        ),
        # Version 1, nothing set.
        (
            "5:memory:/\n3:cpu,cpuacct:/\n",
            {
                f"{V1['memory']}/memory.limit_in_bytes": UNLIMITED,
                f"{V1['cpu']}/cpu.cfs_quota_us": "-1\n",
                f"{V1['cpu']}/cpu.cfs_period_us": "100000\n",
            },
            MACHINE,
        ),
        # Both: processors by version 1, memory by version 2; and half a processor is one that jobs share.
        (
            "1:cpu:/job\n0::/job\n",
            {
                f"{V2}/cpu/job/cpu.cfs_quota_us": "50000",
                f"{V2}/cpu/job/cpu.cfs_period_us": "100000",
                f"{V2}/unified/job/memory.max": "400000000",
            },
            Limits(1, 360),
        ),
        ("0::/../../outside\n", {}, MACHINE),
        ("rubbish\n", {f"{V2}/memory.max": "rubbish"}, MACHINE),
    ],
)
def test_control_groups_bound_what_may_be_used(
    tmp_path: Path, cgroup: str | None, files: dict[str, str], expected: Limits
) -> None:
    assert allowed(system(tmp_path, files if cgroup is None else {"proc/self/cgroup": cgroup, **files})) == expected


def test_every_stage_has_its_memory() -> None:
    for stage in STAGES:
        assert 0 < memory_mb(stage, "smoke") == memory_mb(stage, "quick") <= memory_mb(stage, "paper")
    assert memory_mb("frames", "quick", threads=8) > memory_mb("frames", "quick", threads=1)


def test_jobs_use_this_code_and_this_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REELTRACE_PYTHON", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"theirs{os.pathsep}/project/src{os.pathsep}")
    found = job_environment(Path("/project"), deployed=False)
    assert found["PYTHONPATH"] == f"/project/src{os.pathsep}theirs"
    assert found["REELTRACE_PYTHON"] == sys.executable
    assert "REELTRACE_PYTHON" not in job_environment(Path("/project"), deployed=True)
    monkeypatch.setenv("REELTRACE_PYTHON", "/mine/python")
    assert job_environment(Path("/project"), deployed=False)["REELTRACE_PYTHON"] == "/mine/python"
