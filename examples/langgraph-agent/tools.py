"""The tools that the agent had before: they call the shop's CRM directly, with its credential, and ask nobody."""

import os

import httpx


def get_order_details(order_id: str) -> str:
    """Looks at an order. `order_id` has its leading `#`."""
    return crm("get_order_details", {"order_id": order_id})


def cancel_pending_order(order_id: str, reason: str) -> str:
    """Cancels an order that is pending and refunds it. `reason`: `no longer needed` or `ordered by mistake`."""
    return crm("cancel_pending_order", {"order_id": order_id, "reason": reason})


def crm(tool: str, arguments: dict[str, str]) -> str:
    """One call of the CRM, over MCP."""
    url = os.environ.get("CRM_URL", "http://127.0.0.1:7411/mcp")
    headers = {"authorization": f"Bearer {os.environ['CRM_TOKEN']}", "accept": "application/json, text/event-stream"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = httpx.post(url, json=call, headers=headers, timeout=10, trust_env=False).raise_for_status().json()
    return "".join(block.get("text", "") for block in answer["result"]["content"])
