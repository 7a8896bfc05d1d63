"""The last line of `verify`: it names what was looked at, and leaves nothing out of what was not."""

from pathlib import Path

import pytest

from analysis.fabricated import Project
from attest.attested import TIME, sign
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.root_hash import root_hash
from reeltrace.attest.keys import signer
from reeltrace.errors import Problem
from reeltrace.verify.account import attested_by, counted, elsewhere, left_out, root_of_report, strictly


def test_the_root_hash_is_the_one_that_the_page_prints(copied: Project) -> None:
    inputs = read_json(copied.folder("report/all/manifest.json"))["inputs"]
    found = root_of_report(copied.results)
    assert found == root_hash({name: copied.folder(name) for name in inputs})
    assert found is not None and found in copied.folder("report/all/report.html").read_text()
    copied.folder("train/drift-plain-s0/manifest.json").unlink()
    assert root_of_report(copied.results) is None


def test_who_attested_it_is_said_and_whose_key_that_is(
    copied: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attested_by(copied.results) == "not attested (`reeltrace attest` does it)"
    key = signer(tmp_path / "key.pem", new=True)
    sign(copied, key)
    said = f"attested {TIME} by {key.id[:16]}..., "
    assert attested_by(copied.results) == f"{said}a key that is not yours, report 1 of its log"
    monkeypatch.setenv("REELTRACE_KEY", str(key.path))
    assert attested_by(copied.results) == f"{said}your own key, report 1 of its log"
    (copied.results / "attested/log.jsonl").unlink()
    assert attested_by(copied.results) == "its attestation does not hold"


def test_a_project_that_is_another_one_now_is_said_and_is_no_problem(copied: Project, tmp_path: Path) -> None:
    sign(copied, signer(tmp_path / "key.pem", new=True))
    assert elsewhere(copied.results, {"project/params.yaml": "a" * 64, "project/new/": "0" * 64}) == ""
    said = elsewhere(copied.results, {"project/params.yaml": "0" * 64})
    assert said == "attested with another params.yaml than there is now"


def test_what_is_strict_asks_for_an_attestation_by_this_project(copied: Project, tmp_path: Path) -> None:
    (problem,) = strictly(copied.results, "")
    assert "there is no attestation" in problem.found
    sign(copied, signer(tmp_path / "key.pem", new=True))
    assert strictly(copied.results, "") == []
    (problem,) = strictly(copied.results, "attested with another params.yaml than there is now")
    assert problem.where == str(copied.results / "attested") and "another params.yaml" in problem.found


def test_problems_are_counted_by_kind() -> None:
    of = [Problem(kind, "here", "found") for kind in ("stale", "tampered artifact", "stale")]
    assert counted(of) == "3 problems (2 stale, 1 tampered artifact)"
    assert counted(of[:1]) == "1 problem (1 stale)"


def test_what_was_not_looked_at_is_all_named() -> None:
    def said(
        bulk: str = "all", replayed: str = "all", *, key: bool = True, part: bool = False, texts: bool = True
    ) -> str:
        return left_out(bulk=bulk, replayed=replayed, key=key, part=part, texts=texts)

    assert said() == "nothing that could be"
    assert said(bulk="") == "the bytes of files over 1 MB (--data)"
    assert said(bulk="10% (seed 3)") == "the bytes of other files over 1 MB (--data)"
    assert "(--replay)" in said(replayed="") and "other results" in said(replayed="10% (seed 3)")
    assert "(--key)" in said(key=False) and "REELTRACE_TEXTS" in said(texts=False)
    unheld = left_out(bulk="all", replayed="all", key=True, part=False, texts=True, unheld=["a (none)", "b (none)"])
    assert unheld == "in the documents' own texts the transcribed values of a (none), b (none)"
    rest = "the documents' own texts, the rest of the page, and what is not behind this (`verify`)"
    assert said(part=True, key=False, texts=False) == f"whose key that is, {rest}"
    unattested = left_out(bulk="all", replayed="all", key=False, part=True, texts=True, receipts=False)
    assert unattested == f"receipts, which nothing attests, {rest}"
