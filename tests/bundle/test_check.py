"""check.py: one file of plain Python that names what is wrong with a folder or a zip of results."""

import ast
import contextlib
import os
import random
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import canonical_json, read_json, write_json
from reeltrace.bundle import check
from reeltrace.report.embedded import packed

CHECK = Path(check.__file__)


def run(*arguments: Path | str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
    """check.py as a reader runs it: alone, without anything of ours to import."""
    command = [sys.executable, "-I", "-S", str(CHECK), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_is_one_file_that_imports_the_standard_library_alone_and_reads_as_python_3_9() -> None:
    tree = ast.parse(CHECK.read_text(), feature_version=(3, 9))
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert modules <= {*sys.stdlib_module_names}


@pytest.mark.parametrize("below", [".", "results", "results/quick"])
def test_what_is_whole_agrees(finished: Project, below: str) -> None:
    done = run(finished.root / below)
    assert (done.returncode, done.stderr) == (0, "")
    note, line = done.stdout.splitlines()
    assert note.startswith("not signed") and line.endswith("all agree")
    numbers = len(read_json(finished.folder("report/all") / "report.json")["numbers"])
    assert int(line.split()[0]) > 0.95 * numbers


def problems(project: Project) -> list[str]:
    done = run(project.results)
    assert done.stderr == "" and done.returncode in (0, 1)
    *found, note, _ = done.stdout.splitlines()
    assert note.startswith("not signed") and (done.returncode == 1) is bool(found)
    return found


def test_each_kind_of_damage_is_named(copied: Project) -> None:
    report = copied.folder("report/all")
    run_ = next(path for path in sorted((copied.results / "train").iterdir()) if path.is_dir())
    table = next((copied.results / "aggregate").iterdir())
    measured = next((copied.results / "measure").iterdir())
    (run_ / "predictions.npz").write_bytes((run_ / "predictions.npz").read_bytes()[:-1] + b"?")
    (run_ / "receipt.json").write_text("[]")
    (table / "extra.txt").write_text("a")
    (measured / "metrics.json").unlink()
    os.mkfifo(measured / "metrics.json")
    (copied.results / "train" / "stranger").mkdir()
    (copied.results / "train" / "stranger" / "metrics.json").write_text("{}")
    page = (report / "report.html").read_text()
    (report / "report.html").write_text(page.replace("98.", "97.", 1))
    found = "\n".join(problems(copied))
    for words in (
        f"train/{run_.name}/predictions.npz: its sha256 is not",
        f"train/{run_.name}/receipt.json: is not a receipt",
        f"aggregate/{table.name}/extra.txt: is in no manifest",
        f"measure/{measured.name}/metrics.json: not a file",
        "train/stranger/metrics.json: belongs to no manifest",
        "report/all/report.html: its sha256 is not",
    ):
        assert words in found, found


def test_a_page_that_was_hashed_again_is_named_by_what_it_shows(copied: Project) -> None:
    report = copied.folder("report/all")
    content = read_json(report / "report.json")
    cell = next(c for c in content["cells"] if c["unit"] == "percent" and c["reproduced"])
    page = (report / "report.html").read_text()
    mark = f'data-trace="{cell["id"]}">{cell["reproduced"]["printed"]}<'
    assert mark in page
    (report / "report.html").write_text(page.replace(mark, f'data-trace="{cell["id"]}">12.34<'))
    copied.seal("report/all")
    assert problems(copied) == [
        f"report/all/report.html: {cell['id']} shows '12.34', report.json says {cell['reproduced']['printed']!r}"
    ]


def test_a_number_that_was_changed_everywhere_but_in_its_record_is_named(copied: Project) -> None:
    report = copied.folder("report/all")
    page, content = (report / "report.html").read_text(), read_json(report / "report.json")
    carried = check.unpacked(page)
    old = packed(carried)
    cell = next(c for c in content["cells"] if c["unit"] == "percent" and c["reproduced"])
    for number in content["numbers"]:
        if number["id"] == cell["id"]:
            number["printed"] = "12.34"
    mark = f'data-trace="{cell["id"]}">{cell["reproduced"]["printed"]}<'
    carried["report.json"] = canonical_json(content)
    write_json(report / "report.json", content)
    page = page.replace(mark, f'data-trace="{cell["id"]}">12.34<').replace(old, packed(carried))
    (report / "report.html").write_text(page)
    copied.seal("report/all")
    (found, *more) = problems(copied)
    assert found == f"report/all/report.json: {cell['id']} is printed '12.34', which is not what was recorded"
    assert all(cell["id"] in line for line in more)


def test_scores_that_were_altered_with_their_manifest_are_named_by_the_predictions(copied: Project) -> None:
    run_ = next(path for path in sorted((copied.results / "train").iterdir()) if path.is_dir())
    metrics = read_json(run_ / "metrics.json")
    score = metrics["best"]["test"]["original"]
    score["correct"] -= 1
    score["top1"] = 100 * score["correct"] / score["total"]
    write_json(run_ / "metrics.json", metrics)
    copied.seal(f"train/{run_.name}")
    told = f"train/{run_.name}/metrics.json: best_original is {score['correct']} of {score['total']}"
    assert any(line.startswith(told) for line in problems(copied))
    (run_ / "predictions.npz").write_bytes(b"PK no zip")
    copied.seal(f"train/{run_.name}")
    assert any("not readable as predictions" in line for line in problems(copied))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int64"])
def test_arrays_are_those_that_numpy_wrote(tmp_path: Path, kind: str) -> None:
    values = np.array([0, 5, 101, 3], kind)
    np.savez_compressed(tmp_path / "a.npz", one=values, none=values[:0])
    assert check.arrays((tmp_path / "a.npz").read_bytes()) == {"one": (0, 5, 101, 3), "none": ()}
    np.savez(tmp_path / "b.npz", one=values.astype(float))
    with pytest.raises(check.Unreadable):
        check.arrays((tmp_path / "b.npz").read_bytes())


def test_numbers_of_claims_are_held_to_their_record() -> None:
    here = {
        "difference": -31.0396,
        "interval": [-42.07, -20.0086],
        "p": 3.5e-8,
        "left": -29.6296,
        "right": 1.41,
        "visible": 1.313,
    }
    rule = [{"here": here | {"p_of_videos": 0.002}, "print": here | {"p": 0.0312, "p_of_videos": None}}]
    claims = {"gains": {"id": "gains", "p_adjusted": 0.0123, "rule": rule}}

    def agree(place: str, printed: str) -> bool | None:
        return check.claim_agrees({"id": f"claim/{place}", "printed": printed}, claims)

    assert agree("gains/1/here", "−31.04 [−42.07, −20.01], p below 0.001, of the videos alone p = 0.002")
    assert agree("gains/1/print", "−31.04 [−42.07, −20.01], p = 0.031")
    assert agree("gains/1/print", "−31.04 [−42.07, −20.01], p = 0.031, seen from 1.31 on")
    assert agree("gains/1/print", "−31.04 [−42.07, −20.01], p = 0.031 and more words") is None
    assert agree("gains/1/left/here", "-29.63") and agree("gains/p", "p = 0.012")
    for place, printed in (
        ("gains/1/here", "−31.04 [−42.07, 20.01], p below 0.001, of the videos alone p = 0.002"),
        ("gains/1/here", "31.04 [−42.07, −20.01], p below 0.001, of the videos alone p = 0.002"),
        ("gains/1/here", "−31.04 [−42.07, −20.01], p below 0.001, of the videos alone p = 0.003"),
        ("gains/1/here", "−31.04 [−42.07, −20.01], p below 0.001"),
        ("gains/1/print", "−31.04 [−42.07, −20.01], p below 0.001"),
        ("gains/1/print", "−31.04 [−42.07, −20.01], p = 0.032"),
        ("gains/1/print", "−31.04 [−42.07, −20.01]"),
        ("gains/1/print", "−31.04 [−42.07, −20.01], p = 0.031, seen from 1.36 on"),
        ("gains/1/left/here", "29.63"),
        ("gains/p", "p below 0.001"),
    ):
        assert agree(place, printed) is False, (place, printed)
    assert agree("other/p", "p = 0.012") is None


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return target


def test_zips_whole_damaged_and_none_at_all_end_in_lines_and_no_traceback(finished: Project, tmp_path: Path) -> None:
    good = zipped(finished.results, tmp_path / "good.zip")
    assert run(good).returncode == 0
    data, random_ = good.read_bytes(), random.Random(0)
    for number in range(40):
        bad = bytearray(data)
        for _ in range(random_.randrange(1, 4)):
            bad[random_.randrange(len(bad))] ^= 1 << random_.randrange(8)
        path = tmp_path / f"bad{number % 2}.zip"
        path.write_bytes(bad if number % 4 else bad[: random_.randrange(len(bad))])
        try:
            found = check.check(path)
        except check.Unreadable as error:
            assert str(error)
            continue
        assert all("\n" not in line for line in found.problems)
    for path in (tmp_path / "none.zip", tmp_path / "empty.zip", tmp_path / "text.zip", tmp_path):
        if path.name == "empty.zip":
            path.write_bytes(b"")
        if path.name == "text.zip":
            path.write_text("not a zip\n")
        done = run(path if path != tmp_path else finished.root / "documents")
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    os.mkfifo(tmp_path / "pipe")
    assert run(tmp_path / "pipe").stderr.endswith("neither a folder nor a zip\n")
    assert run("a", "b").returncode == 2


def test_a_name_that_leads_out_of_a_zip_is_named_and_nothing_is_written(finished: Project, tmp_path: Path) -> None:
    path = zipped(finished.results, tmp_path / "in" / "good.zip") if (tmp_path / "in").mkdir() is None else tmp_path
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside.txt", "a")
        archive.writestr("/outside.txt", "a")
    done = run(path)
    assert done.returncode == 1 and done.stdout.count("leads out of the zip") == 2
    assert not (tmp_path / "outside.txt").exists() and not Path("/outside.txt").exists()


def test_random_damage_to_a_file_is_always_named(copied: Project) -> None:
    random_ = random.Random(1)
    files = sorted(p for p in copied.results.rglob("*") if p.is_file() and p.name != "receipt.json")
    for path in random_.sample(files, 25):
        data = path.read_bytes()
        if not data:
            continue
        place = random_.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << random_.randrange(8))]) + data[place + 1 :])
        found = check.check(copied.results)
        assert found.problems, path
        path.write_bytes(data)
    assert check.check(copied.results).problems == []


