#!/usr/bin/env python3
"""Checks a file of evidence by docs/format.md, "Evidence", alone: steps 2 to 5, and what of step 7 needs no rules.

    tools/verify-evidence.py FILE

None of our code is used, and nothing but Python's own library: so the log's signature (step 1) and Cedar's verdict
(step 6) are left to others. Prints what was proved; the first thing that does not hold ends it with 1.
"""

import base64
import hashlib
import json
import struct
import sys

BYTES_MAX = 64 << 20


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def digest(domain, *parts):
    """`H` of the page: everything behind its length."""
    return sha(*(struct.pack(">Q", len(p)) + p for p in (domain.encode(), *parts))).hex()


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def must(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def root_of(leaf, index, size, path):
    """RFC 9162, 2.1.3.2."""
    must(index < size, "the entry is not among those of the checkpoint")
    last, node = size - 1, leaf
    for sibling in path:
        must(last > 0, "the proof is too long")
        if index & 1 or index == last:
            node = sha(b"\x01", sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    must(last == 0, "the proof is too short")
    return node


def read_entry(pack, packed):
    head, note = packed["proof"].split("\n\n", 1)
    must(note == pack["checkpoint"], "a proof is against another checkpoint")
    lines = head.split("\n")
    must(lines[0] == "c2sp.org/tlog-proof@v1", "a proof is none")
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    must(lines[0].startswith("index "), "a proof has no index")
    index, path = int(lines[0][6:]), [base64.b64decode(line, validate=True) for line in lines[1:]]
    origin, size, root = pack["checkpoint"].split("\n")[:3]
    leaf = sha(b"\x00", packed["entry"].encode())
    must(root_of(leaf, index, int(size), path) == base64.b64decode(root), f"entry {index} is not in the log")
    entry = json.loads(packed["entry"])
    must(entry["log"] == origin == pack["log"] and entry["seq"] == index, f"entry {index} says it stands elsewhere")
    body = entry["body"]
    about = body.get("action") or body["purpose"]["action"]
    must(about == pack["action"], f"entry {index} is about another action")
    return entry


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read(BYTES_MAX + 1)
    must(len(data) <= BYTES_MAX, "the file is too large")
    pack = json.loads(data)
    must(pack["format"] == "countersign/evidence/v1", "another format")

    entries = [read_entry(pack, packed) for packed in pack["entries"]]
    seqs = [entry["seq"] for entry in entries]
    must(seqs == sorted(set(seqs)), "entries are out of order")
    print(f"proved: {len(entries)} entries are in the log `{pack['log']}` that the checkpoint signs for")

    named = {c for entry in entries for c in entry.get("commits", {}).values()}
    must(named == set(pack["payloads"]), "payloads and commitments are not the same")
    plain = {}
    for commitment, payload in pack["payloads"].items():
        if payload["state"] != "revealed":
            continue
        salt = bytes.fromhex(payload["salt"])
        content = payload["text"].encode() if "text" in payload else base64.b64decode(payload["base64"])
        made = sha(b"countersign/payload/v1\0", salt, content).hex()
        must(len(salt) == 32 and made == commitment, f"the payload {commitment[:12]} does not give its commitment")
        plain[commitment] = content
    print(f"proved: {len(plain)} of {len(named)} payloads give their commitments")

    kinds = [entry["kind"] for entry in entries]
    must(kinds.count("action.proposed") == 1 and kinds[0] == "action.proposed", "there is not one proposal, first")
    body, commits = entries[0]["body"], entries[0]["commits"]
    ids = [body["run"].encode(), body["tool"].encode()]
    hashes = [bytes.fromhex(body["manifest"]), bytes.fromhex(commits["arguments"])]
    must(digest("countersign/action/v1", *ids, *hashes) == body["digest"], "the proposal does not have its digest")
    print(f"proved: the proposal is of `{body['tool']}`, with these arguments")

    rounds, shown = 0, None
    for entry in entries:
        it, commits = entry["body"], entry.get("commits", {})
        if entry["kind"] == "action.decided":
            rounds += 1
            must(it["round"] == rounds, "a decision is missing")
            bundle = pack["bundles"][it["bundle"]]
            if bundle["state"] == "whole":
                made = digest("countersign/bundle/v1", canonical(bundle["files"]), bundle["floor"].encode())
                must(made == it["bundle"], "a bundle does not have its address")
            request = plain.get(commits["request"])
            request = json.loads(request)["request"] if request else {}
            for fact in it["facts"]:
                known = plain.get(commits[f"fact.{fact['name']}"])
                known = json.loads(known) if known else fact
                same = all(known[part] == fact[part] for part in ("name", "source", "version", "read_at"))
                must(same, f"the fact {fact['name']} is from elsewhere than its entry says")
                if "value" in known and "context" in request:
                    used = request["context"]["facts"][fact["name"]]
                    must(used == known["value"], f"decided on another {fact['name']} than was recorded")
            print(f"proved: decision {rounds} is `{it['verdict']}`, by the bundle {it['bundle'][:12]}")
        elif entry["kind"] == "approval.requested":
            shown, binds = commits["shown"], it["binds"]
            must(binds["action"] == body["digest"] and binds["manifest"] == body["manifest"], "it binds another proposal")
            must(binds["shown"] == shown, "it binds another page")
            made = digest("countersign/obligations/v1", canonical(it["obligations"]))
            must(binds["obligations"] == made, "it binds other obligations")
        elif entry["kind"] == "approval.given":
            must(it["seen"] == shown, f"{it['by']} saw another page")
            print(f"proved: `{it['by']}` countersigned the page that was asked about")
    print("not looked at here: the log's signature, and whether the rules give these verdicts")


if __name__ == "__main__":
    main()
