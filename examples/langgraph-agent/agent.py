#!/usr/bin/env python3
"""A LangGraph agent that cancels orders, attached to Countersign in two lines.

    agent.py TICKET "what the customer wrote"      begins the ticket
    agent.py TICKET                                goes on with it, in whatever process

When a person must decide first, the process says so and ends. `--ungoverned` is the agent as it was before.
"""

import argparse
from typing import Any

import model
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from tools import cancel_pending_order, get_order_details

from countersign import Client
from countersign.langgraph import govern, waiting_for


def build(tools: list[Any], saver: SqliteSaver) -> Any:
    """The usual loop: the model, the tools that it asks for, the model again."""

    def think(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [model.answer(state["messages"])]}

    def more(state: MessagesState) -> str:
        return "tools" if getattr(state["messages"][-1], "tool_calls", None) else END

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", more)
    graph.add_edge("tools", "think")
    return graph.compile(checkpointer=saver)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cancels orders.")
    parser.add_argument("ticket")
    parser.add_argument("text", nargs="?")
    parser.add_argument("--state", default="agent.db", help="where LangGraph keeps its threads")
    parser.add_argument("--ungoverned", action="store_true")
    asked = parser.parse_args()

    tools: list[Any] = [get_order_details, cancel_pending_order]
    if not asked.ungoverned:
        client = Client()  # the two lines: COUNTERSIGN_URL and COUNTERSIGN_KEY_FILE say where and as whom
        tools = govern(tools, client, connector="crm")

    with SqliteSaver.from_conn_string(asked.state) as saver:
        graph = build(tools, saver)
        thread: Any = {"configurable": {"thread_id": asked.ticket}}
        begin: Any = None if asked.text is None else {"messages": [HumanMessage(asked.text)]}
        result = graph.invoke(begin, thread)
        for one in waiting_for(result):
            print(f"waiting for a person: {one['headline']}")
            print(f"  approval {one['approval']}")
            print(f"  go on with: agent.py {asked.ticket}")
        if not waiting_for(result):
            print(result["messages"][-1].content)


if __name__ == "__main__":
    main()
