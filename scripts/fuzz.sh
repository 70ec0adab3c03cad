#!/usr/bin/env bash
# Random bytes for the parsers, for so many seconds: `scripts/fuzz.sh [SECONDS]`. libFuzzer with the pinned stable
# compiler: coverage is an ordinary pass of LLVM, and no sanitizer is needed where nothing is unsafe. The corpus in
# fuzz/corpus is where it begins; what it finds beyond stays in a temporary directory. An input that breaks something is kept.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

skip() { # At a desk a missing tool is skipped, loudly; where everything is to be checked it is a failure.
  printf '\n!!!! SKIPPED, nothing was fuzzed: %s\n' "$*" >&2
  [ "${CI:-}" != true ] && [ "${COUNTERSIGN_REQUIRE_TOOLS:-0}" != 1 ]
  exit
}

seconds="${1:-20}"
command -v g++ >/dev/null || command -v clang++ >/dev/null || skip "there is no C++ compiler to build libFuzzer with"
host="$(rustc -vV | sed -n 's/^host: //p')"
target="${CARGO_TARGET_DIR:-$PWD/../target}/fuzz"
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing"
began=$SECONDS
CARGO_ENCODED_RUSTFLAGS="${flags// /$'\x1f'}" \
  cargo build --quiet --locked --release --target "$host" --target-dir "$target"
built=$((SECONDS - began))

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
kept="$target/broke-"
if ! "$target/$host/release/parsers" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -max_len=32768 \
  -artifact_prefix="$kept" -print_final_stats=1 "$work" corpus >"$work.log" 2>&1; then
  tail -n 40 "$work.log" >&2
  rm -f "$work.log"
  printf 'fuzz: FAILED, the input is kept as %s*\n' "$kept" >&2
  exit 1
fi
runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$work.log")"
rm -f "$work.log"
echo "fuzz: $runs inputs in $seconds s, begun with $(find corpus -type f | wc -l) kept ones; built in $built s"
