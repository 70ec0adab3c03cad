"""examples/langgraph-agent on the built server: it waits, its process ends, a person answers, another process finishes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop import ROOT, Shop

AGENT = ROOT / "examples" / "langgraph-agent" / "agent.py"


class Example:
    """Starts the example's process."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder

    def __call__(self, *arguments: str) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")},
            "COUNTERSIGN_URL": self.shop.url,
            "COUNTERSIGN_KEY": self.shop.agent_key,
            "CRM_URL": f"http://127.0.0.1:{self.shop.crm_port}/mcp",
            "CRM_TOKEN": self.shop.token,
            "LANGSMITH_TRACING": "false",
        }
        command = [sys.executable, str(AGENT), "--state", str(self.folder / "agent.db"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.stop()


def test_it_waits_ends_and_is_finished_by_another_process(shop: Shop, tmp_path: Path) -> None:
    agent = Example(shop, tmp_path)
    waiting = agent("ticket-16", "Please cancel order #W1000016, I do not need it any more.")
    assert "waiting for a person: Cancel order #W1000016: refund 763.60 USD" in waiting
    assert "waiting for a person" in agent("ticket-16"), "nobody answered yet"
    assert shop.effects("#W1000016") == []
    (approval,) = shop.cli("approvals", "list")
    digest = shop.cli("approvals", "show", approval["id"])["digest"]
    shop.cli("--key", shop.person_key, "approvals", "approve", approval["id"], "--seen", digest)
    assert agent("ticket-16") == "Order #W1000016 is cancelled, and 763.6 USD are refunded.\n"
    assert len(shop.effects("#W1000016")) == 1
    # The agent as it was before asks nobody.
    assert "is cancelled" in agent("--ungoverned", "ticket-10", "Please cancel #W1000010")
    assert len(shop.effects("#W1000010")) == 1
