#!/usr/bin/env bash
# `make demo` and `make demo-stop`: what is missing is said by scripts/setup.sh; the rest is the driver's.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v python3 >/dev/null 2>&1; then
  echo "demo: missing: Python 3.11 or newer" >&2
  exit 1
fi
[ "${1:-}" = "--stop" ] || scripts/setup.sh
exec python3 examples/retail/demo/demo.py "$@"
