#!/usr/bin/env bash
# Checks licences, sources and bans of all dependencies against deny.toml. Crates of other platforms are fetched as well:
# their licences count although they are never built here.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fetch --quiet --locked
python3 scripts/licences.py
