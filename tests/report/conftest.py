"""A finished invented project, shared read-only; tests that change files copy it."""

import shutil
from pathlib import Path

import pytest

from analysis.fabricated import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every artifact of the quick scale, up to the report. Do not change its files."""
    return Project(tmp_path_factory.mktemp("finished")).all()


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project whose files may be changed."""
    root = tmp_path / "copy"
    shutil.copytree(finished.root, root)
    copy = Project.__new__(Project)
    copy.root, copy.scale, copy.registry, copy.plan = root, finished.scale, finished.registry, finished.plan
    return copy
