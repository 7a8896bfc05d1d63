"""The log: each line holds the one before it, and what is done to it is named with its line."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.attest.log import FIELDS, FIRST, appended, check, following, line_of


def log_of(count: int) -> bytes:
    text = b""
    for _ in range(count):
        number, previous = following(text)
        fields = {"number": number, "previous": previous, "time": f"t{number}", "scale": "quick", "report": {}}
        text = appended(text, {**fields, "roots": {}, "statement": "s", "key": "k"})
    return text


def test_a_line_holds_the_hash_of_the_line_before() -> None:
    lines = log_of(3).splitlines()
    assert json.loads(lines[0])["previous"] == FIRST
    assert [json.loads(line)["previous"] for line in lines[1:]] == [hashlib.sha256(x).hexdigest() for x in lines[:-1]]
    found, problems = check(log_of(3))
    assert problems == [] and [line["number"] for line in found] == [1, 2, 3]
    assert set(found[0]) == set(FIELDS)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_deleted_line_is_named(gone: int) -> None:
    lines = log_of(4).splitlines(keepends=True)
    del lines[gone]
    (problem,) = check(b"".join(lines))[1]
    assert problem.startswith(f"line {gone + 1}: is numbered {gone + 2}")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_altered_line_is_named(number: int) -> None:
    (problem,) = check(log_of(4).replace(f'"t{number}"'.encode(), b'"t0"'))[1]
    assert (
        problem == f"line {number + 1}: what it says of the line before does not hold: line {number} was altered since"
    )


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_altered_byte_but_in_the_last_line_is_seen(place: int, change: int) -> None:
    text = bytearray(log_of(3))
    end = text.rindex(b"\n", 0, len(text) - 1)
    text[place % end] ^= change
    assert check(bytes(text))[1]


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b"[]\n", b"\n", b"\xff\n", log_of(2)[:-1], log_of(2) + b"\n", b"[" * 5000 + b"\n"]
)
def test_what_is_no_log_is_said_in_one_line(text: bytes) -> None:
    (problem,) = check(text)[1]
    assert "\n" not in problem


def test_a_line_is_one_line_whatever_it_says() -> None:
    assert line_of({"time": "a\nb"}).count(b"\n") == 0
