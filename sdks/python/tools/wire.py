"""Writes src/countersign/_wire.py from docs/reference/openapi.json: the generator, with what it needs to be told.

    python tools/wire.py [--check]

`--check` writes nothing and ends with 1 where the file is stale. Called by scripts/sdk-types.sh.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
DOCUMENT = PACKAGE.parents[1] / "docs" / "reference" / "openapi.json"
TARGET = PACKAGE / "src" / "countersign" / "_wire.py"
HEAD = '''# Generated from docs/reference/openapi.json by scripts/sdk-types.sh. Do not edit.
"""What travels between client and server, as types for the checker: plain dictionaries at run time."""'''


def open_ended(value: object) -> object:
    """Lets objects be open: the server may send more than this version of the SDK knows, and that stays readable."""
    if isinstance(value, dict):
        return {key: open_ended(one) for key, one in value.items() if key != "additionalProperties" or one is not False}
    if isinstance(value, list):
        return [open_ended(one) for one in value]
    return value


def named_rows(document: dict[str, Any]) -> dict[str, Any]:
    """Gives the rows of `Page_X` their name back: the document writes them out in place."""
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        row = name.removeprefix("Page_")
        if row != name and row in schemas:
            schema["properties"]["items"]["items"] = {"$ref": f"#/components/schemas/{row}"}
    return document


def any_json(value: object) -> object:
    """Lets values be any JSON where the document says `object` and no more: results, inputs and signals are whatever they are."""
    if isinstance(value, list):
        return [any_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("object", ["object", "null"]) and not {"properties", "additionalProperties"} & value.keys():
        return {key: one for key, one in value.items() if key != "type"}
    return {key: any_json(one) for key, one in value.items()}


def generate(document: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "openapi.json"), Path(folder, "wire.py")
        source.write_text(json.dumps(open_ended(any_json(named_rows(json.loads(document.read_text()))))))
        command = [
            sys.executable, "-W", "ignore", "-m", "datamodel_code_generator",
            "--input", str(source), "--input-file-type", "openapi", "--output", str(target),
            "--output-model-type", "typing.TypedDict", "--target-python-version", "3.11",
            "--use-union-operator", "--use-standard-collections",
            "--use-schema-description", "--use-field-description",
            "--disable-timestamp", "--formatters", "builtin", "--custom-file-header", HEAD,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        return target.read_text().rstrip() + "\n"


def main() -> int:
    fresh = generate(DOCUMENT)
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text() != fresh:
            print(f"{TARGET.name} is stale: run scripts/sdk-types.sh", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
