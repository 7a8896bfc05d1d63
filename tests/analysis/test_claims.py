"""Claims: rules judged on print, with the uncertainty of its test sets, and on the answers of nets."""

import random
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from conftest import write_files
from reeltrace.analysis import claims, published
from reeltrace.analysis.claims import Claim, Claims, Comparison, Value, compare, judge_all, numeral, rounding
from reeltrace.analysis.expressions import Reference
from reeltrace.analysis.prose import ProseValue
from reeltrace.analysis.prose import load as load_prose
from reeltrace.analysis.published import load as load_published
from reeltrace.errors import UserError
from reeltrace.registry.documents import compose, read

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(compose(read(REPOSITORY)).headers)


def table(cells: Mapping[tuple[str, str], str | None], **more: Any) -> dict[str, Any]:
    rows, columns = (list(dict.fromkeys(place[side] for place in cells)) for side in (0, 1))
    return {
        "title": "T",
        "caption": "C",
        "place": "Table 1",
        "unit": "percent",
        "columns": [{"key": key, "label": key} for key in columns],
        "rows": [{"key": key, "label": key} for key in rows],
        "cells": [
            {"row": row, "column": column, "printed": text, **({"reason": "lost"} if text is None else {})}
            for (row, column), text in cells.items()
        ],
        **more,
    }


def document(cells: Mapping[tuple[str, str], str | None], size: int | None = 1000, **more: Any) -> published.Document:
    tested = {} if size is None else {"test": "set"}
    tables = {"1": published.Table.model_validate(table(cells, **tested, **more))}
    tests = {} if size is None else {"set": published.TestSet(size=size, of="videos", place="section 1")}
    return published.Document("d", tables, Path("published.yaml"), tests=tests)


def claim(*rule: dict[str, Any], **more: Any) -> Claim:
    return Claim.model_validate({"id": "c", "title": "t", "says": "s", "place": "p", "rule": rule, **more})


def on_print(of: published.Document, *rule: dict[str, Any], prose: Mapping[str, ProseValue] | None = None) -> Any:
    return judge_all(Claims("d", (claim(*rule),)), of, prose or {}, {})[0]


A, B = ["1", "a", "x"], ["1", "b", "x"]


@pytest.mark.parametrize(
    ("op", "a", "b", "size", "expected"),
    [
        ("above", "37.35", "36.83", 3783, "not distinguishable"),  # basu2021, Table 6
        ("above", "37.35", "36.83", 1_000_000, "supported"),
        ("below", "37.35", "36.83", 1_000_000, "contradicted"),
        ("above", "36.83", "36.83", 3783, "not distinguishable"),
        ("significantly above", "45.0", "40.0", 3783, "supported"),
        ("significantly above", "45.0", "40.0", 300, "not distinguishable"),
        ("significantly above", "40.5", "40.0", 10_000_000, "contradicted"),  # distinguishable, and less than 1 point
        ("far below", "24.6", "100", 3000, "supported"),
        ("far below", "80.0", "100", 3000, "contradicted"),
        ("similar", "99.87", "100", 3000, "supported"),
        ("similar", "34.02", "37.03", 3783, "not distinguishable"),
        ("similar", "21.07", "51.38", 3783, "contradicted"),
        ("marginally above", "99.93", "99.33", 3000, "supported"),
        ("marginally above", "99.67", "98.67", 30, "not distinguishable"),
        ("marginally above", "90.0", "80.0", 3000, "contradicted"),
        ("negligible", "80.0", "80.1", 100_000, "supported"),
    ],
)
def test_shares_are_held_against_the_size_of_their_test_set(op: str, a: str, b: str, size: int, expected: str) -> None:
    found = on_print(document({("a", "x"): a, ("b", "x"): b}, size), {"left": A, "op": op, "right": B})
    assert found["published_verdict"] == expected
    assert (found["published_why"] is None) == (expected in ("supported", "contradicted"))


