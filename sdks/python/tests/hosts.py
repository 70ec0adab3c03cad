"""The two servers that the same tests run on: the built binary with the shop behind it, and the fake with the same tools."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from countersign import AsyncClient, Client, Results, Retry
from countersign.testing import FakeServer, ToolError
from countersign.testing.world import Rule
from shop import RETAIL, Shop


class Host(Protocol):
    """A server for tests."""

    name: str

    def client(self, *, retry: Retry | None = None, results: Results | None = None) -> Client: ...

    def async_client(self) -> AsyncClient: ...

    def person(self) -> Client: ...

    def stranger(self) -> Client: ...

    def effects(self, order: str) -> int: ...

    def outage(self) -> contextlib.AbstractContextManager[None]: ...


class Real:
    """The built binary."""

    name = "real"

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def client(self, *, retry: Retry | None = None, results: Results | None = None) -> Client:
        return Client(self.shop.url, self.shop.agent_key, retry=retry, results=results)

    def async_client(self) -> AsyncClient:
        return AsyncClient(self.shop.url, self.shop.agent_key)

    def person(self) -> Client:
        return Client(self.shop.url, self.shop.person_key)

    def stranger(self) -> Client:
        return Client(self.shop.url, "csk_nobody")

    def effects(self, order: str) -> int:
        return len(self.shop.effects(order))

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        self.shop.kill()
        try:
            yield
        finally:
            self.shop.start()


class Fake:
    """The server in memory, with the shop's tools as far as the tests go."""

    name = "fake"

    def __init__(self) -> None:
        self.server = FakeServer(agent="shop-agent")
        self.orders: dict[str, dict[str, Any]] = json.loads((RETAIL / "data" / "orders.json").read_text())
        server = self.server

        def refund(arguments: Mapping[str, Any]) -> Rule:
            amount = sum(one["amount"] for one in self.orders[arguments["order_id"]]["payment_history"])
            return "never" if amount > 5000 else "approve" if amount > 500 else "autonomous"

        @server.tool("crm.get_order_details", cls="read")
        def get_order_details(order_id: str) -> dict[str, Any]:
            if order_id not in self.orders:
                raise ToolError("Error: order not found")
            return self.orders[order_id]

        @server.tool("crm.cancel_pending_order", rule=refund)
        def cancel_pending_order(order_id: str, reason: str) -> dict[str, Any]:
            order = self.orders[order_id]
            if order["status"] != "pending":
                raise ToolError("Error: Non-pending order cannot be cancelled")
            order.update(status="cancelled", cancel_reason=reason)
            return order

        @server.tool("crm.modify_pending_order_payment", rule="never")
        def modify_pending_order_payment(order_id: str, payment_method_id: str) -> dict[str, Any]:
            raise AssertionError("never performed")

    def client(self, *, retry: Retry | None = None, results: Results | None = None) -> Client:
        return self.server.client(retry=retry, results=results)

    def async_client(self) -> AsyncClient:
        return self.server.async_client()

    def person(self) -> Client:
        return self.server.person("jonas")

    def stranger(self) -> Client:
        return self.server.client(key="csk_nobody")

    def effects(self, order: str) -> int:
        return sum(arguments.get("order_id") == order for _, arguments in self.server.effects)

    def outage(self) -> contextlib.AbstractContextManager[None]:
        return self.server.down()
