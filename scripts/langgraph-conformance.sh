#!/usr/bin/env bash
# The LangGraph checkpointer against the built server: LangGraph's own conformance suite in full, with and without an event
# loop, and what it does not ask (crashes, several processes on one thread, a process that was overtaken, real graphs).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/sdk-python.sh --set-up
[ -x target/debug/countersign ] && [ -x target/debug/retail-crm ] || cargo build --quiet --locked -p countersign -p retail-crm
cd sdks/python
exec ../../.tools/sdk-python/bin/pytest --quiet conformance "$@"
