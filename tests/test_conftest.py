"""The way the tests are run: what the scheduler of tests/conftest.py and the options in pyproject.toml promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT, environment

CRASHES = "import os\n\n\ndef test_that_aborts():\n    os.abort()\n"
PASSES = "".join(f"def test_{n}():\n    pass\n\n\n" for n in range(3))


@pytest.mark.parametrize("first", [True, False], ids=["at the beginning", "as the last one"])
def test_a_crashed_worker_ends_the_run_with_the_name_of_its_test(tmp_path: Path, first: bool) -> None:
    """A replacement that is given a file with one test left would wait for a second one for ever."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_xdist_make_scheduler  # noqa: F401\n")
    (tmp_path / ("test_a.py" if first else "test_z.py")).write_text(CRASHES)
    for name in "cde":
        (tmp_path / f"test_{name}.py").write_text(PASSES)
    options = ("-n", "2", "-p", "no:cacheprovider", "-c", str(PROJECT / "pyproject.toml"), "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=PROJECT,
        env={**environment(PROJECT), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"worker 'gw\d' crashed while running '.*::test_that_aborts'", done.stdout)
    assert "1 failed" in done.stdout
