#!/usr/bin/env python3
"""Checks what Countersign is made of against deny.toml: licences, sources and banned crates, on all platforms.

Crates come from `cargo metadata`, npm packages from the console's lock file and, where installed, from their own
package.json, which has the last word. Whatever is not known to be allowed fails. Licence texts are not read: an author's
statement is taken for what it says.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allowed(expression, allow):
    """Whether a licence expression (SPDX, or the older `A/B`) can be met by allowed licences alone."""
    words = re.findall(r"[()/]|[^\s()/]+", expression)
    at = 0

    def peek():
        return words[at] if at < len(words) else None

    def take():
        nonlocal at
        at += 1
        return words[at - 1] if at <= len(words) else None

    def one():
        word = take()
        if word == "(":
            inner = either()
            if take() != ")":
                raise ValueError("a bracket is not closed")
            return inner
        if word is None or word in (")", "/", "AND", "OR", "WITH"):
            raise ValueError("a licence is missing")
        if peek() == "WITH":
            take()
            word = f"{word} WITH {take()}"
        return word in allow

    def both():
        result = one()
        while peek() == "AND":
            take()
            result = one() and result
        return result

    def either():
        result = both()
        while peek() in ("OR", "/"):
            take()
            result = both() or result
        return result

    try:
        result = either()
    except ValueError:
        return False
    return result and at == len(words)


def crates(rules):
    """How many crates there are, and the complaints about them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--all-features"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    allow, registries = set(rules["licenses"]["allow"]), set(rules["sources"]["allow-registry"])
    banned = {entry["name"] for entry in rules["bans"]["deny"]}
    complaints = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not allowed(package["license"] or "", allow):
            complaints.append(f"{name}: licence `{package['license'] or ''}` is not allowed")
        if package["name"] in banned:
            complaints.append(f"{name}: the crate is banned")
        # No source: a crate of this tree.
        source = package["source"]
        if source is not None and source.removeprefix("registry+") not in registries:
            complaints.append(f"{name}: source `{source}` is not allowed")
        if source is None and not Path(package["manifest_path"]).is_relative_to(ROOT):
            complaints.append(f"{name}: lies outside of the repository")
    return len(packages), complaints


def modules(rules):
    """How many npm packages there are, and the complaints about them."""
    console = ROOT / "console"
    packages = json.loads((console / "package-lock.json").read_text())["packages"]
    shipped = set(rules["licenses"]["allow"])
    tools, fonts = shipped | TOOLS, shipped | FONTS
    complaints = []
    for place, entry in packages.items():
        if place == "":
            continue
        manifest = console / place / "package.json"
        stated = json.loads(manifest.read_text()) if manifest.is_file() else entry
        licence = stated.get("license")
        name = f"{place.rpartition('node_modules/')[2]} {entry.get('version')}"
        allow = fonts if place.startswith(FONT_FOLDERS) else tools if entry.get("dev") else shipped
        if not isinstance(licence, str) or not allowed(licence, allow):
            complaints.append(f"{name}: licence `{licence or ''}` is not allowed")
        source = entry.get("resolved")
        if source is not None and not source.startswith("https://registry.npmjs.org/"):
            complaints.append(f"{name}: source `{source}` is not allowed")
        if "integrity" not in entry:
            complaints.append(f"{name}: the lock file has no checksum")
    return len(packages) - 1, complaints


# What builds and tests the console but is not part of it may also carry these.
TOOLS = {"0BSD", "BlueOak-1.0.0", "CC-BY-4.0", "MPL-2.0", "Python-2.0"}
# Fonts are shipped, under the licence made for them.
FONTS = {"OFL-1.1"}
FONT_FOLDERS = ("node_modules/@fontsource/", "node_modules/@fontsource-variable/")


def self_check():
    """The reader of expressions decides everything: it is tried before it is believed."""
    allow = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
    yes = ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(GPL-3.0 OR MIT) AND Apache-2.0", "MIT OR GPL-3.0 AND GPL-2.0",
           "Apache-2.0 WITH LLVM-exception", "GPL-2.0 WITH x OR MIT"]
    no = ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MIT OR", "(MIT", "MIT)", "MIT MIT",
          "MIT WITH x", "SEE LICENSE IN LICENSE", "UNLICENSED", "mit"]
    wrong = [text for text in yes if not allowed(text, allow)] + [text for text in no if allowed(text, allow)]
    if wrong:
        sys.exit(f"licences: expressions are misread: {wrong}")


def main():
    self_check()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    (crate_count, complaints), (module_count, more) = crates(rules), modules(rules)
    for complaint in complaints + more:
        print(f"licences: {complaint}", file=sys.stderr)
    if complaints or more:
        sys.exit(1)
    print(f"licences: {crate_count} crates and {module_count} npm packages are allowed")


if __name__ == "__main__":
    main()
