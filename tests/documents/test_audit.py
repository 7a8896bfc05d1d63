"""The audit of this project's documents: known mistakes are found, and what is known to be right is not."""

from collections import Counter
from typing import Any

import pytest
import yaml

from conftest import PROJECT
from on_print import verdicts_on_print
from reeltrace.analysis.audit.findings import Finding, slug
from reeltrace.analysis.audit.run import Audit, of_documents
from reeltrace.registry.documents import keys


@pytest.fixture(scope="module")
def audit() -> Audit:
    return of_documents(keys(PROJECT), PROJECT)


def of(audit: Audit, identity: str) -> Finding:
    (found,) = (f for f in audit.findings if f.id == identity)
    return found


@pytest.mark.parametrize(
    ("identity", "severity", "computation"),
    [
        ("basu2021/printed-twice/3-z3cnn-treverse", "decision", "23.58 in section 4.6"),
        ("basu2021/printed-twice/3-z3-resnet-18-treverse", "decision", "24.6 in section 4.6"),
        ("basu2021/repeats/8-z3cnn-ucf-101-r90-8-z3cnn-hmdb-51-r90", "decision", "8.71, 12.65, 8.36 twice"),
        ("basu2021/denominator/5-moving-mnist", "decision", "9.82: 294 of 3,000 is 9.8000 and 295 of 3,000 is 9.8333"),
        ("basu2021/declared/gain-of-t2cnn-on-ucf-101", "note", "100 * 37.35 / 36.83 - 100 = 1.4119"),
        ("basu2021/declared/gain-of-t2-resnet-18-on-hmdb-51", "decision", "23.59 - 22.03 = 1.56, printed 1.1"),
        ("mahler2020/derived/7.2-r-2+1-d-152-2080ti", "decision", "8064 / 13450 = 0.5996, printed 0.56s"),
        ("mahler2020/derived/7.2-r-2+1-d-+-optical-flow-2080ti", "decision", "printed 2.56s"),
        ("mahler2020/derived/7.2-slowfast-agx-xavier", "rounding", "7020 / 1410 = 4.9787, printed 4.97s"),
        ("mahler2020/printed-twice/6.1-kinetics-600-top-5", "decision", "93.9 in section 6.1.4, Table 6.1; 95.1"),
        ("mahler2020/declared/gain-on-ava-kinetics", "decision", "28.2 - 21.7 = 6.5, printed +7.3"),
        ("singh2019supp/declared/gain-by-imagenet-weights", "decision", "65.1 - 61.2 = 3.9"),
        (
            "gavves-lecture5/printed-twice/imagenet-errors-googlenet-error",
            "rounding",
            "6.67 in slide Architecture; 6.66",
        ),
    ],
)
def test_known_mistakes_are_found(audit: Audit, identity: str, severity: str, computation: str) -> None:
    found = of(audit, identity)
    assert found.severity == severity
    assert computation in found.computation
    assert all(source.printed and source.place for source in found.sources)


def test_the_frames_of_the_pathways_contradict_their_table(audit: Audit) -> None:
    slow = of(audit, "mahler2020/declared/frames-of-the-slow-pathway-in-table-5.1")
    alpha = of(audit, "mahler2020/declared/alpha-in-table-5.1")
    assert (slow.severity, slow.computation) == ("decision", "of 8x56^2: 8, printed 4")
    assert (alpha.severity, alpha.computation) == ("decision", "of 8x56^2, 32x56^2: 32 / 8 = 4, printed 8")
    assert [s.printed for s in slow.sources] == ["4", "8x56^2"]
    assert [s.printed for s in alpha.sources] == ["8", "8x56^2", "32x56^2"]


def test_what_was_computed_is_not_shown_as_if_it_were_print(audit: Audit) -> None:
    clips = of(audit, "basu2021/printed-twice/clips-of-kinetics-600").computation
    assert clips.startswith("480k in basu2021, section 3.1.3, from which 1000 * 480 = 480000 was computed; 495,547 in ")
    shown = [f.computation for f in audit.findings if "(1 - 0.270)" in f.computation]
    assert shown and all(
        "0.270 in iqbal2017, section 5.7, Table 5.9, from which 100 * (1 - 0.270) = 73" in s for s in shown
    )


@pytest.mark.parametrize(
    ("claim", "relation", "verdict"),
    [
        ("r2plus1d-152-eighth-memory", "memory of R(2+1)D-152", "contradicted"),  # 0.442 / 2.888 is 0.153
        ("slowfast-double-memory", "memory of SlowFast", "supported"),
        ("half-parameter-use", "half of SlowFast's accuracy per parameter", "supported"),
    ],
)
def test_about_has_one_margin_in_claims_and_in_the_audit(audit: Audit, claim: str, relation: str, verdict: str) -> None:
    declared = {one["id"]: one for one in read_yaml_of("relations.yaml")["relations"]}
    rules = {one["id"]: one["rule"] for one in read_yaml_of("claims.yaml")["claims"]}
    assert declared[relation]["loosely"] == rules[claim][0]["op"] == "about"
    assert verdicts_on_print("mahler2020")[claim] == verdict
    found = [f.severity for f in audit.findings if f.id == f"mahler2020/declared/{slug(relation)}"]
    assert found == (["decision"] if verdict == "contradicted" else [])


def read_yaml_of(name: str) -> Any:
    return yaml.safe_load((PROJECT / "documents/mahler2020" / name).read_text())


def test_all_times_on_processors_follow_from_their_peaks(audit: Audit) -> None:
    noted = [f for f in audit.findings if f.id.startswith("mahler2020/derived/") and f.severity == "note"]
    assert {f.sources[0].column for f in noted} == {"2080Ti", "RTX 8000", "AGX Xavier", "Jetson Nano"}


def test_every_gain_on_real_videos_lies_within_chance(audit: Audit) -> None:
    gains = [f for f in audit.findings if f.id.startswith("basu2021/gain/group-convolutions-on-real-videos")]
    assert len(gains) == 8 and {f.severity for f in gains} == {"decision"}


def test_nothing_is_found_in_what_agrees(audit: Audit) -> None:
    ids = {f.id for f in audit.findings}
    assert "iqbal2017/declared/mean-over-the-splits" not in ids
    assert "mahler2020/declared/cost-of-a-run" not in ids
    assert not any(f.detector == "derived" and f.document != "mahler2020" for f in audit.findings)
    assert not any(f.detector == "denominator" and f.document != "basu2021" for f in audit.findings)


def test_false_relations_are_not_expected(audit: Audit) -> None:
    assert audit.expected < 0.001 and audit.tried > 10_000
    assert Counter(f.id for f in audit.findings).most_common(1)[0][1] == 1
