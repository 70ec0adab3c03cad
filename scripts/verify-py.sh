#!/usr/bin/env bash
# Whether docs/format.md is enough to write a verifier: tools/verify-py was written from that page alone, in plain Python.
# It reads journals that ours wrote, of each format, and refuses copies that are wrong in one place each.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { # At a desk a missing tool is skipped, loudly; where everything is to be checked it is a failure.
  printf '\n!!!! SKIPPED, nothing was verified: %s\n' "$*" >&2
  [ "${CI:-}" != true ] && [ "${COUNTERSIGN_REQUIRE_TOOLS:-0}" != 1 ]
  exit
}

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip "Python 3.9 or later is not there"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cargo build --quiet --locked -p journal --example write-journal
target="$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')"
write="$target/debug/examples/write-journal"

"$write" "$work/true" 20
"$write" "$work/longer" 100
"$write" "$work/pruned" 100 pruned
"$write" "$work/beheaded" 100 beheaded
"$write" "$work/rotated" 100 rotated
"$write" "$work/stolen" 100 stolen
for wrong in at seq log commits form number large twice deep; do
  "$write" "$work/$wrong" 100 "$wrong"
done
PYTHONDONTWRITEBYTECODE=1 python3 tools/verify-py/check.py \
  crates/journal/src/tests/fixtures/format-1 "$work/true" "$work/longer" "$work/rotated" "$work/pruned" \
  crates/journal/src/tests/fixtures/format-2 crates/journal/src/tests/fixtures/format-3 -- \
  "$work"/{at,seq,log,commits,form,number,large,twice,deep,beheaded,stolen}
