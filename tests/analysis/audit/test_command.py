"""`reeltrace audit`, on a table anywhere and on the documents of a project."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import PROJECT, Command, environment
from reeltrace.analysis.audit.findings import Finding


def audit_in(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command in a folder that is no project."""
    env = {**environment(folder), "PYTHONPATH": str(PROJECT / "src")}
    command = ["reeltrace", "audit", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == code, done.stderr
    return done


TABLE = "part,left,right,total\na,10,20,30\nb,5,6,12\n"


def test_a_table_outside_of_any_project(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text(TABLE)
    lines = audit_in(tmp_path, "some.csv").stdout.splitlines()
    assert (
        lines[0].startswith("decision: some.csv: 12 (b, total)")
        and lines[1] == "    of 5, 6: their sum is 11, printed 12"
    )
    assert lines[-1].startswith("1 decision, 0 rounding, 0 note;") and "no accusation" in lines[-1]
    found = json.loads(audit_in(tmp_path, "--json", "--check", "some.csv", code=1).stdout)
    assert found["counts"] == {"decision": 1, "rounding": 0, "note": 0}
    assert [Finding.model_validate(each).detector for each in found["findings"]] == ["total"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "documents: no document with printed tables here; name a table file, as in: audit table.csv"),
        (["nothing.csv"], "nothing.csv: No such file or directory; name a table file that can be read"),
        (["--n", "30"], "--n and --percent are for table files; documents have `tests` in their published.yaml"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = audit_in(tmp_path, *arguments, code=2)
    assert done.stderr.splitlines() == [f"reeltrace: {said}"]


def test_the_documents_of_a_project(workspace: Path, command: Command) -> None:
    found = json.loads(command("reeltrace", "audit", "--json").stdout)
    assert found["searched"]["expected_by_chance"] < 0.01
    assert found["counts"]["decision"] > 20
    ids = [each["id"] for each in found["findings"]]
    assert len(set(ids)) == len(ids)
