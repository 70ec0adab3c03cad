"""The client of Restate: asks its ingress for workflows, and waits for each."""

import asyncio
import sys

import httpx

from load import drive


async def main(peer, ingress, concurrency, seconds):
    limits = httpx.Limits(max_connections=concurrency)
    async with httpx.AsyncClient(base_url=ingress, limits=limits, timeout=60, trust_env=False) as http:

        async def one(name):
            answer = await http.post("/bench/five", json=name)
            answer.raise_for_status()

        await drive(peer, one, concurrency, seconds)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
