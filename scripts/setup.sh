#!/usr/bin/env bash
# Checks for what the project needs, installs what the system's package manager can give, and says what is missing.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cargo "Rust 1.95 (rustup.rs)"
need node "Node.js 20 or newer"
need npm "npm"
need python3 "Python 3.11 or newer"
need cc "a C compiler (apt-get install build-essential)"
need make "make"
if command -v node >/dev/null 2>&1 && [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  missing+=("Node.js 20 or newer (found $(node --version))")
fi
if [ ${#missing[@]} -gt 0 ]; then
  printf 'setup: missing: %s\n' "${missing[@]}" >&2
  exit 1
fi
# Browser tests drive the system's own Chromium; without root they are skipped, loudly, by the test script.
if [ "${1:-}" = "--browser" ] && ! command -v chromium >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing chromium"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
  fi
fi
