"""LangGraph: an approval interrupts the graph, and whoever resumes the thread goes on with the same action."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

import countersign
from countersign.langgraph import govern, waiting_for
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


def graph_of(tools: list[Any], calls: list[dict[str, Any]], saver: Any) -> Any:
    """An agent whose model asks for these calls at once, then says what it was told."""

    def model(state: MessagesState) -> dict[str, list[AnyMessage]]:
        if isinstance(state["messages"][-1], HumanMessage):
            return {"messages": [AIMessage("", tool_calls=calls)]}
        told = [str(one.content) for one in state["messages"] if isinstance(one, ToolMessage)]
        return {"messages": [AIMessage(" | ".join(told))]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


def call(order: str, number: int = 1) -> dict[str, Any]:
    return {"name": "cancel_order", "args": {"order_id": order}, "id": f"call-{number}", "type": "tool_call"}


def ask() -> Any:
    return {"messages": [HumanMessage("cancel it")]}


def last(result: Any) -> str:
    return str(result["messages"][-1].content)


def test_an_approval_interrupts_and_another_process_finishes(server: FakeServer, tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "ticket-1"}}
    with SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver, server.client() as client:
        result = graph_of(govern([cancel_order], client, connector="crm"), [call("#1", 0), call("#big")], saver).invoke(
            ask(), config
        )
        (waits,) = waiting_for(result)
        assert waits["tool"] == "crm.cancel_order"
        assert "#big" in waits["headline"]
    assert [arguments["order_id"] for _, arguments in server.effects] == ["#1"]
    # Everything of the first process is gone.
    with SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver, server.client() as client:
        graph = graph_of(govern([cancel_order], client, connector="crm"), [], saver)
        assert [one["action"] for one in waiting_for(graph.get_state(config))] == [waits["action"]]
        resumes: list[Any] = [None, Command(resume="too early"), Command(resume="again")]
        for resume in resumes:
            result = graph.invoke(resume, config)
            assert [one["action"] for one in waiting_for(result)] == [waits["action"]], "nobody has answered yet"
        server.approve()
        assert last(graph.invoke(Command(resume=True), config)) == "cancelled #1 | cancelled #big"
    assert [arguments["order_id"] for _, arguments in server.effects] == ["#1", "#big"]
    assert len(server.world.runs) == 1


def test_resuming_without_a_command_works_too(server: FakeServer) -> None:
    config: Any = {"configurable": {"thread_id": "ticket-2"}}
    with server.client() as client:
        graph = graph_of(govern([cancel_order], client, connector="crm"), [call("#big")], InMemorySaver())
        graph.invoke(ask(), config)
        server.reject(reason="keep it")
        result = graph.invoke(None, config)
    assert "with the words “keep it”" in last(result)
    (told,) = [one for one in result["messages"] if isinstance(one, ToolMessage)]
    assert told.status == "error"
    assert server.effects == []


def test_refusals_and_mistakes_are_told_to_the_model(server: FakeServer) -> None:
    with server.client() as client:
        for order, words in (("#huge", "The rules of this workspace forbid this"), ("#1", "cancelled #1")):
            config: Any = {"configurable": {"thread_id": f"ticket-{order}"}}
            graph = graph_of(govern([cancel_order], client, connector="crm"), [call(order)], InMemorySaver())
            assert words in last(graph.invoke(ask(), config))
        graph = graph_of(govern([cancel_order], client, connector="mail"), [call("#1")], InMemorySaver())
        assert "there is no tool `mail.cancel_order`" in last(graph.invoke(ask(), {"configurable": {"thread_id": "x"}}))


def test_a_server_that_is_away_stops_the_graph_and_it_goes_on_later(server: FakeServer) -> None:
    config: Any = {"configurable": {"thread_id": "ticket-3"}}
    saver = InMemorySaver()
    with server.client() as client:
        tools = govern([cancel_order], client, connector="crm")
        # Away before the run begins, and away in the middle of it.
        for number in (1, 2):
            graph = graph_of(tools, [call(f"#{number}", number)], saver)
            with server.down(), pytest.raises(countersign.ServerUnavailable):
                graph.invoke(ask(), config)
            assert last(graph.invoke(None, config)).endswith(f"cancelled #{number}")
    assert len(server.effects) == 2


def test_without_a_checkpointer_the_call_waits(server: FakeServer) -> None:
    server.on_wait(server.approve)
    with server.client() as client:
        graph = graph_of(govern([cancel_order], client, connector="crm"), [call("#big")], None)
        assert last(graph.invoke(ask())) == "cancelled #big"


async def test_on_an_event_loop_with_either_client(server: FakeServer) -> None:
    async with server.async_client() as client:
        clients: list[Any] = [client, server.client()]
        for number, by in enumerate(clients):
            config: Any = {"configurable": {"thread_id": f"async-{number}"}}
            graph = graph_of(govern([cancel_order], by, connector="crm"), [call("#big")], InMemorySaver())
            assert waiting_for(await graph.ainvoke(ask(), config))
            server.approve()
            assert last(await graph.ainvoke(Command(resume=True), config)) == "cancelled #big"
    assert len(server.effects) == 2


def test_a_node_that_calls_a_tool_itself(server: FakeServer) -> None:
    with server.client() as client:
        (governed,) = govern([cancel_order], client, connector="crm")

        def node(state: MessagesState) -> dict[str, list[AnyMessage]]:
            return {"messages": [AIMessage(governed.invoke({"order_id": "#big"}))]}

        graph = StateGraph(MessagesState)
        graph.add_node("node", node)
        graph.add_edge(START, "node")
        compiled = graph.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "ticket-4"}}
        assert waiting_for(compiled.invoke(ask(), config))
        server.approve()
        assert last(compiled.invoke(None, config)) == "cancelled #big"
    assert len(server.effects) == 1


def test_a_langchain_tool_keeps_its_face_in_the_plain_govern_too(server: FakeServer) -> None:
    @tool("cancel_order", description="Cancels an order.")
    def other_name(order_id: str) -> str:
        raise AssertionError

    with server.client() as client, client.run("one") as run:
        governed, left = countersign.govern([other_name, tool(cancel_order)], run, names={"cancel_order": "crm.cancel_order"})
        assert governed.name == "cancel_order"
        assert governed.args == other_name.args
        assert governed.invoke({"order_id": "#1"}) == "cancelled #1"
        message = left.invoke({"name": "cancel_order", "args": {"order_id": "#huge"}, "id": "c", "type": "tool_call"})
        assert message.status == "error"
