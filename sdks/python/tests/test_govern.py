"""Governed tools: called as before, performed by the server."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import countersign
from countersign import govern
from countersign.testing import FakeServer


@pytest.fixture
def server() -> FakeServer:
    server = FakeServer()
    rules = {"#big": "approve", "#huge": "never"}

    @server.tool("crm.cancel_order", rule=lambda arguments: rules.get(arguments["order_id"], "autonomous"))  # type: ignore[arg-type,return-value]
    def cancel(order_id: str, reason: str = "none given") -> str:
        return f"cancelled {order_id}"

    return server


def cancel_order(order_id: str, reason: str | None = None) -> str:
    """Cancels an order."""
    raise AssertionError("a governed tool is not called itself")


async def cancel_order_later(order_id: str) -> str:
    raise AssertionError("a governed tool is not called itself")


def test_a_function_keeps_its_face_and_becomes_an_action(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        (governed,) = govern([cancel_order], run, connector="crm")
        assert inspect.signature(governed) == inspect.signature(cancel_order)
        assert (governed.__name__, governed.__doc__) == ("cancel_order", "Cancels an order.")
        assert governed("#1") == "cancelled #1"
        assert governed(order_id="#2", reason="late") == "cancelled #2"
        with pytest.raises(TypeError):
            governed()
        with server.down(), pytest.raises(countersign.ServerUnavailable):
            governed("#3")
    assert [arguments for _, arguments in server.effects] == [{"order_id": "#1"}, {"order_id": "#2", "reason": "late"}]


def test_what_was_not_done_is_told_in_words_or_raised(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        (told,) = govern([cancel_order], run, connector="crm")
        (raising,) = govern([cancel_order], run, connector="crm", stopped="raise")
        assert "The rules of this workspace forbid this" in told("#huge")
        with pytest.raises(countersign.Refused):
            raising("#huge")
        (unknown,) = govern([cancel_order], run, names={"cancel_order": "crm.nothing"})
        assert "there is no tool `crm.nothing` (tool_unknown)" in unknown("#1")


def test_a_gate_is_waited_for(server: FakeServer) -> None:
    server.on_wait(server.approve)
    with server.client() as client, client.run("one"):
        (governed,) = govern([cancel_order], connector="crm")
        assert governed("#big") == "cancelled #big"


def test_the_same_call_twice_is_two_actions_and_both_once_after_a_crash(server: FakeServer) -> None:
    for _ in range(2):
        with server.client() as client, client.run("one", finish=False) as run:
            (governed,) = govern([cancel_order], run, connector="crm")
            assert [governed("#1"), governed("#1")] == ["cancelled #1"] * 2
    assert len(server.effects) == 2


def test_a_client_alone_has_a_run_of_its_own(server: FakeServer) -> None:
    with server.client() as client:
        (governed,) = govern([cancel_order], client, connector="crm")
        governed("#1")
        governed("#2")
        assert len(list(client.runs())) == 1


def test_names_say_where_a_tool_is_and_none_leaves_it_alone(server: FakeServer) -> None:
    def plain() -> str:
        return "not governed"

    def crm__cancel_order(order_id: str) -> str:
        raise AssertionError

    with server.client() as client, client.run("one") as run:
        left, joined = govern([plain, crm__cancel_order], run, names={"plain": None})
        assert left is plain
        assert joined("#1") == "cancelled #1"
        with pytest.raises(countersign.ConfigError, match="has no connector"):
            govern([cancel_order], run)
        with pytest.raises(countersign.ConfigError, match="is no tool"):
            govern([3], run)
    with pytest.raises(countersign.ConfigError, match="whose actions"):
        govern([cancel_order], connector="crm")[0]("#1")


async def test_coroutines_stay_coroutines(server: FakeServer) -> None:
    names: Any = {"cancel_order_later": "crm.cancel_order"}
    async with server.async_client() as client, client.run("one") as run:
        (governed,) = govern([cancel_order_later], run, names=names)
        assert inspect.iscoroutinefunction(governed)
        assert await governed("#1") == "cancelled #1"
        with pytest.raises(countersign.ConfigError):
            govern([cancel_order], run, connector="crm")[0]("#1")
    with server.client() as plain, plain.run("two") as run_two:
        (governed,) = govern([cancel_order_later], run_two, names=names)
        assert await governed("#2") == "cancelled #2"