def test_a_reader_who_has_seen_enough_ends_it_without_a_word(copied: Project) -> None:
    for path in (copied.results / "train").glob("*/metrics.json"):
        path.write_text("{}")
    command = f"{sys.executable} {CHECK} {copied.results} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1


def rewritten(project: Project, change: Callable[[Any], None]) -> list[str]:
    """What is said of a report.json that was changed, with the page that carries it, and hashed again."""
    report = project.folder("report/all")
    page, content = (report / "report.html").read_text(), read_json(report / "report.json")
    carried = check.unpacked(page)
    old = packed(carried)
    change(content)
    carried["report.json"] = canonical_json(content)
    write_json(report / "report.json", content)
    (report / "report.html").write_text(page.replace(old, packed(carried)))
    project.seal("report/all")
    return problems(project)


def _other_verdict(content: Any) -> None:
    claim = next(c for c in content["claims"] if c["verdict"] != "holds")
    claim["verdict"] = "holds"


def _other_verdict_on_print(content: Any) -> None:
    claim = next(c for c in content["claims"] if c["published_verdict"] != "contradicted")
    claim["published_verdict"] = "contradicted"


def _no_claims(content: Any) -> None:
    content["claims"] = []


def _one_claim_less(content: Any) -> None:
    content["claims"].pop()


