"""`reeltrace verify` and `explain` on artifacts that the real pipeline made."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from conftest import edit, run_in
from e2e.chosen import DATASET, DOCUMENT, OTHER, PARAMS, RUN, TABLE, TIMED, measured, readers, rewrite

pytestmark = pytest.mark.slow
RESULTS = "results/smoke"
TRAIN = f"{RESULTS}/train/{OTHER}-s0"
(READER, *_) = readers(f"measure/{TIMED}")
(SHOWN, *_) = readers(f"train/{OTHER}-s0")
(STRUCTURE, *_) = measured("structure")
PUBLISHED = f"documents/{DOCUMENT}/published.yaml"


def verify(folder: Path, *arguments: str) -> list[dict[str, str]]:
    done = run_in(folder, "reeltrace", "verify", "--json", *arguments, code=None)
    problems: list[dict[str, str]] = json.loads(done.stdout)
    assert done.returncode == (1 if problems else 0)
    return problems


def flip(path: Path) -> None:
    """Change one byte: a digit to another digit where the file has one, so that text stays well-formed."""
    data = bytearray(path.read_bytes())
    digits = [m.start() for m in re.finditer(rb"(?<=[ .\d])\d", bytes(data))] if path.suffix != ".npy" else []
    place = (
        digits[len(digits) // 2] if digits and path.suffix in {".json", ".jsonl", ".csv", ".html"} else len(data) // 2
    )
    data[place] = data[place] ^ 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "name",
    [
        f"{TRAIN}/metrics.json",
        f"{TRAIN}/scores.json",
        f"{TRAIN}/history.jsonl",
        f"{TRAIN}/predictions.npz",
        f"{TRAIN}/best.pt",
        f"{TRAIN}/last.pt",
        f"{TRAIN}/manifest.json",
        f"{TRAIN}/spec.json",
        f"{RESULTS}/data/digits/images.npy",
        f"{RESULTS}/data/{DATASET}/clips-test.npy",
        f"{RESULTS}/data/{DATASET}/index.csv",
        f"{RESULTS}/measure/{STRUCTURE}/metrics.json",
        f"{RESULTS}/measure/{TIMED}/metrics.json",
        f"{RESULTS}/aggregate/{readers(f'measure/{TIMED}')[0]}/cells.json",
        f"{RESULTS}/aggregate/{SHOWN}/cells.json",
        f"{RESULTS}/aggregate/{SHOWN}/curves.csv",
        f"{RESULTS}/report/all/report.html",
        f"{RESULTS}/report/all/report.json",
        f"{RESULTS}/report/all/manifest.json",
    ],
)
def test_one_changed_byte_in_any_kind_of_file_is_named(copy: Path, name: str) -> None:
    assert verify(copy) == []
    flip(copy / name)
    problems = verify(copy, "--data")
    assert problems
    assert any(Path(name).parent.as_posix() in problem["where"] for problem in problems), problems


def test_what_the_engines_made_is_verified_and_attested(copy: Path) -> None:
    """By the last line that `make report` and CI end with; and an edited receipt is named."""
    done = run_in(copy, "reeltrace", "verify")
    last = done.stdout.splitlines()[-1]
    assert "every artifact and every printed cell agree" in last
    assert re.search(
        r"; root hash [0-9a-f]{64}; attested 20\S+ by [0-9a-f]{16}\.\.\., your own key, report \d+ of", last
    )
    receipt = copy / TRAIN / "receipt.json"
    edit(receipt, '"name": ', '"name": "another", "was": ')
    assert {(p["kind"], p["where"]) for p in verify(copy)} >= {("attestation does not hold", f"{TRAIN}/receipt.json")}


def test_one_number_is_verified_with_what_is_behind_it_alone(copy: Path) -> None:
    cell, folder = cells_of(copy)[0], copy / RESULTS / f"aggregate/{TABLE}"
    assert f"every artifact behind {cell} agrees" in run_in(copy, "reeltrace", "verify", cell).stdout
    run_in(copy, "reeltrace", "verify", f"{DOCUMENT}/{PARAMS.tables[TABLE].table}")
    flip(copy / RESULTS / f"measure/{TIMED}/metrics.json")
    run_in(copy, "reeltrace", "verify", cell)  # which does not rest on it
    flip(folder / "cells.json")
    assert f"aggregate/{TABLE}/cells.json" in run_in(copy, "reeltrace", "verify", cell, code=1).stdout


def test_every_cell_of_the_report_explains_itself(reproduced: Path) -> None:
    report = json.loads((reproduced / RESULTS / "report/all/report.json").read_text())
    cells = ["/".join(str(cell[part]) for part in ("document", "table", "row", "column")) for cell in report["cells"]]
    assert len(cells) == len(set(cells)) > 50
    tables = list(dict.fromkeys(cell.rpartition("/")[0].rpartition("/")[0] for cell in cells))
    for table in tables[:5]:
        cell = next(c for c in cells if c.startswith(f"{table}/"))
        chain = json.loads(run_in(reproduced, "reeltrace", "explain", cell, "--json").stdout)
        assert chain
        text = run_in(reproduced, "reeltrace", "explain", cell).stdout
        assert "reeltrace run" in text
        assert "sha256" in text


def test_a_missing_artifact_is_a_broken_chain(copy: Path) -> None:
    (copy / TRAIN / "metrics.json").unlink()
    assert any(p["kind"] == "broken chain" and p["where"].endswith("metrics.json") for p in verify(copy))


def test_bulk_data_that_is_not_there_makes_nothing_stale(copy: Path) -> None:
    (copy / RESULTS / f"data/{DATASET}/clips-train.npy").unlink()
    assert {(p["kind"], Path(p["where"]).name) for p in verify(copy)} == {("broken chain", "clips-train.npy")}


def test_results_of_other_parameters_are_stale_and_nothing_else(copy: Path) -> None:
    rewrite(copy, f"protocols.{PARAMS.runs[RUN].protocol}.momentum", "0.8")
    for before_and_after_specs_are_written in range(2):
        problems = verify(copy)
        assert {p["kind"] for p in problems} == {"stale"}, before_and_after_specs_are_written
        assert any(f"{RUN}-s0" in p["where"] for p in problems)
        run_in(copy, "snakemake", "-n")


def cells_of(folder: Path) -> list[str]:
    """The identities of the cells of one table of accuracies."""
    cells = json.loads((folder / RESULTS / f"aggregate/{TABLE}/cells.json").read_text())["cells"]
    return [f"{DOCUMENT}/{PARAMS.tables[TABLE].table}/{cell['row']}/{cell['column']}" for cell in cells]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/reeltrace/analysis/intervals.py", "\nZ = 1.95", "\nZ = 1.55"),
        ("reports/templates/abstract.html.j2", "<h2>Abstract</h2>", "<h2>7 numbers</h2>"),
        (PUBLISHED, "title: ", "title: Another "),
    ],
)
def test_results_of_other_code_or_texts_are_stale_and_nothing_else(copy: Path, file: str, old: str, new: str) -> None:
    edit(copy / file, old, new)
    assert {p["kind"] for p in verify(copy)} == {"stale"}
    said = run_in(copy, "reeltrace", "explain", cells_of(copy)[0]).stdout
    assert ("\n  stale " in said) == ("templates" not in file)  # of the report alone


def test_a_forgery_that_hashed_everything_again_is_exposed_by_a_replay(copy: Path) -> None:
    forged = run_in(copy, sys.executable, "-c", FORGERY, f"train/{OTHER}-s0")
    assert "report/all" in forged.stdout
    assert {Path(p["where"]).name for p in verify(copy, "--data")} == {"attested"}  # of another report than there is
    shutil.rmtree(copy / RESULTS / "attested")
    assert verify(copy, "--data") == []
    done = run_in(copy, "reeltrace", "verify", "--replay", "--json", code=1)
    problems = json.loads(done.stdout)
    assert {(p["kind"], Path(p["where"]).name) for p in problems} == {
        ("differs on replay", name) for name in ("metrics.json", "predictions.npz", "scores.json")
    }
    assert all(TRAIN in p["where"] for p in problems)
    assert f"train/{OTHER}-s0: differs" in done.stderr


def test_a_share_is_replayed_and_its_seed_printed(reproduced: Path) -> None:
    said = run_in(reproduced, "reeltrace", "verify", "--data", "50%", "--replay=1%", "--seed", "5").stdout
    assert "of files over 1 MB read: 50% (seed 5)" in said
    assert "to be replayed: 1% (seed 5)" in said
    assert re.search(r"replayed 1 of \d+ artifacts; 0 of them differ", said)
    behind = run_in(reproduced, "reeltrace", "verify", f"train/{OTHER}-s0", "--replay").stdout
    assert re.search(r"replayed (\d+) of \1 artifacts; 0 of them differ", behind)
    refused = run_in(reproduced, "reeltrace", "verify", "--replay", "0%", code=2).stderr
    assert refused.count("\n") == 1 and "expected all or a percentage" in refused


FORGERY = """
import sys
from pathlib import Path
from reeltrace.corruption.forging import forge, perfect
from reeltrace.pipeline.plan import load_plan

plan = load_plan()
perfect(plan[sys.argv[1]].folder)
print(*forge(plan, Path(), sys.argv[1]))
"""
