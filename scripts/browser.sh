#!/usr/bin/env bash
# The console, by clicking, in headless Chromium: its stories against the wire's own shapes.
set -euo pipefail
cd "$(dirname "$0")/../console"
if ! command -v chromium >/dev/null 2>&1; then
  echo "browser: skipped: there is no chromium; apt-get install chromium"
  exit 0
fi
npm run --silent stories
