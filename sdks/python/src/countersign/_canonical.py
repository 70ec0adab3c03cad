"""Canonical JSON (RFC 8785) and digests over it.

A step is named by its key and told apart by the digest of its input. The digest must be the same in every process and
on every machine, so one value has one text: sorted keys, one form for each number, no blanks.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

# The largest integer that every JSON reader keeps exactly (RFC 7493). The server refuses larger ones.
INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 64


class NotJson(TypeError):
    """The value has no form as JSON. `where` says which part of it."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at `{where}`" if where else what)
        self.where = where


def canonical(value: Any) -> bytes:
    """The canonical JSON text of a value."""
    parts: list[str] = []
    _write(value, parts, "", 0)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise NotJson("a text holds half of a surrogate pair", "") from None


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of a value, in hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _write(value: Any, parts: list[str], where: str, depth: int) -> None:
    if value is None:
        parts.append("null")
    elif value is True:
        parts.append("true")
    elif value is False:
        parts.append("false")
    elif isinstance(value, str):
        parts.append(encode_basestring(value))
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise NotJson(f"{value} loses digits in other readers; use text", where)
        parts.append(int.__repr__(value))
    elif isinstance(value, float):
        parts.append(_number(value, where))
    elif depth >= DEPTH_MAX:
        raise NotJson(f"more than {DEPTH_MAX} levels", where)
    elif isinstance(value, Mapping):
        _write_members(value, parts, where, depth)
    elif isinstance(value, list | tuple):
        parts.append("[")
        for index, one in enumerate(value):
            if index:
                parts.append(",")
            _write(one, parts, f"{where}[{index}]", depth + 1)
        parts.append("]")
    else:
        raise NotJson(f"a {type(value).__name__} is no JSON value", where)


def _write_members(value: Mapping[Any, Any], parts: list[str], where: str, depth: int) -> None:
    for key in value:
        if not isinstance(key, str):
            raise NotJson(f"the key {key!r} is no text", where)
    # RFC 8785 sorts by UTF-16 code units; for texts without surrogates that is the order of Python's own strings.
    keys = sorted(value) if all(map(_is_low, value)) else sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    parts.append("{")
    for index, key in enumerate(keys):
        if index:
            parts.append(",")
        parts.append(encode_basestring(key))
        parts.append(":")
        _write(value[key], parts, f"{where}.{key}" if where else key, depth + 1)
    parts.append("}")


def _is_low(text: str) -> bool:
    return text.isascii() or max(text) < "\ud800"


def _number(value: float, where: str) -> str:
    """A number as ECMAScript prints it."""
    if not math.isfinite(value):
        raise NotJson(f"{value} is no JSON number", where)
    if value == 0:
        return "0"
    if value.is_integer() and abs(value) > INTEGER_MAX:
        raise NotJson(f"{value!r} loses digits in other readers; use text", where)
    sign, text = ("-", repr(-value)) if value < 0 else ("", repr(value))
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + ("" if fraction == "0" else fraction)).lstrip("0")
    # The value is 0.DIGITS times ten to the power of `point`.
    point = len(whole) + int(power or 0) if whole != "0" else len(fraction.lstrip("0")) - len(fraction)
    digits = digits.rstrip("0") or "0"
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + (f".{digits[1:]}" if count > 1 else "") + exponent
