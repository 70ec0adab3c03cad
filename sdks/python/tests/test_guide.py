"""The examples of docs/guide/sdk-python.md run as they stand there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import countersign
from countersign.testing import FakeServer

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "sdk-python.md"
BLOCKS = re.findall(r"## ([^\n]+)\n[^#]*?```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_the_guide_has_examples() -> None:
    assert [heading for heading, _ in BLOCKS] == [
        "Two lines around existing tools",
        "Runs by memo",
        "Waits",
        "Workers",
        "Testing agents",
    ]


@pytest.mark.parametrize(("heading", "text"), BLOCKS)
def test_an_example_runs(heading: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server, served = FakeServer(), list[Any]()
    server.tool("crm.cancel_pending_order")(lambda order_id, reason: f"cancelled {order_id}")

    class Served(countersign.Worker):
        def run(self) -> None:
            served.append(self)

    monkeypatch.setenv("COUNTERSIGN_URL", "http://fake.invalid")
    monkeypatch.setenv("COUNTERSIGN_KEY", "csk_agent")
    with server.client() as client, contextlib.ExitStack() as open_runs:
        names: dict[str, Any] = {
            **{name: getattr(countersign, name) for name in countersign.__all__},
            "Any": Any,
            "FakeServer": FakeServer,
            "Worker": Served,
            "timedelta": timedelta,
            "client": client,
            "ask_model": said("a plan"),
            "load_order": said({"order_id": "#W1000001"}),
            "get_order": get_order,
            "cancel_order": get_order,
        }
        if heading == "Waits":
            names["run"] = open_runs.enter_context(client.run("guide"))
            client.signal(names["run"].id, "paid", 1, key="k")
        exec(compile(text, f"{GUIDE.name}: {heading}", "exec"), names)
    if heading == "Workers":
        assert served[0].tasks == {"refund": names["refund"]}
    if heading == "Runs by memo":
        assert server.effects == [("crm.cancel_pending_order", {"order_id": "#W1000001", "reason": "no longer needed"})]


def get_order(order_id: str) -> str:
    """Looks at an order."""
    return order_id


def said(value: Any) -> Callable[..., Any]:
    return lambda *_: value
