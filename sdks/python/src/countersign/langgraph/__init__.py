"""Countersign for LangGraph: governed tools that interrupt the graph while a person decides, and a checkpointer.

    tools = govern(tools, Client(), connector="crm")
    graph = builder.compile(checkpointer=CountersignSaver())

The run is that of the graph's thread: whatever process resumes the thread goes on with the same run. Needs
`countersign[langgraph]`.
"""

from .checkpoint import CheckpointConflict, CheckpointFenced, CountersignSaver
from .tools import govern, waiting_for

__all__ = ["CheckpointConflict", "CheckpointFenced", "CountersignSaver", "govern", "waiting_for"]
