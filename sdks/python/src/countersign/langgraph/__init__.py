"""Countersign for LangGraph: governed tools that interrupt the graph while a person decides, and a checkpointer."""

from .checkpoint import CheckpointConflict, CheckpointFenced, CountersignSaver

__all__ = ["CheckpointConflict", "CheckpointFenced", "CountersignSaver"]
