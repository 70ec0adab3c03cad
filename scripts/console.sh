#!/usr/bin/env bash
# Builds the console into console/dist, only when its sources changed.
set -euo pipefail
cd "$(dirname "$0")/../console"
stamp=$(find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
if [ -f dist/.stamp ] && [ "$(cat dist/.stamp)" = "$stamp" ]; then exit 0; fi
echo "console: building"
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build
echo "$stamp" > dist/.stamp
