#!/usr/bin/env python3
"""Verifies a data directory: `verify.py DIR` reads every byte of the journal and every checkpoint.

Written from docs/format.md alone, without our other code, to show that the page is enough.
Prints each log with its size and root; or the first bad place, and ends with 1.
"""

import os
import sys

from checkpoint import Checkpoint
from journal import Damaged, Journal


def checkpoints(folder):
    """Returns the checkpoints by the name of their log."""
    found = {}
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if file.startswith("."):
            continue  # a draft
        with open(os.path.join(folder, file), "rb") as note:
            try:
                found[file.replace("~", "/")] = Checkpoint(note.read())
            except ValueError as what:
                raise Damaged(f"checkpoints/{file}: {what}") from None
    return found


def compare(journal, found):
    logs = {log.name: log for log in journal.logs}
    for name, checkpoint in found.items():
        place = f"checkpoints/{name.replace('/', '~')}"
        if name not in logs or checkpoint.origin != name:
            raise Damaged(f"{place}: is not of log {name} of this journal")
        log = logs[name]
        # A key that was succeeded vouches for what came before.
        former = [key for key, until in log.former if checkpoint.size <= until and key.name == name]
        signers = {key for key_name, key, _ in checkpoint.signatures if key_name == name}
        try:
            checkpoint.verify(next((key for key in former if key.id in signers), log.key))
        except ValueError as what:
            raise Damaged(f"{place}: {what}") from None
        if log.tree.size < checkpoint.size:
            raise Damaged(f"{place}: vouches for {checkpoint.size} entries, and {log.tree.size} are left")
        if log.root_at[checkpoint.size] != checkpoint.root:
            raise Damaged(f"{place}: names another root for {checkpoint.size} entries")


def main(arguments):
    if len(arguments) != 1:
        print("usage: verify.py DIR", file=sys.stderr)
        return 2
    folder = arguments[0]
    try:
        found = checkpoints(os.path.join(folder, "checkpoints"))
        journal = Journal({name: {checkpoint.size} for name, checkpoint in found.items()})
        journal.read(os.path.join(folder, "journal"))
        compare(journal, found)
    except Damaged as what:
        print(f"damaged: {what}", file=sys.stderr)
        return 1
    except OSError as what:
        print(f"cannot read: {what}", file=sys.stderr)
        return 2
    for log in journal.logs:
        print(f"{log.name} {log.tree.size} {log.tree.root().hex()}")
    for note in journal.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
