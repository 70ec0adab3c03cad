#!/usr/bin/env bash
# Whether a program that knows nothing of Countersign can verify what it publishes: Go's own packages for transparency
# logs (Debian's, no network) read a log that `tlog` wrote, then copies of it that are wrong in one place each.
# `scripts/verify-go.sh DIR VKEY OLD` checks a log that a server published, with its receipts, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { # At a desk a missing tool is skipped, loudly; where everything is to be checked it is a failure.
  printf '\n!!!! SKIPPED, nothing was verified: %s\n' "$*" >&2
  [ "${CI:-}" != true ] && [ "${COUNTERSIGN_REQUIRE_TOOLS:-0}" != 1 ]
  exit
}
fail() { printf 'verify-go: FAILED: %s\n' "$*" >&2; exit 1; }

go="$(command -v go || echo /usr/lib/go-1.19/bin/go)"
package=/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog
if [ ! -x "$go" ] || [ ! -d "$package" ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    skip "Go and golang.org/x/mod are not there: apt-get install golang-1.19-go golang-golang-x-mod-dev"
  { apt-get update -qq && apt-get install -y -qq golang-1.19-go golang-golang-x-mod-dev; } >/dev/null 2>&1 ||
    skip "apt-get could not install golang-1.19-go and golang-golang-x-mod-dev"
  go="$(command -v go || echo /usr/lib/go-1.19/bin/go)"
fi
[ -x "$go" ] && [ -d "$package" ] || skip "Go or golang.org/x/mod is not where Debian puts it"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# GOPATH mode: Debian's packages are sources without modules.
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$work/cache" GOFLAGS= CGO_ENABLED=0 \
  "$go" build -o "$work/verify" tools/verify-go/main.go
if [ $# = 3 ]; then
  "$work/verify" "$@" && exit
  fail "the log in $1"
fi
cargo build --quiet --locked -p tlog --example write-log
target="$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')"
write="$target/debug/examples/write-log"

good=0 bad=0
holds() { # DIR OLD
  "$work/verify" "$1" "$(cat "$1/key")" "$2" >"$work/said" 2>&1 || fail "a true log was refused: $1: $(cat "$work/said")"
  good=$((good + 1))
}
breaks() { # WHAT DIR OLD
  if "$work/verify" "$2" "$(cat "$work/log/key")" "$3" >"$work/said" 2>&1; then fail "not noticed: $1"; fi
  grep -q '^not verified: ' "$work/said" || fail "$1: the verifier itself failed: $(cat "$work/said")"
  bad=$((bad + 1))
}
flip() { # FILE: another lowest bit in its middle byte
  local at byte
  at=$(($(stat -c %s "$1") / 2))
  byte=$(od -An -tu1 -j "$at" -N 1 "$1")
  printf "\\x$(printf '%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
copy() { rm -rf "$work/bad" && cp -r "$work/log" "$work/bad"; }

for size in 1 2 255 256 257 512 600 66000; do
  "$write" "$work/$size" "$size" $((size / 3))
  holds "$work/$size" "$work/$size/checkpoint.old"
  holds "$work/$size" "$work/$size/checkpoint"
done
mv "$work/600" "$work/log"
old="$work/log/checkpoint.old"

while read -r file; do
  copy && flip "$work/bad/$file" && breaks "a flipped bit in $file" "$work/bad" "$old"
done < <(cd "$work/log" && find . -type f \( -path "./tile/*" -o -name checkpoint -o -name "*.tlog-proof" \))
copy && flip "$work/bad/checkpoint.old" && breaks "a flipped bit in the old checkpoint" "$work/log" "$work/bad/checkpoint.old"
for size in 599 601 6000; do
  copy && sed -i "2s/.*/$size/" "$work/bad/checkpoint" && breaks "size $size" "$work/bad" "$old"
done
copy && rm "$work/bad/tile/entries/001" && breaks "a missing bundle" "$work/bad" "$old"
copy && rm "$work/bad/tile/0/000" && breaks "a missing tile" "$work/bad" "$old"
# Signed by the right key, and still not true.
"$write" "$work/longer" 601 200 && copy && cp "$work/longer/checkpoint" "$work/bad/" && breaks "a signed wrong size" "$work/bad" "$old"
"$write" "$work/other" 600 200 lie && copy && cp "$work/other/checkpoint" "$work/bad/" && breaks "a signed wrong root" "$work/bad" "$old"
breaks "another history" "$work/log" "$work/other/checkpoint.old"
copy && cp "$work/other/tile/entries/000" "$work/bad/tile/entries/000" && breaks "entries of another log" "$work/bad" "$old"
copy && cp "$work/other/300.tlog-proof" "$work/bad/" && breaks "a receipt of another log" "$work/bad" "$old"
breaks "an older checkpoint that is newer" "$work/log" "$work/longer/checkpoint"

echo "verify-go: Go's sumdb packages verified $good true logs of 1 to 66000 entries and refused $bad damaged ones"
