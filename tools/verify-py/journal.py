"""Segments, batches and frames: reads a journal from its first byte and judges all of it."""

import os
import re
import struct

from canonical import parse
from checkpoint import Key, succession
from crc32c import crc32c
from tree import Tree

HEAD = struct.Struct("<IIBIQQ")
COMMIT = struct.Struct("<IQII")
COMMIT_LOG = struct.Struct("<IQ32s")
NO_LOG = 0xFFFFFFFF
MAGIC = b"countersign log\n"
FORMATS = (1, 2, 3)
CONTENT_LEN_MAX = 16 << 20
ENTRY_LEN_MAX = 65_535
SUBJECT_LEN_MAX = 512
SEALED_LEN_MAX = (8 << 20) + (4 << 10)
SEGMENT, LOG, ENTRY, PAYLOAD, BATCH, SUCCESSION = 1, 2, 3, 4, 5, 6
LOG_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_./-]{0,198}[A-Za-z0-9])?")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Damaged(Exception):
    """Something is there that must not be: where, and what."""


class Unreadable(Exception):
    """Bytes that are no frame: in the last segment they may be a torn tail."""


class Log:
    """One log: what its definition says and what its entries made of it."""

    def __init__(self, name, key_text):
        self.name, self.key_text, self.key = name, key_text, Key(key_text)
        self.tree, self.at = Tree(), None
        self.root_at = {0: self.tree.root()}
        self.lost = 0  # entries that were pruned
        self.former = []  # keys until now, each with the size at which it was succeeded