def test_what_would_have_been_seen_is_seen_in_four_of_five_cases() -> None:
    of = document({("a", "x"): "50.0", ("b", "x"): "50.0"}, 2000)
    visible = on_print(of, {"left": A, "op": "above", "right": B})["rule"][0]["print"]["visible"]
    draw = random.Random(2)
    seen, trials = 0, 400
    for _ in range(trials):
        a, b = (100 * sum(draw.random() < share for _ in range(2000)) / 2000 for share in (0.5 + visible / 100, 0.5))
        drawn = document({("a", "x"): f"{a:.1f}", ("b", "x"): f"{b:.1f}"}, 2000)
        seen += on_print(drawn, {"left": A, "op": "above", "right": B})["published_verdict"] == "supported"
    assert 0.73 <= seen / trials <= 0.87


def test_without_a_test_set_or_a_value_nothing_is_judged_but_arithmetic_is() -> None:
    of = document({("a", "x"): "65.1", ("b", "x"): "61.2", ("c", "x"): None}, size=None)
    found = on_print(of, {"left": A, "op": "above", "right": B})
    assert found["published_verdict"] == "cannot be judged" and "no test set is named" in found["published_why"]
    found = on_print(of, {"left": A, "op": "above", "right": ["1", "c", "x"]})
    assert found["published_verdict"] == "cannot be judged" and "prints no value" in found["published_why"]
    for figure, expected in (("3", "contradicted"), ("4", "supported"), ("3.9", "supported"), ("3.7", "contradicted")):
        found = on_print(of, {"left": "{1/a/x} - {1/b/x}", "op": "is", "right": figure})
        assert found["published_verdict"] == expected, figure


def test_one_failing_comparison_settles_a_claim_where_another_has_no_value() -> None:
    of = document({("a", "x"): "20.0", ("b", "x"): "61.2", ("c", "x"): None})
    rule = ({"left": A, "op": "above", "right": ["1", "c", "x"]}, {"left": A, "op": "above", "right": B})
    assert on_print(of, *rule)["published_verdict"] == "contradicted"


def test_two_losses_are_no_larger_gain() -> None:
    of = document({("a", "x"): "10.0", ("b", "x"): "20.0", ("a", "y"): "10.0", ("b", "y"): "50.0"}, 100_000)
    more = {"left": "{1/a/x} - {1/b/x}", "op": "above", "right": "{1/a/y} - {1/b/y}"}
    assert on_print(of, more)["published_verdict"] == "supported"
    gain = {"left": A, "op": "above", "right": B}
    assert on_print(of, gain, more)["published_verdict"] == "contradicted"


def test_decimals_are_exact() -> None:
    of = document({("a", "x"): "0.3s", ("b", "x"): "0.1s"}, unit="seconds", size=None)
    assert on_print(of, {"left": A, "op": "times", "by": 3, "right": B})["rule"][0]["print"]["holds"] is True
    assert on_print(of, {"left": "0.1 + 0.2", "op": "is", "right": "0.3"})["published_verdict"] == "supported"


@pytest.mark.parametrize(
    ("op", "by", "a", "b", "expected"),
    [
        ("above", None, "2.888", "1.501", "supported"),
        ("above", None, "2.9", "2.9", "not distinguishable"),  # rounding allows either
        ("similar", None, "59,342,488", "59,112,656", "supported"),
        ("about", 2, "2.888", "1.501", "supported"),
        ("about", 8, "2.888", "0.442", "contradicted"),
        ("times", 2, "2.9", "1.45", "not distinguishable"),
    ],
)
def test_quantities_are_held_against_their_rounding(op: str, by: int | None, a: str, b: str, expected: str) -> None:
    unit = "count" if "," in a else "gigabytes"
    suffix = "" if unit == "count" else " GB"
    of = document({("a", "x"): a + suffix, ("b", "x"): b + suffix}, unit=unit, size=None)
    rule = {"left": A, "op": op, "right": B, **({} if by is None else {"by": by})}
    assert on_print(of, rule)["published_verdict"] == expected


def test_numbers_of_prints() -> None:
    assert rounding("0.52") == (Fraction(52, 100), Fraction(515, 1000), Fraction(525, 1000))
    assert rounding("687e3") == (687_000, 686_500, 687_500)
    assert (numeral("27·C", "blocks"), numeral("19 weight layers", "blocks")) == ("27", "19")
    assert numeral("7x7", "blocks") is None and numeral("59,342,488", "count") == "59342488"


