"""Canonical JSON: one value, one text, in every process and language."""

from __future__ import annotations

import json
import math
import random
import struct
from typing import Any

import pytest

from countersign._canonical import NotJson, canonical, digest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # The numbers of RFC 8785, appendix B, that lie within what the server takes.
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (9007199254740991, "9007199254740991"),
        (333333333.3333332, "333333333.3333332"),
        (333333333.33333325, "333333333.33333325"),
        (333333333.3333334, "333333333.3333334"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1e-27, "1e-27"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (4.5, "4.5"),
        (0.1, "0.1"),
        (1.0, "1"),
        (1e15, "1000000000000000"),
        (1.5e-10, "1.5e-10"),
        (123.456, "123.456"),
    ],
)
def test_numbers_have_one_form(value: float, text: str) -> None:
    assert canonical(value).decode() == text


def test_every_float_reads_back_as_itself() -> None:
    chance = random.Random(8785)
    for _ in range(20_000):
        (value,) = struct.unpack("<d", chance.randbytes(8))
        if not math.isfinite(value) or (value.is_integer() and abs(value) >= 2**53):
            continue
        assert float(canonical(value)) == value


def test_keys_are_sorted_by_utf_16_and_texts_are_written_as_they_are() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    assert list(json.loads(canonical(value))) == ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    assert canonical('\u20ac$\u000f\nA\'B"\\"/\x7f').decode() == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/\x7f"'


def test_one_value_has_one_digest() -> None:
    assert digest({"b": (1.0, None), "a": True}) == digest({"a": True, "b": [1, None]})
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, -(2**53), 1e300, {1: 1}, {"a": object()}, b"", "\udc00", {1}])
def test_what_is_no_json_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(NotJson):
        canonical([value])


def test_the_place_is_named() -> None:
    with pytest.raises(NotJson, match=r"a set is no JSON value at `\[1\]\.a\.b`"):
        canonical([0, {"a": {"b": set()}}])
