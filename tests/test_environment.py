"""`tools/environment.sh`, which makes the virtual environment: with interpreters that only say their version."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from conftest import PROJECT

SCRIPT = PROJECT / "tools/environment.sh"


def interpreter(path: Path, version: str) -> Path:
    """A stand-in that notes what it is asked to do, and makes environments that have a copy of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in\n'
        f"*version_info*) echo {version} ;;\n"
        '"-m venv") for last; do :; done; [ "$3" != --clear ] || rm -r "$last"; mkdir -p "$last/bin"; '
        'cp "$0" "$last/bin/python" ;;\n'
        "esac\n"
        'case "$1" in -m) shift; echo "$@" >>calls ;; esac\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def make(project: Path, python: str | Path, origin: str = "command line") -> tuple[int, str, list[str]]:
    """The exit code, what was printed, and what the interpreters were asked to do."""
    calls = project / "calls"
    calls.unlink(missing_ok=True)
    done = subprocess.run(
        [SCRIPT, str(python), origin, ".venv"], cwd=project, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("version", ["2.7", "3.10", "3.14", "3.15", "4.0", ""])
def test_another_python_is_refused_with_the_versions_that_will_do(project: Path, tmp_path: Path, version: str) -> None:
    code, said, calls = make(project, interpreter(tmp_path / "python", version))
    assert (code, calls) == (2, [])
    assert len(said.splitlines()) == 1
    assert "Python 3.11, 3.12 and 3.13 will do" in said
    assert not (project / ".venv").exists()


def test_a_python_that_is_not_there_is_refused_by_make_too(project: Path) -> None:
    code, said, _ = make(project, "python3.99")
    assert code == 2
    assert said.startswith("python3.99: there is no such Python here; Python 3.11")
    shutil.copy(PROJECT / "Makefile", project)
    (project / "tools").mkdir()
    shutil.copy(SCRIPT, project / "tools")
    done = subprocess.run(
        ["make", "report", "PYTHON=python3.99"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert "snakemake" not in done.stdout


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_an_environment_is_made_once(project: Path, tmp_path: Path, version: str) -> None:
    python = interpreter(tmp_path / "python", version)
    code, said, calls = make(project, python, "file")
    assert code == 0
    assert said == "installing the packages of requirements.lock into .venv (about 6 GB, some minutes)\n"
    assert [call.split()[0] for call in calls] == ["venv", "pip", "pip"]
    assert make(project, python) == (0, "", [])
    lock = project / "requirements.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    assert make(project, python)[2][0] == "venv .venv"


def test_it_is_made_anew_for_another_python_or_in_another_place(project: Path, tmp_path: Path) -> None:
    old, new = interpreter(tmp_path / "old", "3.11"), interpreter(tmp_path / "new", "3.13")
    make(project, old)
    assert make(project, new, "file")[2] == []  # nobody asked for that one
    assert make(project, new)[2][0] == "venv --clear .venv"
    moved = project.rename(project.with_name("moved"))
    assert make(moved, new, "file")[2][0] == "venv --clear .venv"
    (moved / ".venv/bin/python").unlink()  # as when the system's Python was replaced
    assert make(moved, new, "file")[2][0] == "venv --clear .venv"


def test_an_interrupted_setup_is_taken_up_again(project: Path, tmp_path: Path) -> None:
    old, new = interpreter(tmp_path / "old", "3.11"), interpreter(tmp_path / "new", "3.13")
    (project / ".venv").mkdir()  # before there was a Python in it
    assert make(project, old)[0] == 0
    (project / ".venv/.ready").unlink()  # before its packages were there
    assert [call.split()[0] for call in make(project, old)[2]] == ["venv", "pip", "pip"]
    (project / ".venv/.ready").unlink()
    assert make(project, new)[2][0] == "venv --clear .venv"


def test_an_environment_of_the_users_own_is_not_replaced(project: Path, tmp_path: Path) -> None:
    interpreter(project / ".venv/bin/python", "3.11")
    code, said, calls = make(project, interpreter(tmp_path / "python", "3.13"))
    assert (code, calls) == (2, [])
    assert "was not made here by make" in said
    assert len(said.splitlines()) == 1


def test_an_environment_behind_a_link_is_used_and_never_replaced(project: Path, tmp_path: Path) -> None:
    make(project, interpreter(tmp_path / "python", "3.11"))
    (project / ".venv").rename(tmp_path / "shared")
    (project / ".venv").symlink_to(tmp_path / "shared")
    (tmp_path / "shared/.place").write_text(f"{tmp_path / 'shared'}\n")
    assert make(project, tmp_path / "python") == (0, "", [])
    code, said, calls = make(project, interpreter(tmp_path / "other", "3.12"))
    assert (code, calls) == (2, [])
    assert "move it away" in said


def test_the_versions_are_those_of_pyproject() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = [c.rpartition(" ")[2] for c in project["classifiers"] if c.startswith("Programming Language")]
    found = re.search(r'^versions="(.*?)"', SCRIPT.read_text(), re.M)
    assert found and re.findall(r"[\d.]+", found[1]) == declared
    assert project["requires-python"] == f">={declared[0]},<3.{int(declared[-1].partition('.')[2]) + 1}"
