#!/usr/bin/env bash
# Recorded work of real agents, through the built server: every output, every final state, every crash window.
# Finds the recordings through COUNTERSIGN_DATA; without it says so loudly, and fails where COUNTERSIGN_REQUIRE_DATA=1.
set -euo pipefail
cd "$(dirname "$0")/.."
data="${COUNTERSIGN_DATA:-}"
if [ -z "$data" ] || [ ! -d "$data/tau-retail-run-a" ]; then
  echo "real-data: SKIPPED: COUNTERSIGN_DATA does not name a folder with tau-retail-run-a and tau-retail-domain"
  echo "real-data: ran 0, skipped 102"
  [ "${COUNTERSIGN_REQUIRE_DATA:-0}" = 1 ] && exit 1
  exit 0
fi
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
replay() {
  name="$1"
  shift
  echo "-- run A: $name"
  target/debug/retail-replay --domain "$data/tau-retail-domain" \
    --trajectories "$data/tau-retail-run-a/trajectories.jsonl" \
    --final-state "$data/tau-retail-run-a/final_state.jsonl" --no-build --json "$out/$name.json" "$@"
}
replay api
replay mcp --via mcp
replay gate-500 --refund-gate 500 --approve all
replay gate-500-nobody --refund-gate 500 --approve none
replay gate-1000 --refund-gate 1000 --approve all
replay crashes --crash-every 7
python3 - "$out" <<'PY'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
read = lambda name: json.loads((out / f"{name}.json").read_text())
failed = []
def must(name, **wanted):
    got = read(name)
    for key, value in wanted.items():
        if got[key] != value:
            failed.append(f"{name}: {key} is {got[key]}, not {value}")
whole = dict(calls=818, outputs_identical=818, final_states_equal=102, writes_ok=136)
sound = dict(effects_duplicated=0, effects_lost=0, verified=True)
must("api", **whole, **sound)
must("mcp", **whole, **sound)
must("gate-500", **whole, **sound, gated=38, gated_ok=36, approved=38)
must("gate-500-nobody", **sound, gated=38, gated_ok=0, gated_untouched=38, approved=0)
must("gate-1000", **whole, **sound, gated_ok=23)
must("crashes", final_states_equal=102, writes_ok=136, **sound)
for window, count in read("crashes")["crash_windows"].items():
    if count == 0:
        failed.append(f"crashes: the window {window} was never hit")
print("\n".join(f"real-data: FAILED: {line}" for line in failed) or "real-data: all figures as recorded")
sys.exit(bool(failed))
PY