# --- ours ---


def answered(right: Mapping[str, list[int]], classes: int = 4, tests: str = "set", seeds: int = 1) -> dict[str, Any]:
    """A table of accuracies with the answers behind it; of several seeds each row has as many lists in one."""
    cells, paired_cells, size = [], [], 0
    for row, bits in right.items():
        size = len(bits) // seeds
        runs = []
        for seed in range(seeds):
            mine = bits[seed * size : (seed + 1) * size]
            runs.append(
                {
                    "run": row,
                    "seed": seed,
                    "set": tests,
                    "right": f"{int(''.join(map(str, mine)), 2):0{(size + 3) // 4}x}",
                }
            )
        paired_cells.append({"row": row, "column": "x", "runs": runs})
        share = 100 * sum(bits) / len(bits)
        reproduced = {"value": share, "values": {}, "seeds": {}}
        cells.append({"row": row, "column": "x", "unit": "percent", "reproduced": reproduced, "origin": "measured"})
    return {
        "kind": "accuracy",
        "circumstances": "quick scale",
        "cells": cells,
        "paired": {"sets": {tests: {"tests": size, "classes": classes}}, "cells": paired_cells},
    }


def here(tables: Mapping[str, Any], *of: Claim) -> list[dict[str, Any]]:
    print_ = document({("a", "x"): "99.0", ("b", "x"): "90.0", ("c", "x"): "90.0"})
    return judge_all(Claims("d", of), print_, {}, tables)


