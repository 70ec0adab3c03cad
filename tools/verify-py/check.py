#!/usr/bin/env python3
"""Whether verify.py says yes and no rightly: `check.py FIXTURE TRUE... -- WRONG...`, run by scripts/verify-py.sh.

TRUE are journals that must verify, WRONG those whose entries are not what they must be. Copies of the first TRUE one
are damaged in one place each: accidents (bits, cuts, missing files), and edits whose checksums were made right again.
"""

import contextlib
import io
import os
import shutil
import struct
import sys
import tempfile

import verify
from crc32c import crc32c
from journal import BATCH, COMMIT, ENTRY, HEAD, LOG, PAYLOAD, SEGMENT, SUCCESSION

good = bad = 0
places = set()


def said(folder):
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = verify.main([folder])
    return code, errors.getvalue().strip()


def holds(what, folder, note=""):
    global good
    code, errors = said(folder)
    if code != 0 or note not in errors:
        sys.exit(f"verify-py: FAILED: {what}: refused, or not said: {errors}")
    good += 1


def breaks(what, folder, where):
    """`where` must be in the message: the file, or what is wrong."""
    global bad
    code, errors = said(folder)
    if code != 1 or not errors.startswith("damaged: ") or where not in errors:
        sys.exit(f"verify-py: FAILED: {what}: not noticed, or at another place than {where}: {errors or 'nothing said'}")
    bad += 1
    places.add(errors.rpartition(": ")[2])


