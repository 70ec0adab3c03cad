#!/usr/bin/env bash
# The console, by clicking and as pictures, in headless Chromium, against the wire's own shapes. Without Chromium it fails:
# a console that nobody looked at is not tested. COUNTERSIGN_NO_BROWSER=1 says that this is known.
set -euo pipefail
cd "$(dirname "$0")/../console"
if [ "${COUNTERSIGN_NO_BROWSER:-0}" = 1 ]; then
  printf '\n!!!! SKIPPED, the console was not looked at: COUNTERSIGN_NO_BROWSER=1\n' >&2
  exit 0
fi
if ! command -v chromium >/dev/null 2>&1; then
  printf 'browser: FAILED: there is no chromium: apt-get install chromium, or set COUNTERSIGN_NO_BROWSER=1 to go without\n' >&2
  exit 1
fi
npm run --silent stories
npm run --silent pictures
