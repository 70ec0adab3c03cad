#!/usr/bin/env bash
# The first minute of a new user, on other ports and in another folder than `make demo`: the demo itself; a request
# approved by clicking in Chromium and seen executed; the tour and the tutorial of docs/guide, command by command; a second
# demo over the first; and the end.
set -euo pipefail
cd "$(dirname "$0")/.."
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
home="$(mktemp -d)"
DEMO_HOME="$home/demo"
DEMO_PORT="$(free_port)"
DEMO_CRM_PORT="$(free_port)"
COUNTERSIGN_DATA_DIR="$DEMO_HOME/data"
TMPDIR="$home"
export DEMO_HOME DEMO_PORT DEMO_CRM_PORT COUNTERSIGN_DATA_DIR TMPDIR
trap 'scripts/demo.sh --stop || true; rm -rf "$home"' EXIT

scripts/demo.sh
# As the console of a new reader shows it: pictures and clicks are of the server, not of a stand-in.
if command -v chromium >/dev/null 2>&1; then
  link="$(target/debug/countersign --json keys login jonas | python3 -c 'import json, sys; print(json.load(sys.stdin)["url"])')"
  (cd console && BASE_URL="http://127.0.0.1:$DEMO_PORT" LOGIN_URL="$link" OUT="${PICTURES:-}" node e2e/approve.mjs)
else
  echo "demo-test: the console was not clicked: there is no chromium"
fi
scripts/tour.py docs/guide/tour.md
scripts/tour.py docs/guide/tutorial-langgraph.md
scripts/tour.py docs/guide/proofs.md
scripts/tour.py docs/guide/evidence.md
scripts/tour.py docs/guide/witness.md
scripts/tour.py docs/guide/retention.md
scripts/tour.py docs/guide/erasure.md
scripts/demo.sh
scripts/demo.sh --stop
[ "$(scripts/demo.sh --stop)" = "demo: nothing was running" ]
echo "demo-test: the demo, a click, the tour, a second demo and the end work"
