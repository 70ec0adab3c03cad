"""Where results go that are too large for the journal: the step keeps a reference with a digest."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

from .errors import ProtocolError, ResultLost, ResultTooLarge, ValueNotJson

# Above this a result is kept elsewhere. One request takes 1 MiB, with everything around the result.
INLINE_BYTES_MAX = 256 * 1024
REFERENCE = "countersign/result"


class Results(Protocol):
    """A place for large results: named by their SHA-256, written once, never changed."""

    def put(self, name: str, data: bytes) -> None:
        """Keeps the bytes. Returns when they are safe; a name that is there already is the same bytes."""

    def get(self, name: str) -> bytes | None:
        """The bytes, or `None` where there are none."""


class FileResults:
    """Large results as files of a folder, which all workers of the agent must see."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def get(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise ProtocolError(f"`{name}` names no result")
        return self.folder / name[:2] / name


def stow(key: str, value: Any, text: bytes, results: Results | None) -> Any:
    """What the journal keeps for a result: the result itself, or a reference to where it was put. `text` is its JSON."""
    if isinstance(value, dict) and REFERENCE in value:
        raise ValueNotJson(f"the result of `{key}` has the member `{REFERENCE}`", "that name is the SDK's own: use another")
    if len(text) <= INLINE_BYTES_MAX:
        return value
    if results is None:
        raise ResultTooLarge(key, len(text), INLINE_BYTES_MAX)
    name = hashlib.sha256(text).hexdigest()
    results.put(name, text)
    return {REFERENCE: name, "bytes": len(text)}


def fetch(key: str, value: Any, results: Results | None) -> Any:
    """The result that the journal's value stands for."""
    if not (isinstance(value, dict) and REFERENCE in value):
        return value
    name = str(value[REFERENCE])
    if results is None:
        raise ResultLost(f"the result of `{key}` was kept outside the journal, and the client has no `results`")
    data = results.get(name)
    if data is None:
        raise ResultLost(f"the result of `{key}` ({name}) is not where it was kept")
    if hashlib.sha256(data).hexdigest() != name:
        raise ResultLost(f"the result of `{key}` ({name}) was changed where it was kept")
    return json.loads(data)
