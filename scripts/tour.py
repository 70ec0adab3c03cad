#!/usr/bin/env python3
"""Runs the commands of a guide as they stand there: every line after `$ ` of its `console` blocks, in one shell.

    scripts/tour.py GUIDE.md [--only HEADING]

The first command that fails ends it, with its place in the guide. Lines that follow a command without `$ ` belong to
it (a here-document).
"""

import subprocess
import sys
from pathlib import Path

SECONDS_MAX = 600


def commands(text):
    """(line number, command) of each command."""
    inside, found = False, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("```"):
            inside = line.strip() == "```console"
        elif inside and line.startswith("$ "):
            found.append([number, line[2:]])
        elif inside and found:
            found[-1][1] += "\n" + line
    return found


def main():
    guide = Path(sys.argv[1])
    found = commands(guide.read_text())
    if not found:
        sys.exit(f"tour: {guide} has no commands")
    script = ["set -euo pipefail"]
    for number, command in found:
        shown = command.splitlines()[0].replace("'", "'\\''")
        script.append(f"printf '%s\\n' '{guide}:{number}: $ {shown}'")
        # `! command` is exempt from `set -e`: ask for its status.
        script.append(f"{command} || exit 1" if command.startswith("! ") else command)
    done = subprocess.run(["bash", "-c", "\n".join(script)], timeout=SECONDS_MAX)
    if done.returncode != 0:
        sys.exit(f"tour: the last command above failed with status {done.returncode}")
    print(f"tour: {len(found)} commands of {guide} work")


if __name__ == "__main__":
    main()