def one_here(right: Mapping[str, list[int]], rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return here({"1": answered(right, **more)}, claim(rule))[0]


ALL, MOST, HALF = [1] * 200, [1] * 180 + [0] * 20, [1] * 100 + [0] * 100


def test_two_nets_are_compared_on_the_tests_that_one_of_them_got_wrong() -> None:
    found = one_here({"a": ALL * 3, "b": MOST * 3}, {"left": A, "op": "above", "right": B}, seeds=3)
    assert (found["verdict"], found["rule"][0]["here"]["how"]) == (
        "holds",
        "the same tests, 3 seeds; of the videos alone by bootstrap",
    )
    found = one_here({"a": MOST * 3, "b": ALL * 3}, {"left": A, "op": "above", "right": B}, seeds=3)
    assert found["verdict"] == "fails"
    few = [1] * 197 + [0] * 3
    found = one_here({"a": ALL, "b": few}, {"left": A, "op": "above", "right": B})
    assert (found["verdict"], found["rule"][0]["here"]["p_of_videos"]) == ("cannot tell", 0.25)
    assert found["why"] == "chance is not excluded"


def test_with_one_seed_another_one_could_turn_what_the_videos_settle() -> None:
    fewer = [1] * 188 + [0] * 12  # 6 points
    found = one_here({"a": ALL, "b": fewer}, {"left": A, "op": "above", "right": B})
    here_ = found["rule"][0]["here"]
    assert here_["how"] == "the same tests, one seed with an assumed spread; of the videos alone by McNemar"
    assert here_["p_of_videos"] == 2 / 2**12 < 0.05 < here_["p"] == found["p"]
    assert (found["verdict"], found["why"]) == ("cannot tell", "other seeds could turn it, other videos could not")
    assert here_["interval"][0] < 6 - 1.96 * 2.5 * 2**0.5 < 0 < here_["interval"][1]
    assert one_here({"a": ALL, "b": HALF}, {"left": A, "op": "above", "right": B})["verdict"] == "holds"  # 50 points


def test_a_net_that_keeps_its_answers_under_a_transform_keeps_its_accuracy_with_one_seed() -> None:
    def keeps(after: list[int]) -> dict[str, Any]:
        made = answered({"a": MOST})
        one = answered({"a": after})
        made["cells"].append({**one["cells"][0], "column": "y"})
        made["paired"]["cells"].append({**one["paired"]["cells"][0], "column": "y"})
        return here({"1": made}, claim({"left": A, "op": "similar", "right": ["1", "a", "y"]}))[0]

    assert keeps(MOST)["verdict"] == "holds"
    assert keeps([1] * 170 + [0] * 10 + [1] * 10 + [0] * 10)["verdict"] == "cannot tell"  # as many right, others
    assert keeps(HALF)["verdict"] == "fails"


def test_pairing_finds_what_two_independent_samples_would_not() -> None:
    """Both nets get the same hard half wrong; one of them twelve tests more."""
    a, b = [1] * 112 + [0] * 88, [1] * 100 + [0] * 100
    found = one_here({"a": a * 3, "b": b * 3}, {"left": A, "op": "above", "right": B}, seeds=3)
    assert found["verdict"] == "holds"
    shifted = answered({"b": b * 3}, tests="other", seeds=3)
    tables = {"1": answered({"a": a * 3}, seeds=3), "2": shifted}
    apart = claim({"left": A, "op": "above", "right": ["2", "b", "x"]})
    assert here(tables, apart)[0]["verdict"] == "cannot tell"


def test_margins_are_judged_on_videos_and_seeds() -> None:
    found = one_here({"a": ALL, "b": HALF}, {"left": A, "op": "far above", "right": B})
    assert (found["verdict"], found["rule"][0]["here"]["how"]) == (
        "holds",
        "the same tests, one seed with an assumed spread; of the videos alone by bootstrap",
    )
    assert one_here({"a": ALL, "b": MOST}, {"left": A, "op": "far above", "right": B})["verdict"] == "fails"
    nearly = [1] * 150 + [0] * 50
    assert one_here({"a": ALL, "b": nearly}, {"left": A, "op": "far above", "right": B})["verdict"] == "cannot tell"
    close = {"left": A, "op": "similar", "right": B}
    almost = [1] * 199 + [0]
    assert one_here({"a": almost, "b": ALL}, close)["verdict"] == "cannot tell"  # one seed
    assert one_here({"a": almost * 3, "b": ALL * 3}, close, seeds=3)["verdict"] == "holds"
    assert one_here({"a": ([1] * 19 + [0]) * 3, "b": [1] * 60}, close, seeds=3)["verdict"] == "cannot tell"


def test_what_guessing_gives_and_what_is_too_easy_is_vacuous() -> None:
    chance = [1, 0, 0, 0] * 50
    found = one_here({"a": chance, "b": chance}, {"left": A, "op": "similar", "right": B})
    assert found["verdict"] == "vacuous" and "guessing" in found["why"]
    # Where the better net is no better than guessing, that another is below it says nothing, either way.
    found = one_here({"a": chance, "b": [0] * 200}, {"left": A, "op": "above", "right": B})
    assert found["verdict"] == "vacuous"
    found = one_here({"a": chance, "b": chance}, {"left": A, "op": "far below", "right": B})
    assert found["verdict"] == "vacuous"
    found = one_here({"a": ALL, "b": ALL}, {"left": A, "op": "similar", "right": B})
    assert found["verdict"] == "vacuous" and "right" in found["why"]
    # A net that keeps all it has under a transform is what the claim says, not too easy a test.
    both = answered({"a": ALL})
    both["cells"].append({**both["cells"][0], "column": "y"})
    both["paired"]["cells"].append({**both["paired"]["cells"][0], "column": "y"})
    found = here({"1": both}, claim({"left": A, "op": "similar", "right": ["1", "a", "y"]}))[0]
    assert found["verdict"] == "holds"


def test_the_claims_of_a_table_are_looked_at_together() -> None:
    nets = answered({"a": ALL * 3, "b": ([1] * 193 + [0] * 7) * 3}, seeds=3)
    first = claim({"left": A, "op": "above", "right": B}, id="first")
    alone = here({"1": nets}, first)[0]
    assert alone["verdict"] == "holds" and 0.02 < alone["p"] == alone["p_adjusted"] < 0.05
    more = [claim({"left": A, "op": "above", "right": B}, id=f"more-{n}") for n in range(2)]
    together = here({"1": nets}, first, *more)[0]
    assert together["p_adjusted"] == pytest.approx(3 * alone["p"]) and together["verdict"] == "cannot tell"
    assert together["why"] == "chance is not excluded for all claims of the table together"


def test_a_claim_on_print_alone_is_not_run_here() -> None:
    tables = {"1": answered({"a": ALL, "b": MOST})}
    assert here(tables, claim({"left": "2 * 3", "op": "below", "right": "3 ** 2"}))[0]["verdict"] == "not run"
    tables["1"]["cells"][0]["origin"] = "derived"
    found = here(tables, claim({"left": A, "op": "above", "right": B}))[0]
    assert found["verdict"] == "not run" and "nothing was measured here" in found["why"]


def test_error_rates_fall_with_right_answers_and_are_judged_in_percent() -> None:
    made = answered({"a": MOST, "b": ALL})
    for cell in made["cells"]:
        cell |= {"unit": "error rate", "reproduced": {"value": 1 - cell["reproduced"]["value"] / 100}}
    found = here({"1": made}, claim({"left": A, "op": "significantly above", "right": B}))[0]
    assert (found["verdict"], found["rule"][0]["here"]["difference"]) == ("holds", 10)


def test_seeds_widen_what_is_possible() -> None:
    alike = one_here({"a": ALL * 2, "b": MOST * 2}, {"left": A, "op": "above", "right": B}, seeds=2)
    assert alike["verdict"] == "holds"
    apart = one_here({"a": ALL * 2, "b": ALL + [1] * 160 + [0] * 40}, {"left": A, "op": "above", "right": B}, seeds=2)
    assert apart["rule"][0]["here"]["difference"] == alike["rule"][0]["here"]["difference"] == 10
    assert apart["verdict"] == "cannot tell"


def test_a_difference_that_is_none_is_rarely_taken_for_one() -> None:
    """Two nets of one accuracy whose answers are correlated: at most 5 % of claims come out as certain."""
    draw = random.Random(1)
    certain, trials = 0, 80
    for _ in range(trials):
        hard = [draw.random() < 0.6 for _ in range(150)]
        a, b = ([int(draw.random() < (0.95 if easy else 0.3)) for _ in range(3) for easy in hard] for _ in range(2))
        found = one_here({"a": a, "b": b}, {"left": "{1/a/x} - 0", "op": "above", "right": B}, seeds=3)
        certain += found["verdict"] in ("holds", "fails")
    assert certain / trials <= 0.1  # two standard errors above 5 %


def epochs(a: list[int], b: list[int]) -> dict[str, Any]:
    """Whether the best epoch of `a` is below that of `b`, over so many seeds."""
    made = answered({"a": ALL, "b": MOST})
    for cell, found in zip(made["cells"], (a, b), strict=True):
        cell["reproduced"]["seeds"] = {str(seed): {"epoch": epoch} for seed, epoch in enumerate(found)}
    rule = {"left": ["1", "a", "best epoch"], "op": "below", "right": ["1", "b", "best epoch"]}
    return here({"1": made}, claim(rule))[0]


@pytest.mark.parametrize(
    ("a", "b", "verdict", "why"),
    [
        ([6], [5], "cannot tell", "one seed: the spread between seeds is unknown"),
        ([1], [99], "cannot tell", "one seed: the spread between seeds is unknown"),
        ([3, 4], [8, 9, 9], "cannot tell", "2 seeds: the spread between seeds is unknown"),
        ([3, 4, 5], [8, 9, 10], "holds", None),
        ([8, 9, 10], [3, 4, 5], "fails", None),
        ([3, 4, 8], [5, 6, 9], "cannot tell", "chance is not excluded"),
        ([5, 5, 5], [6, 6, 6], "cannot tell", "3 seeds came out alike: the spread between seeds is unknown"),
    ],
)
def test_best_epochs_are_held_against_the_spread_between_seeds(
    a: list[int], b: list[int], verdict: str, why: str | None
) -> None:
    found = epochs(a, b)
    assert (found["verdict"], found["why"]) == (verdict, why)


def test_means_over_seeds_have_the_t_interval_of_welch() -> None:
    found = epochs([3, 4, 5], [8, 9, 10])["rule"][0]["here"]
    error = (2 / 3) ** 0.5  # two variances of 1 over 3 seeds each: 4 degrees of freedom
    assert found["interval"] == pytest.approx([-5 - 2.776445 * error, -5 + 2.776445 * error], abs=1e-5)
    assert found["p"] == pytest.approx(0.003597, abs=1e-4)
    assert found["how"] == "t interval of the means of 3 seeds"


def test_what_nets_carry_is_of_one_training_and_tells_nothing() -> None:
    made = answered({"a": ALL, "b": MOST})
    units = [{name: {"value": value} for name in claims.QUANTITIES} for value in (0.5, 0.25)]
    made["hidden"] = [{"row": "a", "units": units}]
    rule = {"left": ["1", "a", "std of unit 2"], "op": "below", "right": ["1", "a", "std of unit 1"]}
    found = here({"1": made}, claim(rule))[0]
    assert (found["verdict"], found["rule"][0]["here"]["holds"]) == ("cannot tell", True)
    assert found["why"] == "one seed: the spread between seeds is unknown"
    assert found["rule"][0]["here"]["how"] == "one seed"


def test_what_rests_on_our_own_choice_neither_holds_nor_fails_here() -> None:
    rule = {"left": A, "op": "above", "right": B}
    for right in ({"a": ALL, "b": MOST}, {"a": MOST, "b": ALL}):
        found = here({"1": answered(right)}, claim(rule, rests_on=["choice"]))[0]
        assert (found["verdict"], found["why"]) == ("cannot tell", "rests on an assumption: choice")
        assert found["p_adjusted"] is None and found["published_verdict"] == "supported"
    found = here({"1": answered({"a": ALL})}, claim(rule, rests_on=["choice"]))[0]
    assert found["verdict"] == "not run"


def test_a_comparison_may_count_on_print_or_here_alone() -> None:
    rule = (
        {"left": A, "op": "above", "right": B, "only": "print"},
        {"left": B, "op": "above", "right": A, "only": "here"},
    )
    found = here({"1": answered({"a": MOST, "b": ALL})}, claim(*rule))[0]
    assert (found["verdict"], found["published_verdict"]) == ("holds", "supported")
    assert [(one["print"]["holds"], one["here"]["holds"]) for one in found["rule"]] == [(True, None), (None, True)]
    with pytest.raises(ValueError, match="no comparison counts here"):
        claim(rule[0])


def test_what_stand_in_data_cannot_bear_out_is_said_of_numbers_made_on_it_alone() -> None:
    of = claim({"left": A, "op": "above", "right": B}, on_stand_in="two classes look alike")

    def said(stand_in: str | None, **right: list[int]) -> str | None:
        found: str | None = here({"1": {**answered(right), "stand_in": stand_in}}, of)[0]["by_construction"]
        return found

    assert said("drawn clips", a=MOST, b=ALL) == "two classes look alike"
    assert said(None, a=MOST, b=ALL) is None
    assert said("drawn clips", a=MOST) is None  # not run


# --- files ---


def test_times_by_ranges() -> None:
    values = {
        Reference("1", "a", "x"): Value(Fraction(2), Fraction(1), Fraction(3), timed=True),
        Reference("1", "b", "x"): Value(Fraction(4), Fraction(35, 10), Fraction(5), timed=True),
    }
    rule = Comparison.model_validate({"left": A, "op": "below", "right": B})
    found = compare(rule, values.__getitem__)
    assert (found.holds, found.settled, found.how) == (True, True, "times of this machine")
    values[Reference("1", "a", "x")] = Value(Fraction(2), Fraction(1), Fraction(4), timed=True)
    assert compare(rule, values.__getitem__).settled is False


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("[{left: ['3', r, c], op: near, right: ['3', r, c]}]", r"claims.0.rule.0.op.*near"),
        ("[{left: ['3', r], op: above, right: ['3', r, c]}]", r"claims.0.rule.0.left"),
        ("[{left: '{3/r/c', op: above, right: ['3', r, c]}]", r"claims.0.rule.0.left.*not understood"),
        ("[{left: ['3', r, c], op: above, by: 5, right: ['3', r, c]}]", "no other word has one"),
        ("[{left: ['3', r, c], op: times, right: ['3', q, c]}]", "times has a factor"),
        ("[{left: ['3', r, c], op: times, by: 1e400, right: ['3', q, c]}]", "1e400"),
        ("[{left: ['3', r, c], op: times, by: .nan, right: ['3', q, c]}]", "nan"),
        (
            "[{left: ['3', r, c], op: times, by: 1e10, right: ['3', q, c]}]",
            "claims.0.rule.0.by: a factor from 1e-09 to 1e[+]09",
        ),
        (
            "[{left: ['3', r, c], op: times, by: 0, right: ['3', q, c]}]",
            "claims.0.rule.0.by: a factor from 1e-09 to 1e[+]09",
        ),
        ("[{left: ['3', r, c], op: similar, right: ['3', r, c]}]", "claim 'a': rule 1: .*the same whatever"),
        ("[{left: '{3/r/c} + 1', op: above, right: ['3', r, c]}]", "claim 'a': rule 1: .*the same whatever"),
        ("[{left: '2 * {3/r/c}', op: about, by: 2, right: '{3/r/c}'}]", "claim 'a': rule 1: .*is about 2 times"),
        ("[{left: '3 * 4', op: is, right: '4 * 3'}]", "claim 'a': rule 1: 3 [*] 4 is 4 [*] 3: .*the same whatever"),
        ("[]", "at least 1"),
    ],
)
def test_a_wrong_claim_is_refused(tmp_path: Path, rule: str, words: str) -> None:
    text = f"claims: [{{id: a, title: t, says: s, place: p, rule: {rule}}}]"
    write_files(tmp_path, {"documents/d/claims.yaml": text})
    with pytest.raises(UserError, match=words):
        claims.load(["d", "without"], tmp_path)


