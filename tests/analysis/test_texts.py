"""The texts of documents/ against each other and against the experiments: each mistake is named with its place."""

import re
import shutil
import time
from pathlib import Path
from textwrap import dedent, indent

import pytest

from conftest import FILES, PROJECT, Command, edit, edited, refusal
from reeltrace.analysis.texts import check_texts
from reeltrace.cli import _mistaken_texts
from reeltrace.errors import UserError
from reeltrace.plan import Plan
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import load, registry_of

BASU, CLAIMS, LEDGER = (f"documents/basu2021/{name}.yaml" for name in ("published", "claims", "assumptions"))
FIGURES = "documents/mahler2020/assumptions.yaml"


REGISTRY = registry_of(FILES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "documents", tmp_path / "documents")
    ledgers = (PROJECT / "documents").glob("*/assumptions.yaml")
    for place in re.findall(r'code: "(src/.*)"', "".join(path.read_text(encoding="utf-8") for path in ledgers)):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / place).is_file():
            (tmp_path / place).touch()
    return tmp_path


@pytest.mark.parametrize("scale", SCALES)
def test_the_projects_own_texts_are_right_and_quickly_read(scale: str) -> None:
    began = time.process_time()
    check_texts(load(PROJECT, scale), PROJECT)  # type: ignore[arg-type]
    assert time.process_time() - began < 2


RULE = 'rule:\n      - {left: ["3", "Z3CNN", "treverse"]'


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (BASU, "    unit: channels\n", "    unit: channels\n    unit: channels\n", "key 'unit' appears twice"),
        (BASU, "column: Z3CNN channels,", "column: Z3CNN channels, column: T2CNN layer,", "key 'column' appears twice"),
        (BASU, "tables:\n", "document: basu2020\ntables:\n", "document: Extra inputs are not permitted"),
        (CLAIMS, RULE, RULE.replace('"3"', '"33"'), "'reversal-breaks-cnn4': rule 1: left: no table '33' in"),
        (CLAIMS, RULE, RULE.replace("Z3CNN", "Z4CNN"), "left: no row 'Z4CNN' in table 3 of"),
        (CLAIMS, RULE, RULE.replace("treverse", "reverse"), "no column 'reverse' in table 3 of"),
        (CLAIMS, RULE, RULE.replace('"3", "Z3CNN", "treverse"', '"1", "conv1", "Z3CNN layer"'), "two numbers of one"),
        (CLAIMS, "op: below, by: 25", "op: below, by: .inf", ".by: found .inf; expected a finite number"),
        (BASU, "    unit: channels\n", "    unit: .nan\n", "unit: found .nan; expected a finite number"),
        (BASU, "    unit: channels\n", "    unit: 2017-01-01\n", "unit: found 2017-01-01, which YAML takes for a date"),
        (LEDGER, 'tables: ["1", "3"', 'tables: [-.inf, "3"', "tables.0: found -.inf; expected a finite number"),
        (CLAIMS, "op: below, by: 25", "op: below, by: -1", "found -1"),
        (
            CLAIMS,
            "- id: reversal-breaks-cnn4",
            "- id: t2-level-cnn4",
            "'t2-level-cnn4' stands in documents/",
        ),
        (LEDGER, 'tables: ["1", "3"', 'tables: ["11", "3"', "'batch-norm-and-bias': tables: no table '11'"),
        (LEDGER, "[models.cnn4-z3.batch_norm", "[models.cnn4-z3.batchnorm", "registry: no 'models.cnn4-z3.batchnorm'"),
        (LEDGER, "[models.cnn4-z3.batch_norm", "[models.cnn5-z3.batch_norm", "models: nearest of"),
        (LEDGER, "[models.cnn4-z3.batch_norm", "[models.cnn4-z3.batch_norm.x", "batch_norm is a single value"),
        (LEDGER, '"src/reeltrace/models/cnn4.py"', '"../../../etc/passwd"', "found '../../../etc/passwd'"),
        (LEDGER, '"src/reeltrace/models/cnn4.py"', '"/etc/passwd"', "found '/etc/passwd'"),
        (
            LEDGER,
            '"src/reeltrace/models/cnn4.py"',
            '"src/reeltrace/models/cnn5.py"',
            "found 'src/reeltrace/models/cnn5",
        ),
        (
            LEDGER,
            "- id: resnet-stem",
            "- id: batch-norm-and-bias",
            "'batch-norm-and-bias' stands in documents/",
        ),
        (
            FIGURES,
            'figures: ["7.4',
            'figures: ["9.4',
            "figures: no figure '9.4' in what documents/mahler2020 draws",
        ),
    ],
)
def test_a_mistake_in_a_text_is_named_with_its_place(root: Path, file: str, old: str, new: str, words: str) -> None:
    edit(root / file, old, new)
    message = refusal(check_texts, REGISTRY, root)
    assert message.startswith(f"{file}: ")
    assert words in message


