"""Verifier keys, and the signed checkpoints that they verify (C2SP signed note and tlog-checkpoint)."""

import base64
import binascii
import hashlib
import re

import ed25519

NOTE_LEN_MAX = 1 << 20


class Key:
    """A verifier key, `name+HEX(key id)+BASE64(01 || public key)`."""

    def __init__(self, text):
        match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", text)
        raw = _unbase64(match[3]) if match else b""
        if len(raw) != 33 or raw[0] != 1:
            raise ValueError("the verifier key is not one of Ed25519")
        self.text, self.name, self.public = text, match[1], raw[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.id.hex() != match[2]:
            raise ValueError("the verifier key's id is not that of the key")


class Note:
    """A signed note of so many lines. Nothing is verified yet."""

    def __init__(self, data, count):
        if len(data) > NOTE_LEN_MAX:
            raise ValueError("is too long")
        text, gap, signatures = data.decode("utf-8").rpartition("\n\n")
        self.lines = text.split("\n")
        if not gap or len(self.lines) != count or not signatures.endswith("\n"):
            raise ValueError(f"is not {count} lines, an empty one and signatures")
        self.signed = (text + "\n").encode()
        self.signatures = []
        for line in signatures[:-1].split("\n"):
            match = re.fullmatch(r"\u2014 (\S+) ([A-Za-z0-9+/=]+)", line)
            raw = _unbase64(match[2]) if match else b""
            if len(raw) < 5:
                raise ValueError("has a line that is no signature")
            self.signatures.append((match[1], raw[:4], raw[4:]))

    def verify(self, key):
        """Raises ValueError unless the key signed it; signatures of others are passed over."""
        of_key = [raw for name, key_id, raw in self.signatures if (name, key_id) == (key.name, key.id)]
        if len(of_key) != 1 or not ed25519.verifies(key.public, self.signed, of_key[0]):
            raise ValueError("is not signed by the log's key")


class Checkpoint(Note):
    """What a checkpoint says: `origin`, `size`, `root`. Nothing is verified yet."""

    def __init__(self, data):
        super().__init__(data, 3)
        self.origin, self.size, self.root = self.lines[0], _decimal(self.lines[1]), _root(self.lines[2])


def succession(data):
    """Returns old key as text, new key, size and root of a note that both keys signed."""
    note = Note(data, 5)
    if note.lines[0] != "countersign/log-succession/v1" or len(note.signatures) != 2:
        raise ValueError("is not about a log's next key")
    old, new = Key(note.lines[1]), Key(note.lines[2])
    if old.text == new.text:
        raise ValueError("names one key twice")
    for key in old, new:
        note.verify(key)
    return old.text, new, _decimal(note.lines[3]), _root(note.lines[4])


def _decimal(text):
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text):
        raise ValueError("has a size that is no number")
    return int(text)


def _root(text):
    root = _unbase64(text)
    if len(root) != 32:
        raise ValueError("has a root that is no hash")
    return root


def _unbase64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("has something that is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("has something that is not base64")
    return raw
