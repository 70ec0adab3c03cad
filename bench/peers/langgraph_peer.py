"""LangGraph with a checkpointer, durability "sync": a graph of five nodes, one checkpoint after each."""

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from load import drive


class State(TypedDict):
    n: int


def graph(saver):
    builder = StateGraph(State)
    names = [f"step-{number}" for number in range(5)]
    for name in names:
        builder.add_node(name, lambda state: {"n": state["n"] + 1})
    for before, after in zip([START, *names], [*names, END]):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=saver)


@asynccontextmanager
async def postgres(url):
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(url, min_size=4, max_size=32, kwargs=options) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield saver


@asynccontextmanager
async def sqlite(path):
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.setup()
        # Python's SQLite flushes at each commit by default; said here so that nobody need wonder.
        await saver.conn.execute("PRAGMA synchronous=FULL")
        yield saver


async def main(kind, where, concurrency, seconds):
    async with {"postgres": postgres, "sqlite": sqlite}[kind](where) as saver:
        app = graph(saver)

        async def one(name):
            config = {"configurable": {"thread_id": name}}
            await app.ainvoke({"n": 0}, config, durability="sync")

        await drive(f"langgraph-{kind}", one, concurrency, seconds)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
