"""`reeltrace audit`, on a table anywhere and on the documents of a project."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import PROJECT, Command, environment
from reeltrace.analysis.audit.files import Sizes, read, read_all
from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.audit.run import of_tables
from reeltrace.errors import UserError


def audit_in(folder: Path, *arguments: str, code: int = 0, piped: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a folder that is no project."""
    env = {**environment(folder), "PYTHONPATH": str(PROJECT / "src")}
    command = ["reeltrace", "audit", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=env, input=piped, capture_output=True, text=True, timeout=600, check=False
    )
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
        (["--relations", "some.yaml"], "--relations is for table files; documents have their relations.yaml"),
        (["/dev/zero"], "/dev/zero: a pipe or a device, no file; pipe it in, as in: reeltrace audit - < /dev/zero"),
        (["."], ".: not a file; name a table file that can be read"),
        (["--n", "30"], "--n and --percent are for table files; documents have `tests` in their published.yaml"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = audit_in(tmp_path, *arguments, code=2)
    assert done.stderr.splitlines() == [f"reeltrace: {said}"]


RELATIONS = """
relations:
  - id: speed
    says: The speed is one over the time
    place: text
    value: "{some/b/clips // s}"
    follows: "1 / {some/b/time}"
monotone:
  - id: deeper
    says: Deeper nets take longer
    place: text
    direction: rises
    values: ["{some/a/time}", "{some/b/time}", "{some/c/time}"]
"""
TIMES = "net,time,clips / s\na,0.50,2.0\nb,0.40,3.5\nc,0.80,1.25\n"


def test_a_table_that_is_piped_in_and_held_to_relations_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text(TIMES)
    (tmp_path / "relations.yaml").write_text(RELATIONS)
    log = tmp_path / "found.sarif"
    done = audit_in(
        tmp_path, "some.csv", "--relations", "relations.yaml", "--sarif", log.name, "--json", "-", piped=TABLE
    )
    found = json.loads(done.stdout)
    assert {f["id"] for f in found["findings"]} == {
        "some.csv/declared/speed",
        "some.csv/monotone/deeper",
        "stdin/total/stdin-b-total",
    }
    assert [what.partition(":")[0] for what in found["read"]] == ["some.csv", "stdin"]
    (run,) = json.loads(log.read_text())["runs"]
    where = {
        result["ruleId"]: [
            (place["physicalLocation"]["artifactLocation"]["uri"], place["physicalLocation"]["region"]["startLine"])
            for place in result["locations"]
        ]
        for result in run["results"]
    }
    assert where["audit/declared"] == [("some.csv", 3), ("some.csv", 3)]
    assert where["audit/total"] == [("stdin", 3)] * 3
    assert "no accusation" not in json.dumps(run) and all(result["level"] == "warning" for result in run["results"])


@pytest.mark.parametrize(
    ("relations", "said"),
    [
        ("relations: [{id: x}]", "relations.yaml: relations.0.says"),
        (
            RELATIONS.replace("some/b/clips", "some/d/clips"),
            "relations.yaml: speed: {some/d/clips // s}: there is no 'd'",
        ),
    ],
)
def test_relations_that_do_not_fit_are_a_mistake_in_one_line(tmp_path: Path, relations: str, said: str) -> None:
    (tmp_path / "some.csv").write_text(TIMES)
    (tmp_path / "relations.yaml").write_text(relations)
    body = read(tmp_path / "some.csv", Sizes())
    with pytest.raises(UserError) as error:
        of_tables([body], tmp_path / "relations.yaml")
    assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"nothing\.yaml: no file; name one as documents/<key>/relations\.yaml are"):
        of_tables([body], tmp_path / "nothing.yaml")


def test_two_tables_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [tmp_path / "some.csv", tmp_path / "other/some.csv"]
    for path in paths:
        path.write_text(TIMES)
    with pytest.raises(UserError, match="has the same name; rename one, or audit them apart"):
        read_all(paths, Sizes())


def test_more_than_is_read_of_a_pipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr("sys.stdin", endless)
        with pytest.raises(UserError, match="stdin: more than 10,000,000 bytes; split the table"):
            read(Path("-"), Sizes())


def test_the_documents_of_a_project(workspace: Path, command: Command) -> None:
    found = json.loads(command("reeltrace", "audit", "--json").stdout)
    assert found["searched"]["expected_by_chance"] < 0.01
    assert found["counts"]["decision"] > 20
    ids = [each["id"] for each in found["findings"]]
    assert len(set(ids)) == len(ids)
