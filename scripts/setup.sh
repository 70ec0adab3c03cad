#!/usr/bin/env bash
# Checks for what the project needs, installs what the system's package manager can give, and says what is missing.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
older() { # FOUND WANTED: whether version FOUND is older; one that cannot be read counts as old.
  [ "$(printf '%s\n%s\n' "${1:-0}" "$2" | sort -V | head -n 1)" != "$2" ]
}
root="$(cd "$(dirname "$0")/.." && pwd)"
rust="$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/rust-toolchain.toml")"
need cargo "Rust $rust (rustup.rs)"
need node "Node.js 20 or newer"
need npm "npm"
need python3 "Python 3.11 or newer"
need cc "a C compiler (apt-get install build-essential)"
need make "make"
if command -v cargo >/dev/null 2>&1; then
  # In the project's folder rustup takes the toolchain that is pinned there, and gets it where it is not installed.
  found="$(cd "$root" && rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p' || true)"
  if older "$found" "$rust"; then missing+=("Rust $rust (found ${found:-none that works}; rustup.rs)"); fi
fi
if command -v node >/dev/null 2>&1; then
  found="$(node --version 2>/dev/null | tr -d v || true)"
  if older "$found" 20; then missing+=("Node.js 20 or newer (found ${found:-none that works})"); fi
fi
if command -v python3 >/dev/null 2>&1; then
  found="$(python3 --version 2>/dev/null | sed -n 's/^Python \([0-9.]*\).*/\1/p' || true)"
  if older "$found" 3.11; then missing+=("Python 3.11 or newer (found ${found:-none that works})"); fi
fi
if [ ${#missing[@]} -gt 0 ]; then
  printf 'setup: missing: %s\n' "${missing[@]}" >&2
  exit 1
fi
# Browser tests drive the system's own Chromium. Where it can be had by nobody here, scripts/browser.sh says what to do.
if [ "${1:-}" = "--browser" ] && [ "${COUNTERSIGN_NO_BROWSER:-0}" != 1 ] && ! command -v chromium >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing chromium"
    { apt-get update -qq || true; } && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null || true
  fi
fi
