"""The texts of documents/ against each other and against the experiments: each mistake is named with its place."""

import json
import re
import time
from pathlib import Path

import pytest

from conftest import PROJECT, Command, edit, refusal
from invented import DOCUMENTS, FILES, edited, lay
from reeltrace.analysis.cross_checks import check_texts
from reeltrace.cli import _mistaken_texts
from reeltrace.errors import UserError
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import load, registry_of

PRINTED, CLAIMS, LEDGER = (f"documents/nobody2024/{name}.yaml" for name in ("published", "claims", "assumptions"))
READINGS = "documents/nobody2024/readings.yaml"


REGISTRY = registry_of(FILES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay(tmp_path)
    ledgers = DOCUMENTS.glob("*/assumptions.yaml")
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


RULE = 'rule:\n      - {left: ["3", "plain", "treverse"]'


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (PRINTED, "    unit: channels\n", "    unit: channels\n    unit: channels\n", "key 'unit' appears twice"),
        (
            PRINTED,
            "column: plain channels,",
            "column: plain channels, column: time layer,",
            "key 'column' appears twice",
        ),
        (
            PRINTED,
            "tests:\n",
            "tests:\n  clips: {size: 9, of: clips, ledger: nothing}\n",
            "tests.clips.ledger: no assumption 'nothing' in the ledger of documents/nobody2024; it has: ",
        ),
        (PRINTED, "tables:\n", "document: basu2020\ntables:\n", "document: Extra inputs are not permitted"),
        (CLAIMS, RULE, RULE.replace('"3"', '"33"'), "'reversal-breaks': rule 1: left: no table '33' in"),
        (CLAIMS, RULE, RULE.replace("plain", "plane"), "left: no row 'plane' in table 3 of"),
        (CLAIMS, RULE, RULE.replace("treverse", "reverse"), "no column 'reverse' in table 3 of"),
        (CLAIMS, RULE, RULE.replace('"3", "plain", "treverse"', '"1", "conv1", "plain layer"'), "two numbers of one"),
        (CLAIMS, "op: times, by: 3", "op: times, by: .inf", ".by: found .inf; expected a finite number"),
        (CLAIMS, "op: far below", "op: far below, by: 3", "times has a factor `by`, about may have one"),
        (CLAIMS, "op: times, by: 3", "op: times", "times has a factor `by`, about may have one"),
        (CLAIMS, RULE, RULE.replace('["3", "plain", "treverse"]', '"{3/plane/treverse}"'), "no row 'plane' in table 3"),
        (CLAIMS, RULE, RULE.replace('["3", "plain", "treverse"]', '"{3/plain/treverse"'), "is not understood"),
        (CLAIMS, RULE, RULE.replace('["3", "plain", "treverse"]', "{prose: gain}"), "no value 'gain' in documents/"),
        (CLAIMS, RULE, RULE.replace('["3", "plain", "treverse"]', '"{someone2025:3/a/b}"'), "a claim is about its own"),
        (CLAIMS, RULE, RULE.replace('["3", "plain", "treverse"]', '"max({3/*/treverse})"'), "names each of its cells"),
        (
            CLAIMS,
            RULE,
            RULE.replace('["3", "plain", "treverse"]', '"' + " * ".join(["{3/plain/treverse} ** 12"] * 30) + '"'),
            "'reversal-breaks': rule 1: left: comes to a number of more than",
        ),
        (
            CLAIMS,
            RULE,
            RULE.replace('["3", "plain", "treverse"]', '"1 * {3/plain/original}"'),
            "is far below {3/plain/original}: comes out the same whatever its values are",
        ),
        (PRINTED, "    unit: channels\n", "    unit: .nan\n", "unit: found .nan; expected a finite number"),
        (
            PRINTED,
            "    unit: channels\n",
            "    unit: 2017-01-01\n",
            "unit: found 2017-01-01, which YAML takes for a date",
        ),
        (LEDGER, 'tables: ["1", "3"', 'tables: [-.inf, "3"', "tables.0: found -.inf; expected a finite number"),
        (CLAIMS, "op: times, by: 3", "op: times, by: -1", "found -1"),
        (
            CLAIMS,
            RULE,
            f"rests_on: [nothing]\n    {RULE}",
            "'reversal-breaks': rests_on: no assumption 'nothing' in the",
        ),
        (
            CLAIMS,
            "- id: reversal-breaks",
            "- id: time-threefold",
            "'time-threefold' stands in documents/",
        ),
        (LEDGER, 'tables: ["1", "3"', 'tables: ["11", "3"', "'norm-and-bias': tables: no table '11'"),
        (
            LEDGER,
            "[models.plain-net.batch_norm",
            "[models.plain-net.batchnorm",
            "registry: no 'models.plain-net.batchnorm'",
        ),
        (LEDGER, "[models.plain-net.batch_norm", "[models.plane-net.batch_norm", "models: nearest of"),
        (LEDGER, "[models.plain-net.batch_norm", "[models.plain-net.batch_norm.x", "batch_norm is a single value"),
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
            "- id: stem",
            "- id: norm-and-bias",
            "'norm-and-bias' stands in documents/",
        ),
        (
            LEDGER,
            'figures: ["4"',
            'figures: ["9"',
            "figures: no figure '9' in what documents/nobody2024 draws",
        ),
    ],
)
def test_a_mistake_in_a_text_is_named_with_its_place(root: Path, file: str, old: str, new: str, words: str) -> None:
    edit(root / file, old, new)
    message = refusal(check_texts, REGISTRY, root)
    assert message.startswith(f"{file}: ")
    assert words in message


