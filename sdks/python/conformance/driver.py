"""A process that saves checkpoints into a thread and says what was acknowledged, line by line.

    driver.py URL THREAD NAME COUNT MODE        with the key in COUNTERSIGN_KEY

Modes: `own` (a chain of its own namespace), `shared` (the same ids and content as every other such process), `chain` (one
chain for all, fenced: reads the newest and goes on from it), `late` (fenced: reads, waits for a line, saves).
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint

from countersign import Retry
from countersign.langgraph import CheckpointFenced, CountersignSaver


def checkpoint(name: str, value: Any) -> Checkpoint:
    """A checkpoint of one channel."""
    return Checkpoint(
        v=1,
        id=name,
        ts="2026-01-01T00:00:00+00:00",
        channel_values={"log": value},
        channel_versions={"log": name},
        versions_seen={},
        updated_channels=None,
    )


def main() -> None:
    url, thread, name, count, mode = sys.argv[1:]
    fenced = mode in ("chain", "late")
    saver = CountersignSaver(url, fenced=fenced, retry=Retry(outage_seconds=60, attempts=50))
    namespace = name if mode == "own" else ""
    parent: str | None = None
    saved = 0
    while saved < int(count):
        if fenced:
            found = saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": namespace}})
            parent = found.checkpoint["id"] if found else None
        own = f"{saved:05d}" if mode in ("own", "shared") else f"{uuid.uuid4()}"
        value = f"content of {own}" * 50
        config: RunnableConfig = {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": parent}}
        if mode == "late":
            print("read", flush=True)
            sys.stdin.readline()
        try:
            stored = saver.put(config, checkpoint(own, value), {"source": "loop", "step": saved}, {"log": own})
            saver.put_writes(stored, [("log", f"written at {own}")], f"task-{name}")
        except CheckpointFenced:
            print("fenced", flush=True)
            if mode == "late":
                return
            continue
        print(f"saved {own}", flush=True)
        parent, saved = own, saved + 1


if __name__ == "__main__":
    main()
