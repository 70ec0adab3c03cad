"""DBOS on PostgreSQL: the library in the process of its client, as its documentation has it."""

import asyncio
import sys
import time

from dbos import DBOS, SetWorkflowID

from load import drive


@DBOS.step()
async def step(n):
    return n


@DBOS.workflow()
async def five(name):
    times = []
    for n in range(5):
        begin = time.monotonic()
        await step(n)
        times.append(time.monotonic() - begin)
    return times


async def one(name):
    with SetWorkflowID(name):
        handle = await DBOS.start_workflow_async(five, name)
    return await handle.get_result()


async def main(url, concurrency, seconds):
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR",
                 "sys_db_pool_size": 32})
    DBOS.launch()
    await drive("dbos", one, concurrency, seconds)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
