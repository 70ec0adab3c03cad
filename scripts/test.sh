#!/usr/bin/env bash
# Everything that CI checks, in the order in which it fails fastest. Real parts throughout: the built binary, the shop's
# own process, headless Chromium, recorded conversations where COUNTERSIGN_DATA says where they are.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s (at %d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

step "set-up"
scripts/setup.sh --browser
step "console"
scripts/console.sh
(cd console && npm run --silent check)
step "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
step "licences"
scripts/licences.sh
step "build"
cargo build --workspace --bins --locked
step "tests"
cargo test --workspace --locked
step "a verifier that is not ours"
scripts/verify-go.sh
scripts/verify-py.sh
step "random bytes"
scripts/fuzz.sh 10
step "real work"
scripts/real-data.sh
step "the console, by clicking"
scripts/browser.sh
step "the Python SDK"
scripts/sdk-python.sh
step "LangGraph's conformance suite, crashes and fences"
scripts/langgraph-conformance.sh
step "the first minute: demo, click, tour"
scripts/demo-test.sh
step "all passed"