def test_what_outgrows_computation_is_refused_by_the_name_of_its_claim() -> None:
    of = document({("a", "x"): "50.0", ("b", "x"): "50.0"})
    large = {"left": " * ".join(["{1/a/x} ** 12"] * 30), "op": "above", "right": B}
    with pytest.raises(UserError, match=r"documents/d/claims.yaml: claim 'c': rule 2: comes to a number of more than"):
        on_print(of, {"left": A, "op": "above", "right": B}, large)
    tiny = {"left": A, "op": "about", "by": 2, "right": "{1/b/x} / 1" + "0" * 39 + " / 1" + "0" * 39}
    found = on_print(of, {**tiny, "right": tiny["right"] + " / 1" + "0" * 18})["rule"][0]["print"]  # 10 ** -94
    assert found["holds"] is False and found["interval"][1] < 1e101


@pytest.mark.parametrize(
    ("left", "op", "by", "right", "expected"),
    [
        ("3.5", "is", None, "3", "supported"),  # three, in words, is 2.5 to 3.5
        ("3.6", "is", None, "3", "contradicted"),
        ("3.5", "about", None, "3", "supported"),  # its rounding, which is more than 15 percent
        ("3.6", "about", None, "3", "contradicted"),
        ("23.0", "about", None, "20", "supported"),
        ("23.1", "about", None, "20", "contradicted"),
        ("2.4", "about", 2, "1.00s", "supported"),  # a multiple
        ("2.5", "about", 2, "1.00s", "not distinguishable"),
        ("2.6", "about", 2, "1.00s", "contradicted"),
        ("9.0", "times", 3, "2.00s", "supported"),  # at least
    ],
)
def test_figures_in_words(left: str, op: str, by: int | None, right: str, expected: str) -> None:
    printed = document({("a", "x"): left + "s", ("b", "x"): right if by else "1s"}, unit="seconds", size=None)
    rule = {"left": A, "op": op, "right": B, "by": by} if by else {"left": A, "op": op, "right": right}
    assert on_print(printed, rule)["published_verdict"] == expected


def test_every_document_has_claims_and_each_has_another_id() -> None:
    found = claims.load(DOCUMENTS, REPOSITORY)
    assert [of.document for of in found] == list(DOCUMENTS)
    ids = [one.id for of in found for one in of.claims]
    assert len(ids) == len(set(ids)) >= 115
    for of in found:
        told, print_ = load_prose(of.document, REPOSITORY), load_published(of.document, REPOSITORY)
        for one in judge_all(of, print_, told, {}):
            assert one["published_verdict"] in claims.ON_PRINT and one["verdict"] == "not run"
