"""Countersign for LangGraph: governed tools that interrupt the graph while a person decides.

    tools = govern(tools, Client(), connector="crm")

The run is that of the graph's thread: whatever process resumes the thread goes on with the same run. Needs
`countersign[langgraph]`.
"""

from .tools import govern, waiting_for

__all__ = ["govern", "waiting_for"]
