#!/usr/bin/env bash
# The long proofs: everything in `make test` that is sampled there, in full. Appends a dated row to docs/proofs.md.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${COUNTERSIGN_DATA:-}" ] || { [ -d ../shared/data ] && COUNTERSIGN_DATA="$(cd ../shared/data && pwd)" && export COUNTERSIGN_DATA; } || true
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
cargo build --locked --workspace --bins
row() { printf '| %s | %s | %s |\n' "$(date -u +%F)" "$1" "$2" | tee -a docs/proofs.md; }
cargo test --locked -p sim -- --nocapture a_stop_anywhere | tee "$out/sim.log"
row "stops before and after every append, all stories" "$(grep -oE '[0-9]+ stops' "$out/sim.log") · 0 effects repeated, 0 lost"
FAULT_CASES=100000 cargo test --locked --release -p journal --lib -- --nocapture faults:: | tee "$out/faults.log"
row "journal stopped at every operation of its disk: kill, lost pages, torn sectors, lost names, flipped bits, full disk" \
  "$(grep -oE '[0-9]+ faults at [0-9]+ boundaries' "$out/faults.log"), of them $(grep -oE '"full, and [a-z ]+": [0-9]+' "$out/faults.log" |
    paste -sd ',' | tr -d '"') · 0 acknowledged entries lost, 0 invented, 0 reordered"
row "journal on a disk of which one call fails, each of them once" \
  "$(grep -oE '[0-9]+ calls failed, [0-9]+ crashes after them' "$out/faults.log") · 0 acknowledged entries lost, 0 invented, 0 reordered"
if [ -n "${COUNTERSIGN_DATA:-}" ]; then
  for seed in 1 2 3 4 5; do
    target/debug/retail-replay --domain "$COUNTERSIGN_DATA/tau-retail-domain" \
      --trajectories "$COUNTERSIGN_DATA/tau-retail-run-a/trajectories.jsonl" \
      --final-state "$COUNTERSIGN_DATA/tau-retail-run-a/final_state.jsonl" \
      --no-build --crash-every 3 --seed "$seed" --json "$out/crash.json"
    row "run A, SIGKILL during every 3rd call, seed $seed" "$(python3 - "$out/crash.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
print(f"{d['crashes']} crashes {d['crash_windows']}, {d['final_states_equal']} of 102 states, "
      f"{d['effects_duplicated']} duplicated, {d['effects_lost']} lost, verified {d['verified']}")
PY
)"
  done
fi
RUN_SLOW_TESTS=1 scripts/sdk-python.sh tests/test_kill.py tests/test_stopped.py | tee "$out/sdk.log"
row "a run of twelve steps through the Python SDK, process or server killed at 30 places; a worker stopped past its lease" \
  "$(grep -oE '[0-9]+ passed' "$out/sdk.log") · 0 acknowledged steps and effects repeated, 0 lost; the stopped worker refused on its first write"
