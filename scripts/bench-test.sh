#!/usr/bin/env bash
# Whether the benches still run and print their figures. Says nothing about speed: a second in a debug build.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
target/debug/countersign --json --data "$work/data" bench --seconds 1 --in-flight 1,4 --dir "$work" >"$work/bench.json"
target/debug/countersign --json --data "$work/data" bench journal --writers 1,4 --rounds 1 --dir "$work" >"$work/journal.json"
python3 - "$work/bench.json" "$work/journal.json" <<'PY'
import json, sys
for path in sys.argv[1:]:
    figures = json.load(open(path))
    assert figures, f"{path} is empty"
    print(f"bench-test: {json.dumps(figures)[:160]}…")
PY
