#!/usr/bin/env bash
# Whether scripts/setup.sh says plainly what a machine lacks: it is run with a PATH on which tools are old or not there.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
fail() { printf 'setup-test: FAILED: %s\n' "$*" >&2; exit 1; }

bin="$work/bin"
tool() { # NAME WORDS: a tool that says its version
  printf '#!/bin/sh\necho "%s"\n' "$2" >"$bin/$1" && chmod +x "$bin/$1"
}
machine() { # a machine that has all that is needed
  rm -rf "$bin" && mkdir "$bin"
  for name in bash sh dirname sed sort head tr id; do ln -s "$(command -v "$name")" "$bin/$name"; done
  tool cargo "cargo 1.95.0" && tool rustc "rustc 1.95.0 (abc 2026-01-01)" && tool node "v20.19.0" && tool npm "10.0.0"
  tool python3 "Python 3.11.2" && tool cc "cc" && tool make "GNU Make"
}
says() { # WHAT: setup fails, names it, and nothing else
  local said
  if said="$(PATH="$bin" "$bin/bash" scripts/setup.sh 2>&1)"; then fail "not noticed: $1"; fi
  [ "$said" = "setup: missing: $1" ] || fail "wanted \`$1\`, got: $said"
}

machine && PATH="$bin" "$bin/bash" scripts/setup.sh || fail "a machine that has all is refused"
tool rustc "rustc 1.103.0" && tool node "v24.1.0" && tool python3 "Python 3.14.0"
PATH="$bin" "$bin/bash" scripts/setup.sh || fail "newer tools are refused"
machine && tool python3 "Python 3.9.2" && says "Python 3.11 or newer (found 3.9.2)"
machine && rm "$bin/python3" && says "Python 3.11 or newer"
machine && tool rustc "rustc 1.94.1 (abc)" && says "Rust 1.95.0 (found 1.94.1; rustup.rs)"
machine && rm "$bin/rustc" && says "Rust 1.95.0 (found none that works; rustup.rs)"
machine && rm "$bin/cargo" "$bin/rustc" && says "Rust 1.95.0 (rustup.rs)"
machine && tool node "v18.20.4" && says "Node.js 20 or newer (found 18.20.4)"
machine && rm "$bin/node" && says "Node.js 20 or newer"
machine && rm "$bin/cc" && says "a C compiler (apt-get install build-essential)"
machine && rm "$bin/make" && says "make"
echo "setup-test: what a machine lacks is said"
