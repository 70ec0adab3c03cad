"""The one form that a JSON text may have: RFC 8785, with whole numbers up to 2^53 - 1 and 64 levels."""

import json

NUMBER_MAX = 2**53 - 1
LEVELS_MAX = 64
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def parse(data):
    """Returns the value of canonical JSON; raises ValueError for any other bytes."""
    try:
        value = json.loads(
            data.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_members
        )
        written = "".join(_write(value, 1)).encode("utf-8")
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if written != data:
        raise ValueError("is not in canonical form")
    return value


def _refuse(text):
    raise ValueError(f"has the number {text[:40]}")


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("names a member twice")
    return members


def _write(value, level):
    if isinstance(value, str):
        yield _text(value)
    elif value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, int):
        if abs(value) > NUMBER_MAX:
            raise ValueError("has a number beyond 2^53 - 1")
        yield str(value)
    elif level > LEVELS_MAX:
        raise ValueError(f"is nested deeper than {LEVELS_MAX} levels")
    elif isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            yield "," if index else ""
            yield from _write(item, level + 1)
        yield "]"
    else:
        yield "{"
        # By UTF-16 code units: big-endian bytes sort as the units do.
        for index, key in enumerate(sorted(value, key=lambda key: key.encode("utf-16-be"))):
            yield "," if index else ""
            yield _text(key) + ":"
            yield from _write(value[key], level + 1)
        yield "}"


def _text(text):
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    written = (SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text)
    return '"' + "".join(written) + '"'
