"""A server and the shop's CRM as child processes on a temporary directory: the built binary, the example's rules."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("COUNTERSIGN_BIN_DIR", ROOT / "target" / "debug"))
RETAIL = ROOT / "examples" / "retail"
READY_SECONDS_MAX = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Shop:
    """Processes that end with `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        self.port, self.crm_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ledger = folder / "ledger.jsonl"
        self._server: subprocess.Popen[bytes] | None = None
        crm = ["--data", str(RETAIL / "data"), "--ledger", str(self.ledger)]
        crm += ["--listen", f"127.0.0.1:{self.crm_port}", "--token-env", "CRM_TOKEN"]
        self._crm = self._spawn("retail-crm", crm)
        self.start()
        workspace = folder / "workspace"
        shutil.copytree(RETAIL / "workspace", workspace)
        connector = workspace / "connectors" / "crm.toml"
        connector.write_text(connector.read_text().replace(":7411", f":{self.crm_port}"))
        self.cli("apply", str(workspace), "--yes")
        self.agent_key = self.key("--agent", "shop-agent")
        self.person_key = self.key("--person", "jonas")

    def _spawn(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [str(BIN / name), *arguments],
                env={**environment, "CRM_TOKEN": self.token, "COUNTERSIGN_LOG": "warn"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Starts the server on the port that it had."""
        data, root = str(self.folder / "data"), str(self.folder / "root.key")
        listen = f"127.0.0.1:{self.port}"
        self._server = self._spawn(
            "countersign", ["serve", "--workspace", "retail", "--listen", listen, "--data", data, "--root-key", root]
        )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            assert self._server.poll() is None, (self.folder / "countersign.log").read_text()
            done = subprocess.run(self._command("status"), capture_output=True, env=self._quiet())
            if done.returncode == 0:
                return
            time.sleep(0.02)
        raise AssertionError("the server did not get ready: " + (self.folder / "countersign.log").read_text())

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        assert self._server is not None
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()

    def stop(self) -> None:
        """Ends everything."""
        for process in (self._server, self._crm):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def _quiet(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}

    def _command(self, *arguments: str) -> list[str]:
        return [str(BIN / "countersign"), "--data", str(self.folder / "data"), "--json", *arguments]

    def cli(self, *arguments: str) -> Any:
        """Runs a command that must succeed and returns its JSON."""
        done = subprocess.run(self._command(*arguments), capture_output=True, text=True, env=self._quiet())
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def key(self, flag: str, name: str) -> str:
        secret: str = self.cli("keys", "create", flag, name)["secret"]
        return secret

    def effects(self, order: str | None = None) -> list[dict[str, Any]]:
        """What the CRM itself says that it did."""
        if not self.ledger.exists():
            return []
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        done = [line for line in lines if line.get("kind", "applied") == "applied"]
        return [line for line in done if order is None or order in json.dumps(line)]