def _other_severity(content: Any) -> None:
    content["audit"][0]["severity"] = "note" if content["audit"][0]["severity"] != "note" else "decision"


def _one_finding_less(content: Any) -> None:
    content["audit"].pop()


def _other_scale(content: Any) -> None:
    content["scale"] = "paper"


def _no_stand_in(content: Any) -> None:
    assert content["stand_in"]
    content["stand_in"] = None


def _other_trace(content: Any) -> None:
    one, two = [c for c in content["cells"] if c["trace"] and c["unit"] == "percent"][:2]
    number = next(n for n in content["numbers"] if n["id"] == one["id"])
    number["trace"] = two["trace"]


def _other_table(content: Any) -> None:
    next(c for c in content["cells"] if c["trace"])["table"] = "99"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_verdict, "count/claims/holds does not count the claims"),
        (_other_verdict_on_print, "count/claims-print/contradicted does not count the claims"),
        (_one_claim_less, "does not count the claims"),
        (_no_claims, "does not count the claims"),
        (_other_severity, "count/audit/note does not count the findings"),
        (_one_finding_less, "does not count the findings"),
        (_other_scale, "is not at the scale that it says"),
        (_no_stand_in, "its stand_in is not that of its tables and data sets"),
        (_other_trace, "is traced to another record than its cell"),
        (_other_table, "its table is not that of"),
    ],
    ids=lambda part: part.__name__ if callable(part) else "",
)
def test_a_report_that_was_altered_where_nothing_is_printed_is_named(
    copied: Project, change: Callable[[Any], None], words: str
) -> None:
    assert any(words in line for line in rewritten(copied, change))


