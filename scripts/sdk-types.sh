#!/usr/bin/env bash
# The Python SDK's wire types, anew from docs/reference/openapi.json. `--check` only says whether they are stale.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/sdk-python.sh --set-up
.tools/sdk-python/bin/python sdks/python/tools/wire.py "$@"
