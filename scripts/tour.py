#!/usr/bin/env python3
"""Runs the commands of a guide as they stand there: every line after `$ ` of its `console` blocks, in one shell.

    scripts/tour.py GUIDE.md [--only HEADING]

The first command that fails ends it, with its place in the guide. Lines that follow a command without `$ ` belong to
it (a here-document). With `--only`, the commands of one section. Whatever they left running ends with them.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

SECONDS_MAX = 600


def commands(text, only=None):
    """(line number, command) of each command."""
    inside, wanted, found, indent = False, only is None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("```"):
            inside = line.strip() == "```console"
            # A block of a list is indented as a whole.
            indent = len(line) - len(line.lstrip())
        elif not inside and only is not None and line.startswith("## "):
            wanted = line[3:].strip() == only
        elif inside and wanted:
            line = line[indent:] if line[:indent].strip() == "" else line
            if line.startswith("$ "):
                found.append([number, line[2:]])
            elif found:
                found[-1][1] += "\n" + line
    return found


def main():
    guide = Path(sys.argv[1])
    only = sys.argv[3] if sys.argv[2:3] == ["--only"] else None
    found = commands(guide.read_text(), only)
    if not found:
        sys.exit(f"tour: {guide} has no commands")
    script = ["set -euo pipefail"]
    for number, command in found:
        shown = command.splitlines()[0].replace("'", "'\\''")
        script.append(f"printf '%s\\n' '{guide}:{number}: $ {shown}'")
        # `! command` is exempt from `set -e`: ask for its status.
        script.append(f"{command} || exit 1" if command.startswith("! ") else command)
    shell = subprocess.Popen(["bash", "-c", "\n".join(script)], start_new_session=True)
    try:
        status = shell.wait(timeout=SECONDS_MAX)
    finally:
        # Its session holds nothing but what it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
    if status != 0:
        sys.exit(f"tour: the last command above failed with status {status}")
    print(f"tour: {len(found)} commands of {guide} work")


if __name__ == "__main__":
    main()