def test_outcomes_and_a_banner_that_only_the_page_has_otherwise_are_named(copied: Project) -> None:
    report = copied.folder("report/all")
    content, page = read_json(report / "report.json"), (report / "report.html").read_text()
    claim, finding = content["claims"][0], content["audit"][0]
    head, row = page.split(f'<tr id="claim-{claim["id"]}"')
    wrong = f'<tr id="claim-{claim["id"]}"' + row.replace(f"{claim['verdict']}</span>", "unheard of</span>")
    place = f'id="audit-{finding["id"].replace("/", "-")}"'
    before, after = (head + wrong).split(place)
    forged = before + place + after.replace(f"{finding['severity']}</span>", "trifle</span>", 1)
    start = forged.index('<div class="banner')
    end = forged.index("</div>", start)
    assert "Quick" in forged[start:end]
    forged = forged[:start] + forged[start:end].replace("Quick", "Paper") + forged[end:]
    (report / "report.html").write_text(forged)
    copied.seal("report/all")
    found = "\n".join(problems(copied))
    for words in (
        f"claim-{claim['id']} shows",
        f"{place[4:-1]} shows trifle, report.json says",
        "its banner does not say",
    ):
        assert words in found, found


def test_links_are_named_among_the_results_alone(copied: Project) -> None:
    (copied.root / "somewhere").symlink_to("params.yaml")
    run_ = next(path for path in sorted((copied.results / "train").iterdir()) if path.is_dir())
    for path in (run_ / "metrics.json", copied.results / "measure"):
        path.rename(copied.root / path.name)
        path.symlink_to(copied.root / path.name)
    found = check.check(copied.root).problems
    linked = sorted(line.partition(": ")[0] for line in found if line.endswith(check.LINK))
    assert linked == ["results/quick/measure", f"results/quick/train/{run_.name}/metrics.json"]


def test_what_lies_below_a_folder_is_found_and_nothing_beside_it() -> None:
    files = check.Files()
    for name in ("a/b", "a/b/c", "a/b/d/e", "a/b0", "a/b-", "a/b.x", "a/bc/d", "a/b/\u00e9", "b/b/c"):
        files.sizes[name] = 1
    assert files.below("a/b/") == ["a/b/c", "a/b/d/e", "a/b/\u00e9"]
    files.sizes["a/b/0"] = 1
    assert files.below("a/b/") == ["a/b/0", "a/b/c", "a/b/d/e", "a/b/\u00e9"] and files.below("c/") == []


def test_a_file_that_grows_and_a_zip_that_says_too_much_are_not_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("abc")
    files = check.Folder(tmp_path)
    with (tmp_path / "a.txt").open("a") as file:
        file.write("d")
    with pytest.raises(check.Unreadable, match="grows while it is read"):
        files.sha256("a.txt")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(name, " " * 1000)
        link = zipfile.ZipInfo("d")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert check.Zip(tmp_path / "b.zip").odd == {"d": check.LINK}
    monkeypatch.setattr(check, "MOST_IN_ZIP", 2999)
    with pytest.raises(check.Unreadable, match="unpacks to 3,011 bytes, the most is 2,999"):
        check.Zip(tmp_path / "b.zip")


def test_a_zip_damaged_anywhere_leads_to_lines_alone(tmp_path: Path) -> None:
    name = "results/quick/report/all/"
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in ("manifest.json", "report.json", "report.html"):
            archive.writestr(f"{name}{file}", "{}" * 50)
    whole, random_ = (tmp_path / "a.zip").read_bytes(), random.Random(4)
    for place in range(0, len(whole), 3):
        bad = whole[:place] + random_.randbytes(2) + whole[place + 2 :]
        (tmp_path / "b.zip").write_bytes(bad if place % 2 else whole[:place])
        with contextlib.suppress(check.Unreadable):
            assert check.check(tmp_path / "b.zip").problems


def test_a_member_of_a_zip_that_unpacks_to_far_too_much_is_refused_in_a_line(tmp_path: Path) -> None:
    name = "results/quick/report/all/"
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}manifest.json", "{}")
        with archive.open(f"{name}report.json", "w", force_zip64=True) as member:
            for _ in range(110):
                member.write(b" " * 1_000_000)
    done = run(tmp_path / "bomb.zip")
    assert done.returncode == 1 and done.stderr == ""
    assert [line for line in done.stdout.splitlines() if "too large" in line] == [
        f"{name}report.json: too large to be read: 110,000,000 bytes, the most is 100,000,000"
    ]
