#!/usr/bin/env python3
"""`make demo`: the shop, its agent, the server and the console, left running, and a summary of what happened.

Nothing from outside the repository is needed. Everything that it makes lies in .demo/ (or DEMO_HOME); a second run
stops the first and begins anew. `--stop` stops what it started, by the process ids that it kept, and nothing else.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HOME = Path(os.environ.get("DEMO_HOME", ROOT / ".demo")).resolve()
DATA = HOME / "data"
BIN = ROOT / "target" / "debug"
RETAIL = ROOT / "examples" / "retail"
SERVER_PORT = int(os.environ.get("DEMO_PORT", "7400"))
CRM_PORT = int(os.environ.get("DEMO_CRM_PORT", "7411"))
AGENT, OWNER, REVIEWER = "shop-agent", "mara", "jonas"
POLLS_MAX = 600


def fail(message, hint=""):
    print(f"demo: {message}", file=sys.stderr)
    if hint:
        print(f"      {hint}", file=sys.stderr)
    sys.exit(1)


def step(text):
    print(f"== {text}", flush=True)


def is_ours(pid, name):
    """Whether the process is still the one that an earlier demo started."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return command[0] == str(BIN / name).encode()


def stop():
    """Stops what an earlier demo left running."""
    pids = HOME / "pids.json"
    if not pids.exists():
        return 0
    stopped = 0
    for name, pid in json.loads(pids.read_text()).items():
        if not is_ours(pid, name):
            continue
        os.kill(pid, signal.SIGTERM)
        for _ in range(POLLS_MAX):
            if not is_ours(pid, name):
                break
            time.sleep(0.05)
        else:
            os.kill(pid, signal.SIGKILL)
        stopped += 1
    pids.unlink()
    return stopped


def need_port(port, variable):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            fail(f"port {port} is taken by another program", f"stop it, or choose another one: {variable}=… make demo")


def build():
    step("building (debug profile: quicker to build, slower to run)")
    command = ["cargo", "build", "--quiet", "--locked", "-p", "countersign", "-p", "retail-crm", "-p", "retail-agent"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        fail("the build failed", "the compiler says why above")


def start(name, arguments, environment, pids):
    log = open(HOME / f"{name}.log", "ab")
    process = subprocess.Popen(
        [str(BIN / name), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    pids[name] = process.pid
    (HOME / "pids.json").write_text(json.dumps(pids))
    return process


def wait_for(url, process, name, token=None):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(POLLS_MAX):
        if process.poll() is not None:
            fail(f"{name} ended at once", (HOME / f"{name}.log").read_text(errors="replace")[-2000:])
        try:
            with opener.open(request, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    fail(f"{name} did not get ready", f"look into {HOME / name}.log")


def countersign(*arguments, **options):
    """Runs a command of the CLI and returns its JSON."""
    command = [str(BIN / "countersign"), "--data", str(DATA), "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    if done.returncode != 0:
        fail(f"`countersign {' '.join(arguments)}` failed", done.stderr.strip() or done.stdout.strip())
    return json.loads(done.stdout)


def workspace():
    """The example's folder; a copy of it where another port was chosen for the CRM."""
    folder = RETAIL / "workspace"
    if CRM_PORT == 7411:
        return folder
    copy = HOME / "workspace"
    shutil.copytree(folder, copy)
    connector = copy / "connectors" / "crm.toml"
    connector.write_text(connector.read_text().replace(":7411", f":{CRM_PORT}"))
    return copy


def verified():
    """Verifies a copy: the server goes on writing to the journal itself."""
    for _ in range(POLLS_MAX):
        status = countersign("status")
        if status["checkpoint_size"] >= status["entries"]:
            break
        time.sleep(0.05)
    copy = HOME / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    # The checkpoint first: a journal may be longer than its checkpoint, never shorter.
    for name in ("checkpoints", "journal"):
        if (DATA / name).is_dir():
            shutil.copytree(DATA / name, copy / name)
    result = countersign("verify", str(copy))
    shutil.rmtree(copy)
    return result


def effects(token):
    """What the CRM itself says that it did."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{CRM_PORT}/ledger", headers={"authorization": f"Bearer {token}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        text = answer.read().decode()
    lines = json.loads(text) if text.lstrip().startswith("[") else [json.loads(l) for l in text.splitlines() if l]
    return sum(1 for line in lines if line.get("kind", "applied") == "applied")


def counts(values):
    return ", ".join(f"{n} {name}" for name, n in sorted(values.items())) or "none"


def demo():
    if stop():
        step("stopped the demo that was running")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(mode=0o700)
    need_port(CRM_PORT, "DEMO_CRM_PORT")
    need_port(SERVER_PORT, "DEMO_PORT")
    build()

    step("starting the shop's CRM and the server")
    pids, token = {}, secrets.token_hex(16)
    environment = {"CRM_TOKEN": token}
    crm = start(
        "retail-crm",
        ["--data", str(RETAIL / "data"), "--ledger", str(HOME / "ledger.jsonl"), "--listen", f"127.0.0.1:{CRM_PORT}",
         "--token-env", "CRM_TOKEN", "--fault-503", "1"],
        environment,
        pids,
    )
    wait_for(f"http://127.0.0.1:{CRM_PORT}/healthz", crm, "retail-crm", token)
    url = f"http://127.0.0.1:{SERVER_PORT}"
    server = start(
        "countersign",
        ["serve", "--workspace", "retail", "--listen", f"127.0.0.1:{SERVER_PORT}", "--data", str(DATA),
         "--root-key", str(HOME / "root.key")],
        environment,
        pids,
    )
    wait_for(f"{url}/readyz", server, "countersign")

    step("applying examples/retail/workspace")
    plan = countersign("apply", str(workspace()), "--yes")
    print(f"   {len(plan['changes'])} changes, in force")
    countersign("keys", "create", "--agent", AGENT, "--out", str(HOME / "agent.key"))

    step("playing recorded conversations")
    played = subprocess.run(
        [str(BIN / "retail-agent"), str(RETAIL / "recordings"), "--server", url, "--key-file",
         str(HOME / "agent.key"), "--name", "demo"],
        cwd=ROOT,
    )
    if played.returncode != 0:
        fail("the agent could not finish", f"look into {HOME}/countersign.log")

    status = countersign("status")
    actions = countersign("actions", "--limit", "10000")
    verdicts = {}
    for action in actions:
        verdict = action["verdict"] or "none yet"
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    proof = verified()
    print()
    print(f"actions by verdict    {counts(verdicts)}")
    print(f"actions by outcome    {counts(status['actions'])}")
    print(f"approvals waiting     {status['waiting']}")
    print(f"effects in the CRM    {effects(token)} (by its own ledger)")
    print(f"journal               {proof['entries']} entries, verified")
    for line in status["attention"]:
        print(f"look at               {line}")
    print()
    print(f"console               {url}")
    for person, role in ((REVIEWER, "reviewer: may approve"), (OWNER, "owner of the agent: may look, not approve")):
        link = countersign("keys", "login", person)
        print(f"  log in as {person:<9} {link['url']}")
        print(f"            {'':<9} ({role}; works once, for 10 minutes)")
    print()
    shown = DATA.relative_to(ROOT) if DATA.is_relative_to(ROOT) else DATA
    print(f"again a link          target/debug/countersign --data {shown} keys login {REVIEWER}")
    print("look around           docs/guide/tour.md")
    print("left running          stop it with `make demo-stop`")


if __name__ == "__main__":
    if "--stop" in sys.argv[1:]:
        print("demo: stopped" if stop() else "demo: nothing was running")
    else:
        demo()
