"""A model that needs no network: it follows a script, as a real one would with more words."""

import json
import re

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage


def answer(messages: list[AnyMessage]) -> AIMessage:
    """The next message: look at the order, cancel it if that can be done, say what came of it."""
    last = messages[-1]
    if isinstance(last, HumanMessage):
        found = re.search(r"#W\d+", str(last.content))
        if found is None:
            return AIMessage("Which order is it?")
        return call("get_order_details", len(messages), order_id=found.group())
    if isinstance(last, ToolMessage) and last.name == "get_order_details" and last.status == "success":
        order = json.loads(str(last.content))
        if order["status"] != "pending":
            return AIMessage(f"Order {order['order_id']} is {order['status']}; it cannot be cancelled any more.")
        return call("cancel_pending_order", len(messages), order_id=order["order_id"], reason="no longer needed")
    if isinstance(last, ToolMessage) and last.status == "success":
        order = json.loads(str(last.content))
        return AIMessage(
            f"Order {order['order_id']} is cancelled, and {order['payment_history'][-1]['amount']} USD are refunded."
        )
    return AIMessage(f"That was not possible: {last.content}")


def call(tool: str, number: int, **arguments: str) -> AIMessage:
    """Asks for a tool. Real models give each call an id of its own, too."""
    return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": f"call_{number}", "type": "tool_call"}])
