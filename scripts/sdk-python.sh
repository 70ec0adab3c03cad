#!/usr/bin/env bash
# The Python SDK: a virtual environment under .tools with pinned versions, format and lints, types, and the
# tests against the built binary (one of them says when the wire types are stale). `--set-up` ends after the environment; other arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "sdk-python: missing: Python 3.11 or newer" >&2
  exit 1
fi
env="$PWD/.tools/sdk-python"
pins="sdks/python/requirements-dev.txt"
# The environment is made anew only when what it should hold has changed.
if ! cmp -s "$pins" "$env/pins.txt"; then
  [ -x "$env/bin/python" ] || python3 -m venv "$env"
  "$env/bin/pip" install --quiet --disable-pip-version-check -r "$pins"
  "$env/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable sdks/python
  cp "$pins" "$env/pins.txt"
fi
[ "${1:-}" != "--set-up" ] || exit 0

[ -x target/debug/countersign ] && [ -x target/debug/retail-crm ] || cargo build --quiet --locked -p countersign -p retail-crm
cd sdks/python
"$env/bin/ruff" format --quiet --check .
"$env/bin/ruff" check --quiet .
"$env/bin/mypy" --no-error-summary
"$env/bin/pytest" --quiet "$@"