def test_readings_are_of_what_the_ledger_names(root: Path) -> None:
    of_nothing = registry_of({**FILES, READINGS: FILES[READINGS].replace("path:", "paths:")})
    message = refusal(check_texts, of_nothing, root)
    assert message.startswith(
        f"{READINGS}: paths.bounce: no assumption 'paths' in the ledger of documents/nobody2024; "
    )


def test_a_value_of_the_prose_names_a_test_set_of_its_document(root: Path) -> None:
    value = '  - {id: gain, printed: "1.5", unit: points, place: "section 5", test: nowhere}'
    (root / "documents/nobody2024/prose.yaml").write_text(f"values:\n{value}\n")
    with pytest.raises(UserError, match=r"prose\.yaml: value 'gain': test: no test set 'nowhere' in tests of"):
        check_texts(REGISTRY, root)


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
        (
            "rows: {plain: drift-plain,",
            "rows: {plane: drift-plain,",
            "nobody2024-table3.rows: no row 'plane' in table 3",
        ),
        ("size: {m", "sizes: {m", "measured: no column 'sizes' in table A"),
        ("of: [A2/hits,", "of: [A9/hits,", "of: no table 'A9' in"),
        ("of: [A2/hits,", "of: [A2/misses,", "of: no column 'misses' in table A2"),
    ],
)
def test_what_params_names_and_the_document_does_not_print_is_named(root: Path, old: str, new: str, words: str) -> None:
    message = refusal(check_texts, registry_of(edited(old, new)), root)
    assert re.match(r"documents/nobody2024/experiments.yaml: tables\.", message)
    assert words in message


def test_who_keeps_a_part_of_the_experiments_need_not_edit_the_ledger(root: Path) -> None:
    registry = registry_of(edited("documents: all", "documents: [nobody2024-table3]"))
    assert list(registry.params.tables) == ["nobody2024-table3"]
    check_texts(registry, root)


def test_verify_names_a_mistake_in_a_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert _mistaken_texts(Plan(REGISTRY, root)) == []
    edit(root / CLAIMS, RULE, RULE.replace("plain", "plane"))
    found = _mistaken_texts(Plan(REGISTRY, root))
    assert [p.kind for p in found] == ["broken chain"] and "no row 'plane' in table 3" in found[0].found


def test_status_and_snakemake_say_it_before_anything_runs(invented: Path, command: Command) -> None:
    edit(invented / CLAIMS, RULE, RULE.replace("plain", "plane"))
    said = "no row 'plane' in table 3 of documents/nobody2024/published.yaml"
    done = command("reeltrace", "status", code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
    dry = command("snakemake", "-n", code=1)
    assert said in dry.stdout + dry.stderr
    command("reeltrace", "sync", code=None)  # compiles dvc.yaml for this scale
    for leaf in (("env", "DVC_STAGE=x", "reeltrace", "run", "data", "digits"), ("reeltrace", "run", "report", "all")):
        assert said in command(*leaf, code=2).stderr


@pytest.mark.parametrize(
    ("follows", "said"),
    [
        ("{3/plain/treverse}", ""),
        ("{3/plan/treverse}", "relations.yaml: one: {3/plan/treverse}: there is no 'plan'"),
        ("{prose:nothing}", "there is no 'nothing'"),
        ("1 +", "relations.0.follows: character 4"),
        (" * ".join(["{3/plain/treverse} ** 12"] * 30), "relations.yaml: one: comes to a number of more than"),
    ],
)
def test_relations_name_what_is_there(root: Path, follows: str, said: str) -> None:
    relation = {"id": "one", "says": "so", "place": "there", "value": "1", "follows": follows}
    path = root / "documents/nobody2024/relations.yaml"
    path.write_text(json.dumps({"relations": [relation]}), encoding="utf-8")
    if said:
        with pytest.raises(UserError, match=re.escape(said)):
            check_texts(REGISTRY, root)
    else:
        check_texts(REGISTRY, root)