class Journal:
    """All logs of a journal. `wanted` holds the sizes at which a log's root will be asked for, by name."""

    def __init__(self, wanted):
        self.wanted, self.logs, self.names = wanted, [], set()
        self.frames = self.batches = self.epoch = self.format = 0
        self.notes = []
        self.place = ""
        self.front = 0  # first frame that is there
        self.pruned = []  # what entries say about the front: log, first, size, root

    def read(self, folder):
        names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"[0-9a-f]{16}\.seg", name))
        segments = []
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            if data.count(0) != len(data):
                segments.append(name)
            else:
                self.notes.append(f"journal/{name} was begun and never written to")
        if not segments:
            if self.wanted:
                raise Damaged("journal: there are checkpoints and no segment")
        if segments:
            self.front = self.frames = int(segments[0][:16], 16)
        for name in segments:
            with open(os.path.join(folder, name), "rb") as file:
                self._segment(name, file.read(), name == segments[-1])
        if self.front:
            self._announced(segments[0])

    def _announced(self, name):
        """A journal may begin where its own entries say that it was pruned, and nowhere else."""
        self.place = f"journal/{name}: byte 0"
        for number, log in enumerate(self.logs):
            if any(size < log.lost for size in self.wanted.get(log.name, ())):
                raise self.bad(f"log {log.name}: no checkpoint proves the head")
            said = any(
                of == number and (first > self.front or (first, size, root) == (self.front, log.lost, log.root_at[log.lost].hex()))
                for of, first, size, root in self.pruned
            )
            if log.lost and not said:
                raise self.bad(f"the segments before it are missing, and no entry of log {log.name} says that they were pruned")
            if log.lost:
                self.notes.append(f"log {log.name}: {log.lost} entries were pruned")

    def bad(self, what):
        return Damaged(f"{self.place}: {what}")

    def _segment(self, name, data, last):
        offset, first = 0, True
        self.place = f"journal/{name}: byte 0"
        if int(name[:16], 16) != self.frames:
            raise self.bad(f"the segment that begins with frame {self.frames:016x} is missing")
        while offset < len(data):
            if self.format != 1 and not first and data.count(0, offset) == len(data) - offset:
                break  # room
            try:
                offset = self._batch(name, data, offset, first)
            except Unreadable as what:
                at = self.place
                if not last or _later_commit(data, offset, self.batches):
                    raise self.bad(what) from None
                self.notes.append(f"torn tail: journal/{name}: from byte {offset} on ({at}: {what})")
                break
            first = False

    def _batch(self, name, data, offset, first):
        """Judges one batch and returns where it ends. Frames are read before they count for anything."""
        begin, frames = offset, []
        while not frames or frames[-1][1] != BATCH:
            self.place = f"journal/{name}: byte {offset}"
            frame = _frame(data, offset)
            frames.append((offset, *frame))
            offset += HEAD.size + len(frame[-1])
        self._seen, self._entry, self._heads = set(), None, set()
        known = len(self.logs)
        self._front = first and known == 0
        for number, (at, kind, log, seq, epoch, content) in enumerate(frames):
            self.place = f"journal/{name}: byte {at}"
            if epoch < max(self.epoch, 1):
                raise self.bad(f"epoch {epoch} comes after epoch {self.epoch}")
            self.epoch = epoch
            if (kind == SEGMENT) != (first and number == 0):
                raise self.bad("a segment begins with its header, and has no other")
            if kind == SEGMENT:
                self._header(log, seq, content)
            elif kind == LOG:
                self._definition(log, seq, content, first, known)
            elif kind == SUCCESSION:
                if not first or self.format < 3 or frames[number - 1][1:3] != (LOG, log):
                    raise self.bad("a succession stands behind its log's definition in a segment's head, from format 3 on")
                self._succession(log, seq, content)
            elif kind == ENTRY:
                if first and len(self._heads) < known:
                    raise self.bad("the segment's head does not define every log")
                self._append(log, seq, content)
            elif kind == PAYLOAD:
                self._payload(log, seq, content)
            elif kind == BATCH:
                if first and len(self._heads) < known:
                    raise self.bad("the segment's head does not define every log")
                self._commit(log, seq, content, number, data[begin:at])
            else:
                raise self.bad(f"frames of kind {kind} are not known")
            if kind not in (ENTRY, PAYLOAD):
                self._entry = None
            self.frames += 1
        return offset

    def _header(self, log, seq, content):
        if content[:16] != MAGIC or len(content) != 28 or log != NO_LOG:
            raise self.bad("the segment header is not one")
        form, batch = struct.unpack("<IQ", content[16:])
        if form > FORMATS[-1]:
            raise self.bad(f"format {form} is newer than this program, which reads {FORMATS[-1]}")
        if form not in FORMATS or form < self.format:
            raise self.bad(f"format {form} comes after format {self.format}")
        if self.front and self.format == 0:
            self.batches = batch
        if (seq, batch) != (self.frames, self.batches):
            raise self.bad(f"frame {seq} and batch {batch} where {self.frames} and {self.batches} must follow")
        self.format = form

    def _definition(self, number, seq, content, first, known):
        name, rest = self._text(content)
        key_text, roots = self._text(rest)
        if number < known:
            log = self.logs[number]
            if not first or number in self._heads:
                raise self.bad(f"log {log.name} is defined again")
            if (name, key_text, seq, roots) != (log.name, log.key_text, log.tree.size, b"".join(log.tree.roots)):
                raise self.bad(f"log {log.name}: its definition differs from what was read")
            self._heads.add(number)
        else:
            at_front = self.front and first and self._front
            if number != len(self.logs) or (not at_front and (seq != 0 or roots)):
                raise self.bad("a new log has the next number and no entries")
            tree = Tree.of(seq, [roots[at:at + 32] for at in range(0, len(roots), 32)])
            if len(roots) % 32 or tree is None:
                raise self.bad("a definition has another number of roots than its size")
            if not LOG_NAME.fullmatch(name) or name in self.names:
                raise self.bad(f"a log cannot be called {name!r}")
            try:
                self.logs.append(Log(name, key_text))
            except ValueError as what:
                raise self.bad(f"log {name}: {what}") from None
            self.names.add(name)
            log = self.logs[-1]
            log.tree, log.lost = tree, seq
            log.root_at[seq] = tree.root()
            if self.logs[-1].key.name != name:
                raise self.bad(f"log {name}: its key is named {self.logs[-1].key.name}")
        self._seen.add(number)

    def _succession(self, number, seq, content):
        log = self._log(number)
        try:
            old, key, size, root = succession(content)
        except ValueError as what:
            raise self.bad(f"log {log.name}: the note of its next key {what}") from None
        if old != log.key_text or (seq, size, root) != (log.tree.size, log.tree.size, log.tree.root()):
            raise self.bad(f"log {log.name}: the note of its next key is of another key or tree")
        if not LOG_NAME.fullmatch(key.name) or any(key.name == other.name for other in self.logs if other is not log):
            raise self.bad(f"log {log.name} cannot be called {key.name!r} from now on")
        log.former.append((log.key, size))
        log.name, log.key, log.key_text = key.name, key, key.text
        self.names.add(key.name)
        log.root_at[size] = root

    def _append(self, number, seq, content):
        log = self._log(number)
        self.place += f": log {log.name}, entry {seq}"
        if seq != log.tree.size:
            raise self.bad(f"entry {log.tree.size} must follow")
        if len(content) > ENTRY_LEN_MAX:
            raise self.bad("the entry is too long")
        try:
            entry = parse(content)
        except ValueError as what:
            raise self.bad(f"the entry {what}") from None
        if not isinstance(entry, dict) or entry.get("log") != log.name:
            raise self.bad("the entry does not name its log")
        if type(entry.get("seq")) is not int or entry["seq"] != seq:
            raise self.bad("the entry does not name its position")
        at, commits = entry.get("at"), entry.get("commits", {})
        if type(at) is not int or (log.at is not None and at < log.at):
            raise self.bad(f"the entry's time is {at!r} and that before it {log.at}")
        if not isinstance(commits, dict):
            raise self.bad("the entry's commitments are no object")
        for commitment in commits.values():
            if not isinstance(commitment, str) or not DIGEST.fullmatch(commitment):
                raise self.bad("a commitment of the entry is no digest")
        log.at = at
        if entry.get("kind") == "journal.pruned" and isinstance(entry.get("body"), dict):
            body = entry["body"]
            self.pruned.append((number, body.get("first"), body.get("size"), body.get("root")))
        log.tree.append(content)
        if log.tree.size in self.wanted.get(log.name, ()):
            log.root_at[log.tree.size] = log.tree.root()
        self._seen.add(number)
        self._entry = (number, seq, frozenset(commits.values()))

    def _payload(self, number, seq, content):
        log = self._log(number)
        self.place += f": log {log.name}, payload of entry {seq}"
        if self._entry is None or (number, seq) != self._entry[:2]:
            raise self.bad("the payload does not follow its entry")
        subject, sealed = self._text(content[32:])
        if len(subject.encode()) > SUBJECT_LEN_MAX or len(sealed) > SEALED_LEN_MAX:
            raise self.bad("the payload is too long")
        if content[:32].hex() not in self._entry[2]:
            raise self.bad("its entry does not commit to the payload")

    def _commit(self, log, seq, content, number, data):
        if log != NO_LOG or seq != self.batches:
            raise self.bad(f"batch {seq} where {self.batches} must follow")
        if len(content) < COMMIT.size:
            raise self.bad("the commit is cut short")
        frames, length, crc, logs = COMMIT.unpack_from(content)
        if (frames, length, crc) != (number, len(data), crc32c(data)):
            raise self.bad("the commit does not fit the frames before it")
        if len(content) != COMMIT.size + logs * COMMIT_LOG.size:
            raise self.bad("the commit's list of logs has another length")
        trees = [(n, self.logs[n].tree.size, self.logs[n].tree.root()) for n in sorted(self._seen)]
        if list(COMMIT_LOG.iter_unpack(content[COMMIT.size:])) != trees:
            raise self.bad("the commit names other logs, sizes or roots than its batch")
        self.batches += 1

    def _log(self, number):
        if number >= len(self.logs):
            raise self.bad(f"log {number} is not defined")
        return self.logs[number]

    def _text(self, content):
        length = int.from_bytes(content[:2], "little")
        if len(content) < 2 + length:
            raise self.bad("a text is cut short")
        try:
            return content[2:2 + length].decode("utf-8"), content[2 + length:]
        except UnicodeDecodeError:
            raise self.bad("a text is not UTF-8") from None


def _frame(data, offset):
    if len(data) - offset < HEAD.size:
        raise Unreadable("the file ends inside a frame")
    length, crc, kind, log, seq, epoch = HEAD.unpack_from(data, offset)
    end = offset + HEAD.size + length
    if length > CONTENT_LEN_MAX or end > len(data):
        raise Unreadable("a frame is longer than what is left")
    if crc32c(data[offset + 8:end], crc32c(data[offset:offset + 4])) != crc:
        raise Unreadable("a frame's checksum is wrong")
    return kind, log, seq, epoch, data[offset + HEAD.size:end]


def _later_commit(data, offset, batch):
    """Tells whether a commit of a batch after `batch` stands anywhere from `offset` on."""
    mark = struct.pack("<BI", BATCH, NO_LOG)
    at = data.find(mark, offset + 8)
    while at >= 0:
        try:
            if _frame(data, at - 8)[2] > batch:
                return True
        except Unreadable:
            pass
        at = data.find(mark, at + 1)
    return False
