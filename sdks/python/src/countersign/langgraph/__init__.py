"""Countersign for LangGraph: governed tools that interrupt the graph while a person decides."""
