"""One workspace that the real engines reproduced at the smoke scale, and copies of it to change."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import git, make_workspace, run_in, snakemake


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `snakemake` has made everything, in a git repository."""
    folder = make_workspace(tmp_path_factory.mktemp("e2e") / "project")
    git(folder, "init", "-q")
    run_in(folder, "reeltrace", "sync")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    snakemake(folder)
    return folder


@pytest.fixture
def copy(reproduced: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the reproduced workspace, times and engine state included."""
    folder = tmp_path / "copy"
    shutil.copytree(reproduced, folder, symlinks=True)
    yield folder
    shutil.rmtree(folder)