def test_a_link_out_of_the_project_is_no_place_of_its_code(root: Path) -> None:
    (root / "src/reeltrace/models/cnn4.py").unlink()
    (root / "src/reeltrace/models/cnn4.py").symlink_to("/etc/passwd")
    assert "code: found 'src/reeltrace/models/cnn4.py'; expected a file" in refusal(check_texts, REGISTRY, root)


def test_a_stray_transcription_is_read_too(root: Path) -> None:
    (root / "documents/other").mkdir()
    (root / "documents/other/published.yaml").write_text("a: " + "[" * 100_000)
    assert "other/published.yaml: line 1, column 67: not valid YAML (nested deeper" in refusal(
        check_texts, REGISTRY, root
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rows: {Z3CNN: dir-cnn4-z3,", "rows: {Z4CNN: dir-cnn4-z3,", "basu2021-table3.rows: no row 'Z4CNN' in table 3"),
        ('"# of Parameters": {m', '"# of Params": {m', "measured: no column '# of Params' in table 7."),
        ("of: [7.2/Top-1 Acc.,", "of: [7.9/Top-1 Acc.,", "of: no table '7.9' in"),
        ("of: [7.2/Top-1 Acc.,", "of: [7.2/Top-5 Acc.,", "of: no column 'Top-5 Acc.' in table 7.2"),
    ],
)
def test_what_params_names_and_the_document_does_not_print_is_named(root: Path, old: str, new: str, words: str) -> None:
    message = refusal(check_texts, registry_of(edited(old, new)), root)
    assert re.match(r"documents/(basu2021|mahler2020)/experiments.yaml: tables\.", message)
    assert words in message


def test_who_keeps_a_part_of_the_experiments_need_not_edit_the_ledger(root: Path) -> None:
    registry = registry_of(edited("documents: all", "documents: [basu2021-table3]"))
    assert list(registry.params.tables) == ["basu2021-table3"]
    check_texts(registry, root)


def test_verify_names_a_mistake_in_a_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert _mistaken_texts(Plan(REGISTRY, root)) == []
    edit(root / CLAIMS, RULE, RULE.replace("Z3CNN", "Z4CNN"))
    found = _mistaken_texts(Plan(REGISTRY, root))
    assert [p.kind for p in found] == ["broken chain"] and "no row 'Z4CNN' in table 3" in found[0].found


def test_status_and_snakemake_say_it_before_anything_runs(workspace: Path, command: Command) -> None:
    edit(workspace / CLAIMS, RULE, RULE.replace("Z3CNN", "Z4CNN"))
    said = "no row 'Z4CNN' in table 3 of documents/basu2021/published.yaml"
    done = command("reeltrace", "status", code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
    dry = command("snakemake", "-n", code=1)
    assert said in dry.stdout + dry.stderr
    command("reeltrace", "sync", code=None)  # compiles dvc.yaml for this scale
    for leaf in (("env", "DVC_STAGE=x", "reeltrace", "run", "data", "digits"), ("reeltrace", "run", "report", "all")):
        assert said in command(*leaf, code=2).stderr


def test_the_example_of_the_documentation_is_accepted_as_it_stands(root: Path) -> None:
    text = (PROJECT / "docs/adding-an-experiment.md").read_text(encoding="utf-8")
    blocks = [dedent(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)]
    runs, tables, transcription = (blocks[n] for n in (0, 1, 2))
    file = "documents/basu2021/experiments.yaml"
    experiments = FILES[file]
    for block in (runs, tables):
        section = block.partition("\n")[0]
        assert experiments.count(f"\n{section}\n") == 1
        experiments = experiments.replace(f"\n{section}\n", f"\n{block}", 1)
    registry = registry_of({**FILES, file: experiments})
    with pytest.raises(UserError, match=rf"no table 'T2 on digits' in {BASU}"):
        check_texts(registry, root)
    path = root / BASU
    path.write_text(path.read_text(encoding="utf-8") + indent(transcription, "  "), encoding="utf-8")
    check_texts(registry, root)
    before, after = ({task.name for task in Plan(of, PROJECT)} for of in (REGISTRY, registry))
    assert after - before == {"train/digit-cnn4-t2-s0", "aggregate/basu2021-t2-on-digits"}
    read = [t.key for t in Plan(registry, PROJECT).of("aggregate") if Path(BASU) in t.texts]
    assert len(read) == 9 and "the nine tables of the document" in " ".join(text.split())
