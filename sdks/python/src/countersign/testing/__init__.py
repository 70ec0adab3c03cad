"""Test agents without a server: `FakeServer` speaks the same wire in memory, and its clock travels.

    server = FakeServer()

    @server.tool("crm.cancel_order", rule="approve")
    def cancel_order(order_id: str) -> str: ...

    with server.client() as client, client.run("refund-1") as run:
        server.on_wait(lambda: server.approve())
        run.action("crm.cancel_order", order_id="#1")
    assert server.effects == [("crm.cancel_order", {"order_id": "#1"})]

Its behaviour is that of the real server as far as it goes: the SDK's own tests run on both. It has no rules language (a rule is a
word or a function), no roles, no proofs.
"""

from .clock import Clock
from .server import FakeServer
from .world import Stuck, ToolError, ToolLost

__all__ = ["Clock", "FakeServer", "Stuck", "ToolError", "ToolLost"]
