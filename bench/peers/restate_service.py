"""The service that Restate calls: five durable steps."""

import asyncio
import sys

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

bench = restate.Service("bench")


async def step():
    return 1


@bench.handler()
async def five(ctx: restate.Context, name: str) -> int:
    for number in range(5):
        await ctx.run_typed(f"step-{number}", step)
    return 5


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.loglevel = "ERROR"
    asyncio.run(serve(restate.app([bench]), config))
