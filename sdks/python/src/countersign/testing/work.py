"""The server's side of a worker's connection, as docs/decisions/0012-durable-runs.md describes it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from ..worker import Unreachable
from .world import Problem, World

LEASE_MS = 30_000
LOOK_SECONDS = 0.001


class Line(Protocol):
    """An open connection."""

    async def send(self, message: str) -> None: ...

    async def recv(self) -> str | bytes: ...


class Pipe:
    """One end of a connection in memory."""

    def __init__(self, incoming: asyncio.Queue[str | None], outgoing: asyncio.Queue[str | None]) -> None:
        self._in, self._out = incoming, outgoing

    @staticmethod
    def pair() -> tuple[Pipe, Pipe]:
        """Both ends."""
        one: asyncio.Queue[str | None] = asyncio.Queue()
        other: asyncio.Queue[str | None] = asyncio.Queue()
        return Pipe(one, other), Pipe(other, one)

    async def send(self, message: str) -> None:
        """Sends a message."""
        self._out.put_nowait(message)

    async def recv(self) -> str:
        """Waits for one."""
        message = await self._in.get()
        if message is None:
            self._in.put_nowait(None)
            raise Unreachable("the connection ended")
        return message

    def close(self) -> None:
        """Ends the connection for both."""
        self._in.put_nowait(None)
        self._out.put_nowait(None)


class WorkSession:
    """One worker, as the server sees it."""

    def __init__(self, world: World, lock: threading.RLock, *, lease_ms: int = LEASE_MS) -> None:
        self.world = world
        self.lock = lock
        self.lease_ms = lease_ms
        self.held: dict[str, int] = {}
        self.tasks: list[str] = []
        self.slots = 0

    async def serve(self, line: Line) -> None:
        """Until the connection ends. Its leases are left to run out, so that the worker can come back."""
        giving: asyncio.Future[None] | None = None
        try:
            hello = json.loads(await line.recv())
            await line.send(json.dumps(self._welcome(hello)))
            giving = asyncio.ensure_future(self._give(line))
            while True:
                answer = self._answer(json.loads(await line.recv()))
                if answer is not None:
                    await line.send(json.dumps(answer))
        except Unreachable:
            pass
        finally:
            if giving is not None:
                giving.cancel()

    def _welcome(self, hello: Mapping[str, Any]) -> dict[str, Any]:
        self.tasks, self.slots = list(hello["tasks"]), int(hello["slots"])
        lost = []
        with self.lock:
            for one in hello.get("resume", ()):
                run = self.world.runs.get(one["run"])
                if run is None or run.wire.get("phase") != "working" or run.wire["attempt"] != one["attempt"]:
                    lost.append(one["run"])
                    continue
                self.held[one["run"]] = one["attempt"]
                run.lease_end = self.world.now + self.lease_ms
        return {"type": "welcome", "id": hello["id"], "worker": "wrk_fake", "lease_ms": self.lease_ms, "lost": lost}

    async def _give(self, line: Line) -> None:
        while True:
            for message in self._news():
                await line.send(json.dumps(message))
            await asyncio.sleep(LOOK_SECONDS)

    def _news(self) -> list[dict[str, Any]]:
        news: list[dict[str, Any]] = []
        with self.lock:
            self.world.look()
            for identity, attempt in list(self.held.items()):
                run = self.world.runs[identity]
                if run.open and run.wire["phase"] == "working" and run.wire["attempt"] == attempt:
                    continue
                del self.held[identity]
                why = run.wire["status"] if not run.open else {"paused": "paused"}.get(run.wire["phase"], "lapsed")
                if run.open or why == "cancelled":
                    news.append({"type": "stop", "run": identity, "why": why})
            while len(self.held) < self.slots:
                ready = self.world.ready(self.tasks)
                if ready is None:
                    break
                news.append(self.world.give(ready, self.lease_ms))
                self.held[ready.wire["id"]] = ready.wire["attempt"]
        return news

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        with self.lock:
            self.world.look()
            if message["type"] == "beat":
                for identity in self.held:
                    self.world.runs[identity].lease_end = self.world.now + self.lease_ms
                return None
            try:
                return {"type": "done", "id": message["id"], **self._do(message)}
            except Problem as problem:
                return {"type": "refused", "id": message["id"], "problem": problem.body}

    def _do(self, message: Mapping[str, Any]) -> dict[str, Any]:
        world, run, attempt = self.world, str(message["run"]), int(message["attempt"])
        kind = message["type"]
        if kind == "steps":
            return {"steps": world.record(run, message["steps"], attempt)}
        if kind == "action":
            return {"action": world.propose(run, message, str(message["key"]), attempt).wire}
        if kind == "wait":
            asked = {name: message[name] for name in ("key", "any_of", "all_of") if name in message}
            answer = world.wait(run, asked, attempt)
            if not answer["met"]:
                self.held.pop(run, None)
            return answer
        if kind == "finish":
            # Asked again after a cut, it has ended already: as it was asked for.
            world.finish(run, message, attempt)
        elif kind in ("fail", "release"):
            world.open_run(run, attempt)
            world.give_back(run, "failed" if kind == "fail" else "released")
        else:
            raise Problem(422, "request_invalid", f"`{kind}` is no message")
        self.held.pop(run, None)
        return {}
