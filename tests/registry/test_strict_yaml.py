"""YAML that is refused: what would be settled in silence, and what would take the reader's stack or memory."""

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.registry.strict_yaml import LONGEST_NUMBER, MOST_CHARACTERS, MOST_DEEP, complaint, load, load_all

BILLION = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: " + "[" * 100_000, "nested deeper"),
        ("{a: " * 50_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("? " * 10_000 + "a", "nested deeper"),
        ("[" * (MOST_DEEP + 1) + "]" * (MOST_DEEP + 1), "nested deeper"),
        (BILLION, "more than 100000 values"),
        (BILLION.replace("[", "{<<: [", 1).replace("x]", "{x: 1}]}", 1), "more than 100000 values"),
        ("[" + "1, " * 200_000 + "1]", "more than 100000 values"),
        ("a: &a [*a]", "an anchor contains itself"),
        ("a: &a {b: {c: *a}}", "an anchor contains itself"),
        ("x" * (MOST_CHARACTERS + 1), "expected at most"),
        ("a: " + "9" * 5000, "a number of 5000 characters"),
        ("a: 0x" + "f" * 5000, "a number of 5002 characters"),
        ("a: " + ":".join(["1"] * 1000), "a number of 1999 characters"),
        ("a: 1." + "0" * LONGEST_NUMBER, "a number of 102 characters"),
        ("a: 2020-13-45", "month must be in 1..12"),
        ("a: !!timestamp zz", "not a value of the tag"),
        ("a: !!bool zz", "not a value of the tag"),
        ("a: !!int ''", "not a value of the tag"),
        ("a: !!python/object:os.x {}", "could not determine a constructor"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: not valid YAML (key 'a' appears twice)"),
        ("a: {b: {c: 1, c: 2}}", "key 'c' appears twice"),
        ("[a]: 1", "a key must be one word"),
        ('a: {"b\\nc": 1}', r"line 1, column 5: found the key 'b\nc'; expected characters that can be printed"),
        ("a: *b", "undefined alias"),
        ("a: &x 1\n---\nb: *x", "undefined alias"),
    ],
)
def test_it_is_refused_at_once_and_in_one_line(text: str, words: str) -> None:
    began = time.perf_counter()
    with pytest.raises(yaml.YAMLError) as caught:
        load_all(text)
    message = complaint(caught.value)
    assert words in message and "\n" not in message and len(message) < 300
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "seeds: [1:30]",
            "line 1, column 9: seeds.0: found 1:30, which YAML takes for 90; write 90, or '1:30' in quotes",
        ),
        ("a: {b: 190:20:30.15}", "a.b: found 190:20:30.15, which YAML takes for 685230.15"),
        ("a: 010", "a: found 010, which YAML takes for 8; write 8, or '010' in quotes"),
        ("a: -007", "a: found -007, which YAML takes for -7"),
        ("a: 0b101", "a: found 0b101, which YAML takes for 5"),
        ("a: 1_000", "a: found 1_000, which YAML takes for 1000"),
        ("a: 1_000.5", "a: found 1_000.5, which YAML takes for 1000.5"),
        ("a: !!float 1_0", "a: found 1_0, which YAML takes for 10.0"),
        ("a: yes", "a: found yes, which YAML takes for true; write true, or 'yes' in quotes if a text is meant"),
        ("a: [x, No]", "a.1: found No, which YAML takes for false"),
        ("a: off", "a: found off, which YAML takes for false"),
        ("a: {on: 1}", "line 1, column 5: a: found on, which YAML takes for true"),
        ("on: 1", "line 1, column 1: found on, which YAML takes for true"),
        (
            "a:\n  b: 2017-01-01",
            "line 2, column 6: a.b: found 2017-01-01, which YAML takes for a date; write it in quotes",
        ),
        ("a: 2017-01-01 10:00:00", "found 2017-01-01 10:00:00, which YAML takes for a date"),
        ("a: {b: [1.0, .nan]}", "line 1, column 14: a.b.1: found .nan; expected a finite number"),
        ("a: .NaN", "a: found .NaN; expected a finite number"),
        ("a: {b: -.inf}", "a.b: found -.inf; expected a finite number"),
        ("a: 1.0e+999", "a: found 1.0e+999; expected a finite number"),
        ("x: &x {a: 1}\nb: {<<: *x, c: .inf}", "line 2, column 16: b.c: found .inf"),
        ("x: &x [.nan]\nb: *x", "line 1, column 8:"),
    ],
)
def test_what_does_not_look_like_what_it_means_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        load_all(text)
    message = complaint(caught.value)
    assert words in message
    assert "\n" not in message and "not valid YAML" not in message


def test_what_looks_like_what_it_means_is_read() -> None:
    text = "[0, -3, +4, 0x1F, 1.5, .5, 2., 1.0e-3, true, FALSE, null, ~, '010', \"yes\", '1:30', 12s, 1.2.3, 08]"
    numbers = [0, -3, 4, 31, 1.5, 0.5, 2.0, 0.001]
    assert load(text) == [*numbers, True, False, None, None, "010", "yes", "1:30", "12s", "1.2.3", "08"]


def test_two_documents_are_not_one() -> None:
    assert load_all("a: 1\n---\na: 2") == [{"a": 1}, {"a": 2}]
    with pytest.raises(yaml.YAMLError, match="found 2 documents, expected one"):
        load("a: 1\n---\na: 2")
    assert load("") is None


def test_ordinary_depth_and_merged_keys_are_read() -> None:
    deep = "[" * MOST_DEEP + "]" * MOST_DEEP
    assert load(deep) is not None
    assert load("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")["b"] == {"x": 1, "y": 3}


KEYS = st.text(min_size=1, max_size=5).filter(str.isprintable)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_it_reads_what_pyyaml_reads(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert load(text) == yaml.safe_load(text)
