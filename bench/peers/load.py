"""What every peer's client shares: so many workflows in flight for so long, and one line of JSON about it.

A workflow is five trivial durable steps. `one(n)` runs one to its end and returns the times of its steps in seconds,
or nothing where the peer does not let its client see them.
"""

import asyncio
import json
import os
import time


async def drive(peer, one, concurrency, seconds, warm_up=1.0):
    """Keeps `concurrency` workflows in flight; counts those that end within the measured span."""
    counted, steps, whole = 0, [], []
    begin = time.monotonic()
    measured = begin + warm_up
    end = measured + seconds
    cpu = None

    async def lane(lane):
        nonlocal counted
        n = 0
        while time.monotonic() < end:
            n += 1
            sent = time.monotonic()
            times = await one(f"{lane}-{n}-{os.getpid()}-{begin:.6f}")
            done = time.monotonic()
            if measured <= done < end:
                counted += 1
                whole.append(done - sent)
                steps.extend(times or [])

    async def mark():
        nonlocal cpu
        await asyncio.sleep(warm_up)
        cpu = time.process_time()

    await asyncio.gather(mark(), *(lane(number) for number in range(concurrency)))
    used = time.process_time() - cpu

    def at(values, share):
        values = sorted(values)
        return round(values[int((len(values) - 1) * share)] * 1e6) if values else None

    print(json.dumps({
        "peer": peer,
        "concurrency": concurrency,
        "workflows": counted,
        "steps_per_s": round(counted * 5 / seconds, 1),
        "workflow_p50_us": at(whole, 0.5),
        "workflow_p99_us": at(whole, 0.99),
        "step_p50_us": at(steps, 0.5),
        "step_p99_us": at(steps, 0.99),
        "client_cpu_us_per_step": round(used / max(counted * 5, 1) * 1e6),
    }), flush=True)
