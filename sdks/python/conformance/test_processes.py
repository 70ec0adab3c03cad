"""What the suite does not ask: crashes of the server, several processes on one thread, and a process that was overtaken."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from driver import checkpoint
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from countersign.langgraph import CheckpointConflict, CountersignSaver
from shop import Shop

DRIVER = Path(__file__).with_name("driver.py")
KILLS = 6
IN_FLIGHT = 5


class Driver:
    """A process of `driver.py`."""

    def __init__(self, shop: Shop, thread: str, name: str, count: int, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(DRIVER), shop.url, thread, name, str(count), mode],
            env={**os.environ, "COUNTERSIGN_KEY": shop.agent_key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> list[str]:
        """Everything that it says until it ends well."""
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, out
        return out.split("\n")


def saved(lines: list[str]) -> list[str]:
    return [line.removeprefix("saved ") for line in lines if line.startswith("saved ")]


def config(thread: str, namespace: str | None = "") -> RunnableConfig:
    own = {"thread_id": thread}
    return {"configurable": own if namespace is None else {**own, "checkpoint_ns": namespace}}


def check(found: list[CheckpointTuple], writes: int = 1) -> None:
    """Newest first, each once, whole, and going on from the one before."""
    ids = [one.checkpoint["id"] for one in found]
    assert len(ids) == len(set(ids))
    for one, before in zip(found, [*found[1:], None], strict=True):
        assert one.checkpoint["channel_values"] == {"log": f"content of {one.checkpoint['id']}" * 50}
        parent = one.parent_config["configurable"]["checkpoint_id"] if one.parent_config else None
        assert parent == (before.checkpoint["id"] if before else None)
        assert one.pending_writes is not None
        assert len(one.pending_writes) == writes
        assert {write[2] for write in one.pending_writes} == {f"written at {one.checkpoint['id']}"}


def test_a_server_killed_again_and_again_loses_and_doubles_nothing(
    shop: Shop, saver: CountersignSaver, thread: str, said: Callable[[str], None]
) -> None:
    count, chance = 80, random.Random(4)
    drivers = {name: Driver(shop, thread, name, count, "own") for name in ("a", "b")}
    kills = 0
    while kills < KILLS and all(one.process.poll() is None for one in drivers.values()):
        time.sleep(chance.uniform(0.05, 0.25))
        shop.kill()
        shop.start()
        kills += 1
    for name, driver in drivers.items():
        assert saved(driver.end()) == [f"{number:05d}" for number in range(count)]
        found = list(saver.list(config(thread, name)))
        assert len(found) == count
        check(found)
    shop.kill()
    shop.start()
    assert len(list(saver.list(config(thread, None)))) == 2 * count
    assert kills == KILLS
    said(f"crash: {kills} SIGKILLs while 2 processes saved {2 * count} checkpoints: 0 lost, 0 doubled")


def test_what_was_in_flight_at_a_kill_is_there_or_not_and_never_in_part(
    shop: Shop, saver: CountersignSaver, thread: str, said: Callable[[str], None]
) -> None:
    big = "x" * 1_500_000

    def request(http: httpx.Client, own: str) -> httpx.Request:
        body = {
            "thread": own,
            "id": "1",
            "checkpoint": saver._blob({**checkpoint("1", None), "channel_values": {}}),
            "metadata": saver._blob({"source": "loop"}),
            "values": [{"channel": "log", "version": "1", "value": saver._blob(big)}],
        }
        headers = {"authorization": f"Bearer {shop.agent_key}"}
        return http.build_request("POST", f"{shop.url}/v1/checkpoints", json=body, headers=headers)

    with httpx.Client(trust_env=False, timeout=60) as http:
        began = time.monotonic()
        assert http.send(request(http, f"{thread}-whole")).status_code == 200
        took = time.monotonic() - began
    there = 0
    for number in range(IN_FLIGHT):
        own = f"{thread}-{number}"
        with httpx.Client(trust_env=False, timeout=60) as http:
            asked = request(http, own)
            killer = threading.Timer(took * 1.2 * (number + 1) / IN_FLIGHT, shop.kill)
            killer.start()
            acknowledged = False
            with contextlib.suppress(httpx.TransportError):
                acknowledged = http.send(asked).status_code == 200
            killer.join()
        shop.start()
        found = saver.get_tuple(config(own))
        assert not (acknowledged and found is None), "an acknowledged checkpoint is lost"
        if found is not None:
            there += 1
            assert found.checkpoint["channel_values"] == {"log": big}
    said(f"in flight: {IN_FLIGHT} SIGKILLs during a save of 1.5 MB: {there} whole, {IN_FLIGHT - there} absent, 0 in part")


def test_processes_with_the_same_content_are_one(
    shop: Shop, saver: CountersignSaver, thread: str, said: Callable[[str], None]
) -> None:
    count = 40
    drivers = [Driver(shop, thread, "same", count, "shared") for _ in range(2)]
    for driver in drivers:
        assert len(saved(driver.end())) == count
    found = list(saver.list(config(thread)))
    assert len(found) == count
    check(found)
    other = checkpoint("00000", "another content")
    with pytest.raises(CheckpointConflict):
        saver.put(config(thread), other, {"source": "loop"}, {"log": "00000"})
    said(f"same: 2 processes saved the same {count} checkpoints: {len(found)} on record, other content refused")


def test_fenced_processes_on_one_thread_make_one_chain(
    shop: Shop, saver: CountersignSaver, thread: str, said: Callable[[str], None]
) -> None:
    count = 25
    drivers = [Driver(shop, thread, name, count, "chain") for name in ("a", "b")]
    lines = [driver.end() for driver in drivers]
    refused = sum(line == "fenced" for own in lines for line in own)
    found = list(saver.list(config(thread)))
    assert {one.checkpoint["id"] for one in found} == {one for own in lines for one in saved(own)}
    assert len(found) == 2 * count
    check(found)
    said(f"fence: 2 processes, {2 * count} checkpoints in one chain, {refused} saves refused, 0 forks")


def test_a_process_that_was_stopped_and_overtaken_saves_nothing(shop: Shop, saver: CountersignSaver, thread: str) -> None:
    first = checkpoint("first", "content of first" * 50)
    stored = saver.put(config(thread), first, {"source": "loop"}, {"log": "first"})
    late = Driver(shop, thread, "late", 1, "late")
    assert late.line() == "read"
    late.process.send_signal(signal.SIGSTOP)
    second = checkpoint("second", "content of second" * 50)
    saver.put(stored, second, {"source": "loop"}, {"log": "second"})
    late.process.send_signal(signal.SIGCONT)
    assert late.process.stdin is not None
    late.process.stdin.write("\n")
    late.process.stdin.flush()
    assert "fenced" in late.end()
    assert [one.checkpoint["id"] for one in saver.list(config(thread))] == ["second", "first"]