class World:
    """A copy of a true data directory, made whole again before each change."""

    def __init__(self, source, folder):
        self.source, self.folder = source, os.path.join(folder, "copy")
        self.segments = sorted(n for n in os.listdir(os.path.join(source, "journal")) if n.endswith(".seg"))
        self.notes = sorted(os.listdir(os.path.join(source, "checkpoints")))

    def read(self, file):
        with open(os.path.join(self.source, file), "rb") as opened:
            return opened.read()

    def with_file(self, file, data):
        """Returns the copy with other bytes in one file, or without it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.source, self.folder)
        if data is None:
            os.remove(os.path.join(self.folder, file))
        else:
            with open(os.path.join(self.folder, file), "wb") as opened:
                opened.write(data)
        return self.folder


def frames(data):
    """Offsets of the frames and their ends, with the kind; not the room behind them."""
    offset = 0
    while data.count(0, offset) < len(data) - offset:
        length, _, kind, *_ = HEAD.unpack_from(data, offset)
        yield offset, offset + HEAD.size + length, kind
        offset += HEAD.size + length


def resealed(data):
    """The segment with all checksums, and the lengths in its commits, made right again."""
    data, begin, count = bytearray(data), 0, 0
    for offset, end, kind in list(frames(data)):
        if kind == BATCH:
            at = offset + HEAD.size
            data[at:at + 16] = struct.pack("<IQI", count, offset - begin, crc32c(bytes(data[begin:offset])))
            begin, count = end, -1
        count += 1
        crc = crc32c(bytes(data[offset + 8:end]), crc32c(bytes(data[offset:offset + 4])))
        data[offset + 4:offset + 8] = struct.pack("<I", crc)
    return bytes(data)


def put(data, offset, new):
    return data[:offset] + new + data[offset + len(new):]


def flip(data, offset):
    return put(data, offset, bytes([data[offset] ^ 1]))


def accidents(world, of=SEGMENT):
    """Damages every segment that holds a frame of this kind."""
    for segment in world.segments:
        file = f"journal/{segment}"
        data = world.read(file)
        if of not in {kind for _, _, kind in frames(data)}:
            continue
        data = data[:max(end for _, end, _ in frames(data))]
        for offset, end, kind in frames(data):
            # In the head and in the content; where it was noticed is another matter for the very last batch.
            for at in {offset + offset % HEAD.size, (offset + HEAD.size + end) // 2}:
                breaks(f"a bit at {file} {at}, kind {kind}", world.with_file(file, flip(data, at)), "")
        ends = [end for _, end, kind in frames(data) if kind == BATCH]
        for cut in (ends[0], ends[len(ends) // 2] - 1, ends[-2], len(data) // 2, len(data) - 1):
            breaks(f"{file} cut to {cut}", world.with_file(file, data[:cut]), "")
        for begin, end in ((ends[0], ends[1]), (ends[-2], ends[-1])):
            zeros = put(data, begin, bytes(end - begin))
            breaks(f"zeros for a batch of {file}", world.with_file(file, zeros), "")
            breaks(f"{file} without a batch", world.with_file(file, data[:begin] + data[end:]), "")
            breaks(f"{file} with a batch twice", world.with_file(file, data[:end] + data[begin:]), "")
        breaks(f"{file} empty", world.with_file(file, b""), "")
        breaks(f"{file} removed", world.with_file(file, None), "")
    for note in world.notes:
        file = f"checkpoints/{note}"
        data = world.read(file)
        for at in range(0, len(data), 5):
            breaks(f"a bit at {file} {at}", world.with_file(file, flip(data, at)), file)
        for size in (b"1", b"01", b"99999"):
            lines = data.split(b"\n")
            lines[1] = size
            breaks(f"{file}: size {size}", world.with_file(file, b"\n".join(lines)), file)
        breaks(f"{file} cut", world.with_file(file, data[:-2]), file)
    first, second = (f"checkpoints/{note}" for note in world.notes)
    breaks("the checkpoint of another log", world.with_file(first, world.read(second)), first)


def edits(world):
    file = f"journal/{world.segments[1]}"
    data = world.read(file)
    at = {}
    for offset, end, kind in frames(data):
        if kind != BATCH or ENTRY in at:
            at.setdefault(kind, (offset, end))
    place = {kind: f"{file}: byte {offset}" for kind, (offset, _) in at.items()}

    def edit(what, kind, offset, new, where=None):
        changed = put(data, at[kind][0] + offset, new)
        assert changed != data, what
        breaks(what, world.with_file(file, resealed(changed)), where or place[kind])

    content = HEAD.size
    edit("another magic", SEGMENT, content, b"C")
    edit("a newer format", SEGMENT, content + 16, struct.pack("<I", 4), "newer")
    edit("an older format after a newer", SEGMENT, content + 16, struct.pack("<I", 1))
    edit("another number of the batch", SEGMENT, content + 20, struct.pack("<Q", 1))
    edit("another number of the frame", SEGMENT, 13, struct.pack("<Q", 1))
    edit("an epoch that goes back", SEGMENT, 21, struct.pack("<Q", 0))
    edit("a kind that nobody knows", ENTRY, 8, b"\x09")
    edit("another name of a log", LOG, content + 2, b"T")
    edit("another size in a definition", LOG, 13, struct.pack("<Q", 1))
    edit("another root in a definition", LOG, at[LOG][1] - at[LOG][0] - 2, b"\x00\x00")
    edit("an entry of a log that is not defined", ENTRY, 9, struct.pack("<I", 7))
    edit("an entry at another position", ENTRY, 13, struct.pack("<Q", 0))
    text = data[at[ENTRY][0]:at[ENTRY][1]].rindex(b"n")
    edit("another word in an entry", ENTRY, text, b"m", file)
    edit("a payload of another entry", PAYLOAD, 13, struct.pack("<Q", 0))
    edit("a payload nobody committed to", PAYLOAD, content, b"\xff\xff")
    edit("a text of a payload that is cut", PAYLOAD, content + 32, b"\xff\xff")
    edit("another number of a batch", BATCH, 13, struct.pack("<Q", 0))
    edit("another log in a commit", BATCH, content + COMMIT.size, struct.pack("<I", 7))
    edit("another size in a commit", BATCH, content + COMMIT.size + 4, struct.pack("<Q", 0))
    edit("another root in a commit", BATCH, content + COMMIT.size + 12, b"\x00\x00")
    edit("another count of logs in a commit", BATCH, content + 16, struct.pack("<I", 9))


def harmless(world):
    last = f"journal/{world.segments[-1]}"
    data = world.read(last)
    holds("room at the end", world.with_file(last, data + bytes(100_000)))
    middle = f"journal/{world.segments[1]}"
    holds("room in the middle", world.with_file(middle, world.read(middle) + bytes(5_000)))
    holds("a segment that was begun", world.with_file("journal/00000000ffffffff.seg", bytes(9)), "never written")
    holds("a spare", world.with_file("journal/spare", bytes(9)))
    holds("a draft", world.with_file("checkpoints/.test~shop.new", b"draft"))
    holds("a torn tail", world.with_file(last, data + data[:300]), "torn tail")
    holds("no checkpoint", world.with_file(f"checkpoints/{world.notes[0]}", None))


def main(arguments):
    split = arguments.index("--")
    fixture, true, wrong = arguments[0], arguments[1:split], arguments[split + 1:]
    for folder in (fixture, *true):
        holds(folder, folder)
    for folder in wrong:
        breaks(folder, folder, "signed by" if folder.endswith("stolen") else "entry ")
    with tempfile.TemporaryDirectory() as folder:
        world = World(true[0], folder)
        harmless(world)
        accidents(world)
        edits(world)
        accidents(World(true[2], folder), SUCCESSION)
        old = World(fixture, folder)
        last = f"journal/{old.segments[-1]}"
        holds("format 1: zeros are a torn tail", old.with_file(last, old.read(last) + bytes(9)), "torn tail")
        middle = f"journal/{old.segments[3]}"
        breaks("format 1: room", old.with_file(middle, old.read(middle) + bytes(9)), middle)
        lie = World(true[0], folder)
        with open(os.path.join(true[1], "checkpoints", "test~shop"), "rb") as note:
            breaks("a signed checkpoint of more", lie.with_file("checkpoints/test~shop", note.read()), "vouches")
        lie = World(true[1], folder)
        with open(os.path.join(wrong[0], "checkpoints", "test~platform"), "rb") as note:
            breaks("a signed checkpoint of another history", lie.with_file("checkpoints/test~platform", note.read()), "root")
    print(f"verify-py: {good} true directories accepted, {bad} damaged refused, {len(places)} kinds of complaint")


if __name__ == "__main__":
    main(sys.argv[1:])
