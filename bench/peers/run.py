#!/usr/bin/env python3
"""Durable steps beside those of other engines, in one run on one machine.

    bench/peers/run.py [--seconds 5] [--rounds 3] [--concurrency 1,16,64] [--only NAME,…] [--json FILE]

A workflow is five trivial durable steps; everybody flushes at every one. Each round starts each peer's server anew on
an empty directory, measures it at each concurrency after a second of warming up, and stops it; before and after each
measurement the disk is asked how long an append of 4 KiB with its flush takes. Loopback only, and nothing that this
program did not start is stopped. What the peers need is installed under .tools/peers, at pinned versions.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = ROOT / ".tools" / "peers"
VENVS = {
    "dbos": ["dbos==3.4.0", "psycopg[binary]"],
    "langgraph": ["langgraph==1.2.22", "langgraph-checkpoint-postgres==3.2.0", "langgraph-checkpoint-sqlite==3.1.2",
                  "psycopg[binary]", "psycopg-pool"],
    "restate": ["restate-sdk==1.3.0", "hypercorn==0.18.0", "httpx"],
}
RESTATE_SERVER = "@restatedev/restate-server@1.7.12"
PG = "/usr/lib/postgresql/15/bin"
HZ = os.sysconf("SC_CLK_TCK")


def sh(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def venv(name):
    place = TOOLS / name
    if not (place / "ready").exists():
        print(f"peers: installing {name}", file=sys.stderr)
        sh(sys.executable, "-m", "venv", place)
        sh(place / "bin/pip", "install", "-q", "--disable-pip-version-check", *VENVS[name])
        (place / "ready").touch()
    return place / "bin/python"


def restate_server():
    place = TOOLS / "restate-server"
    binary = place / "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"
    if not binary.exists():
        print("peers: installing Restate's server", file=sys.stderr)
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text('{"private": true}')
        sh("npm", "install", "--no-audit", "--no-fund", "--silent", RESTATE_SERVER, cwd=place)
    return binary


def rust_peers():
    target = TOOLS / "rust"
    sh("cargo", "build", "--quiet", "--release", "--manifest-path", HERE / "rust/Cargo.toml", "--target-dir", target)
    return target / "release/peers"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(address, what, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        time.sleep(0.05)
    sys.exit(f"peers: {what} did not come up within {patience} s")


def cpu_of(pids):
    """Processor time of processes and all their children, in seconds."""
    total, todo, seen = 0, list(pids), set()
    while todo:
        pid = todo.pop()
        if pid in seen:
            continue
        seen.add(pid)
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / HZ


def probe(directory, count=200):
    """Median time of an append of 4 KiB with fdatasync, growing file, in microseconds."""
    path = pathlib.Path(directory) / "probe"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    block, times = b"x" * 4096, []
    for _ in range(count):
        begin = time.perf_counter()
        os.write(fd, block)
        os.fdatasync(fd)
        times.append(time.perf_counter() - begin)
    os.close(fd)
    path.unlink()
    return round(statistics.median(times) * 1e6)


class Servers:
    """Processes that a peer needs, ended in the opposite order."""

    def __init__(self):
        self.running = []

    def start(self, command, log, **options):
        out = open(log, "ab")
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, start_new_session=True,
                                   **options)
        out.close()
        self.running.append(process)
        return process

    def stop(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.running.clear()


def postgres(servers, work):
    """PostgreSQL as Debian ships it: fsync and synchronous_commit are on."""
    port, place = free_port(), work / "pg"
    place.mkdir()
    shutil.chown(place, "postgres")
    for above in [work, *work.parents]:
        if above == pathlib.Path("/tmp"):
            break
        above.chmod(0o755)
    sh("runuser", "-u", "postgres", "--", f"{PG}/initdb", "-A", "trust", "-D", place / "data", stdout=subprocess.DEVNULL)
    command = ["runuser", "-u", "postgres", "--", f"{PG}/postgres", "-D", place / "data", "-p", port, "-k", place,
               "-c", "listen_addresses=127.0.0.1", "-c", "wal_sync_method=fdatasync", "-c", "max_connections=200"]
    process = servers.start(command, work / "postgres.log")
    wait_for(("127.0.0.1", port), "PostgreSQL")
    sh(f"{PG}/createdb", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "bench")
    return process, f"postgresql://postgres@127.0.0.1:{port}/bench"


def restate(servers, work, service):
    ingress, admin, node, calls = (free_port() for _ in range(4))
    servers.start([*service, calls], work / "service.log")
    environment = dict(
        os.environ, RESTATE_BASE_DIR=str(work / "restate"), RESTATE_DISABLE_TELEMETRY="true", RESTATE_LISTEN_MODE="tcp",
        RESTATE_INGRESS__BIND_PORT=str(ingress), RESTATE_ADMIN__BIND_PORT=str(admin), RESTATE_BIND_PORT=str(node),
        RESTATE_BIND_IP="127.0.0.1", RESTATE_LOG_FILTER="error", DO_NOT_TRACK="1")
    process = servers.start([restate_server(), "--no-logo"], work / "restate.log", env=environment, cwd=work)
    wait_for(("127.0.0.1", calls), "the service")
    wait_for(("127.0.0.1", admin), "Restate's admin")
    body = json.dumps({"uri": f"http://127.0.0.1:{calls}"}).encode()
    for attempt in range(60):
        request = urllib.request.Request(f"http://127.0.0.1:{admin}/deployments", body, {"content-type": "application/json"})
        try:
            urllib.request.urlopen(request, timeout=10).read()
            break
        except OSError:
            if attempt == 59:
                raise
            time.sleep(0.5)
    wait_for(("127.0.0.1", ingress), "Restate's ingress")
    return process, f"http://127.0.0.1:{ingress}"


def peer_dbos(servers, work):
    server, url = postgres(servers, work)
    return [server], [venv("dbos"), HERE / "dbos_peer.py", url]


def peer_langgraph_postgres(servers, work):
    server, url = postgres(servers, work)
    return [server], [venv("langgraph"), HERE / "langgraph_peer.py", "postgres", url]


def peer_langgraph_sqlite(servers, work):
    return [], [venv("langgraph"), HERE / "langgraph_peer.py", "sqlite", work / "checkpoints.db"]


def peer_restate_python(servers, work):
    python = venv("restate")
    server, ingress = restate(servers, work, [python, HERE / "restate_service.py"])
    return [server], [python, HERE / "restate_peer.py", "restate-python", ingress]


def peer_restate_rust(servers, work):
    peers = rust_peers()
    server, ingress = restate(servers, work, [peers, "restate-service"])
    return [server], [peers, "restate-client", ingress]


PEERS = {
    "restate-rust": peer_restate_rust,
    "restate-python": peer_restate_python,
    "dbos": peer_dbos,
    "langgraph-postgres": peer_langgraph_postgres,
    "langgraph-sqlite": peer_langgraph_sqlite,
}


def measure(name, concurrency, seconds, work):
    servers = Servers()
    try:
        processes, client = PEERS[name](servers, work)
        before = probe(work)
        pids = [process.pid for process in processes]
        cpu = cpu_of(pids)
        done = subprocess.run([*map(str, client), str(concurrency), str(seconds)], check=True, cwd=HERE,
                              stdout=subprocess.PIPE, stderr=open(work / "client.log", "ab"), text=True, timeout=seconds + 120)
        used = cpu_of(pids) - cpu
        row = json.loads(done.stdout.splitlines()[-1])
        # Over the warming up too, so it is a little too high for everybody.
        steps = max(row["steps_per_s"] * (seconds + 1), 1)
        row |= {"server_cpu_us_per_step": round(used / steps * 1e6) if pids else None,
                "flush_us": [before, probe(work)]}
        return row
    finally:
        servers.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", default="1,16,64")
    parser.add_argument("--only", help="names of peers, with commas: " + ", ".join(PEERS))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(PEERS)
    levels = [int(level) for level in args.concurrency.split(",")]
    rows = []
    for turn in range(args.rounds):
        for name in names:
            for level in levels:
                with tempfile.TemporaryDirectory(prefix="peers-") as work:
                    row = measure(name, level, args.seconds, pathlib.Path(work))
                rows.append(row | {"round": turn})
                print(json.dumps(rows[-1]), file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    print("| peer | in flight | steps/s, median (range) | workflow p50 / p99 ms | server CPU µs a step | flush µs |")
    print("|---|---|---|---|---|---|")
    for name in names:
        for level in levels:
            mine = [row for row in rows if row["peer"] == name and row["concurrency"] == level]
            rates = sorted(row["steps_per_s"] for row in mine)
            middle = lambda key: statistics.median(row[key] for row in mine)
            cpu = [row["server_cpu_us_per_step"] for row in mine if row["server_cpu_us_per_step"] is not None]
            flush = statistics.median(value for row in mine for value in row["flush_us"])
            print(f"| {name} | {level} | {statistics.median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f}) "
                  f"| {middle('workflow_p50_us') / 1000:.1f} / {middle('workflow_p99_us') / 1000:.1f} "
                  f"| {statistics.median(cpu) if cpu else 'in the client'} | {flush:.0f} |")


if __name__ == "__main__":
    main()
