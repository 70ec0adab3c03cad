"""The fake server: the wire of the real one in memory."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx

from .._transport import Retry
from ..client import AsyncClient, Client
from ..results import Results
from ..worker import Worker
from .clock import Clock
from .work import Pipe, WorkSession
from .world import FakeAction, Problem, Rule, Stuck, Tool, World

F = TypeVar("F", bound=Callable[..., Any])
PAGE_MAX = 200
# In the fake a hold costs nothing: one request may wait for years.
HOLD_SECONDS = 1e10


class FakeServer:
    """A Countersign server in memory, for one agent. Safe to use from several threads.

    Where a client waits, time jumps to the next moment at which something happens; before it does, the functions given to
    `on_wait` may be the people. A wait that nothing can end raises `Stuck` in the agent.
    """

    def __init__(self, *, clock: Clock | None = None, agent: str = "agent") -> None:
        self.clock = clock or Clock()
        self.world = World(self.clock, agent)
        self.agent_key = "csk_agent"
        self._people: list[Callable[[], object]] = []
        self._down = False
        self._cut: list[str] = []
        self._lock = threading.RLock()
        self._asking = False

    # For tests

    @property
    def effects(self) -> list[tuple[str, dict[str, Any]]]:
        """What was done to the world: tool and arguments, in order, without reads."""
        return self.world.effects

    def tool(
        self, name: str, *, cls: str = "once", rule: Rule | Callable[[Mapping[str, Any]], Rule] = "autonomous"
    ) -> Callable[[F], F]:
        """Makes a function a tool. `rule`: `autonomous`, `approve`, `never`, or a function of the arguments."""

        def register(fn: F) -> F:
            self.world.tools[name] = Tool(name, fn, cls, rule)
            return fn

        return register

    def on_wait(self, person: Callable[[], object]) -> None:
        """Calls this whenever an agent waits: the place to approve, to send signals, to travel."""
        self._people.append(person)

    def waiting(self) -> list[dict[str, Any]]:
        """The requests for approval that wait."""
        with self._lock:
            self.world.look()
            found = (action.approval for action in self.world.actions.values() if action.approval is not None)
            return [dict(one) for one in found if one["status"] == "waiting"]

    def approve(self, approval: str | None = None, *, by: str = "person") -> None:
        """Approves this request, or all that wait."""
        with self._lock:
            for one in self.waiting():
                if approval in (None, one["id"], one["action"]):
                    self.world.approve(one["id"], one["digest"], by)

    def reject(self, approval: str | None = None, *, reason: str = "no", by: str = "person") -> None:
        """Rejects this request, or all that wait."""
        with self._lock:
            for one in self.waiting():
                if approval in (None, one["id"], one["action"]):
                    self.world.reject(one["id"], reason, by)

    def settle(self, action: str, *, applied: bool) -> None:
        """Says whether an action with an unknown outcome happened."""
        with self._lock:
            self.world.resolve(action, applied)

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """No server is there meanwhile."""
        self._down = True
        try:
            yield
        finally:
            self._down = False

    def cut_next(self, *, after: bool) -> None:
        """Cuts the next request's connection: before it is taken, or after, so that only the answer is lost."""
        self._cut.append("after" if after else "before")

    def client(self, *, key: str | None = None, retry: Retry | None = None, results: Results | None = None) -> Client:
        """A client of this server."""
        transport = httpx.MockTransport(self._handle)
        return Client(
            "http://fake.invalid",
            key or self.agent_key,
            retry=_patient(retry),
            results=results,
            transport=transport,
            time=self.clock,
        )

    def async_client(self, *, key: str | None = None, retry: Retry | None = None, results: Results | None = None) -> AsyncClient:
        """A client of this server for an event loop."""
        transport = httpx.MockTransport(self._handle)
        return AsyncClient(
            "http://fake.invalid",
            key or self.agent_key,
            retry=_patient(retry),
            results=results,
            transport=transport,
            time=self.clock,
        )

    def person(self, name: str = "person") -> Client:
        """A client with the key of a person."""
        return self.client(key=f"csk_person_{name}")

    def worker(self, *tasks: Any, slots: int = 8, results: Results | None = None) -> Worker:
        """A worker of this server."""
        retry = Retry(first_seconds=0.01, most_seconds=0.05)
        return Worker(*tasks, slots=slots, results=results, retry=retry, connect=self.connect)

    async def work(self, *tasks: Any, slots: int = 8, seconds: float = 0) -> None:
        """Lets a worker do what is there to do, until nothing more happens by itself: all runs have ended, wait for
        somebody, or are parked. Where nothing else is to be done time jumps to the next timer, `seconds` at most in all."""
        until = self.clock.millis + round(seconds * 1000)
        worker = self.worker(*tasks, slots=slots)
        serving = asyncio.ensure_future(worker.serve())
        try:
            idle = 0
            while idle < 20:
                await asyncio.sleep(0.001)
                if serving.done():
                    break
                if worker.busy or self.world.ready(list(worker.tasks)) is not None or self._pass_time(until):
                    idle = 0
                else:
                    idle += 1
        finally:
            worker.stop()
            await serving

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Pipe]:
        """A worker's connection, in memory."""
        if self._down:
            raise OSError("no server is there")
        near, far = Pipe.pair()
        session = asyncio.ensure_future(WorkSession(self.world, self._lock).serve(far))
        try:
            yield near
        finally:
            near.close()
            # What was sent before the end is still taken.
            await asyncio.wait({session}, timeout=1)
            session.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await session

    # The wire

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if self._down:
            raise httpx.ConnectError("no server is there", request=request)
        cut = self._cut.pop(0) if self._cut else None
        if cut == "before":
            raise httpx.ReadError("the connection was cut", request=request)
        try:
            with self._lock:
                self.world.look()
                status, body = self._route(request)
        except Problem as problem:
            status, body = problem.status, problem.body
        if cut == "after":
            raise httpx.ReadError("the connection was cut", request=request)
        kind = "application/problem+json" if status >= 400 else "application/json"
        return httpx.Response(status, content=json.dumps(body).encode(), headers={"content-type": kind})

    def _route(self, request: httpx.Request) -> tuple[int, Any]:
        who = self._who(request)
        parts = [unquote(part) for part in request.url.path.strip("/").split("/")]
        query = request.url.params
        key = request.headers.get("idempotency-key")
        body = _body(request) if request.method == "POST" else {}
        world = self.world
        match request.method, parts:
            case "GET", ["v1", "me"]:
                scopes = ["act", "read"] if who is None else ["answer", "read"]
                principal = f"agent:{world.agent}" if who is None else f"person:{who}"
                return 200, {"workspace": "fake", "principal": principal, "roles": [], "scopes": scopes}
            case "POST", ["v1", "runs"]:
                return 201, world.start(body, key)
            case "GET", ["v1", "runs"]:
                wanted = query.get("status")
                runs = [world.shown(run) for run in world.runs.values()]
                return 200, _page([run for run in reversed(runs) if wanted in (None, run["status"])], query)
            case "GET", ["v1", "runs", run]:
                return 200, world.shown(world.run(run))
            case "POST", ["v1", "runs", run, "finish"]:
                return 200, world.finish(run, body)
            case "POST", ["v1", "runs", run, "steps"]:
                return 200, {"steps": world.record(run, body.get("steps", []))}
            case "GET", ["v1", "runs", run, "steps"]:
                return 200, _page([step for _, step in world.run(run).steps.values()], query)
            case "POST", ["v1", "runs", run, "actions"]:
                return _answer(world.propose(run, body, key))
            case "POST", ["v1", "runs", run, "signals"]:
                return 201, {"seq": world.tell(run, str(body.get("name")), body.get("value"), key)}
            case "POST", ["v1", "runs", run, "waits"]:
                hold = int(body.pop("wait_ms", 0))
                found = world.wait(run, body)
                wait = world.run(run).waits[str(body["key"])]
                self._hold(lambda: wait.met, hold, f"the wait `{body['key']}`")
                return 200, world.shown_wait(found["key"], wait)
            case "GET", ["v1", "actions"]:
                wanted, state = query.get("run"), query.get("status")
                rows = [one.wire for one in reversed(world.actions.values())]
                rows = [row for row in rows if wanted in (None, row["run"]) and state in (None, row["status"])]
                return 200, _page(rows, query)
            case "GET", ["v1", "actions", action]:
                one = world.action(action)
                self._hold(lambda: bool(one.wire["settled"]), int(query.get("wait_ms", 0)), f"the action `{action}`")
                return _answer(one)
            case "POST", ["v1", "actions", action, "withdraw"]:
                return 200, world.withdraw(action).wire
            case "GET", ["v1", "approvals"] if who is not None:
                wanted, action = query.get("status"), query.get("action")
                found_all = [one.approval for one in world.actions.values() if one.approval is not None]
                rows = [row for row in found_all if wanted in (None, row["status"]) and action in (None, row["action"])]
                return 200, _page(rows, query)
            case "GET", ["v1", "approvals", approval] if who is not None:
                return 200, world.approval(approval).approval
            case "POST", ["v1", "approvals", approval, "approve"] if who is not None:
                return 200, world.approve(approval, str(body.get("seen")), who)
            case "POST", ["v1", "approvals", approval, "reject"] if who is not None:
                return 200, world.reject(approval, str(body.get("reason")), who)
            case _, ["v1", "approvals", *_]:
                raise Problem(403, "forbidden", f"the agent `{world.agent}` may not see what belongs to the whole workspace")
        raise Problem(404, "route_not_found", f"there is no `{request.url.path}`")

    def _who(self, request: httpx.Request) -> str | None:
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        if secret == self.agent_key:
            return None
        name: str = secret.removeprefix("csk_person_")
        if name == secret:
            raise Problem(401, "unauthenticated", "the request carries no credential that is valid here")
        return name

    def _hold(self, over: Callable[[], bool], hold_ms: int, what: str) -> None:
        """Lets people act and time pass until it is over, or the hold has ended."""
        until = self.clock.millis + hold_ms
        while not over() and self.clock.millis < until:
            if self._pass_time(until):
                continue
            if hold_ms < HOLD_SECONDS * 1000:
                self.clock.millis = until
            else:
                raise Stuck(f"{what} waits for something that nobody brings about: give `on_wait` a function that does")

    def _pass_time(self, until: int) -> bool:
        """People first, then the next timer. False where nothing changed and nothing will."""
        before = self.world.changes
        if not self._asking:
            self._asking = True
            try:
                for person in list(self._people):
                    person()
            finally:
                self._asking = False
        self.world.look()
        if self.world.changes != before:
            return True
        due = self.world.due()
        if due is None or self.clock.millis >= until:
            return False
        self.clock.millis = min(due, until)
        self.world.look()
        return True


def _patient(retry: Retry | None) -> Retry:
    return dataclasses.replace(retry or Retry(), hold_seconds_max=HOLD_SECONDS)


def _answer(action: FakeAction) -> tuple[int, dict[str, Any]]:
    return (200 if action.wire["settled"] else 202), action.wire


def _page(rows: list[Any], query: httpx.QueryParams) -> dict[str, Any]:
    begin, limit = int(query.get("after", 0)), min(int(query.get("limit", 50)), PAGE_MAX)
    page: dict[str, Any] = {"items": rows[begin : begin + limit]}
    if begin + limit < len(rows):
        page["next"] = str(begin + limit)
    return page


def _body(request: httpx.Request) -> dict[str, Any]:
    if len(request.content) > 1 << 20:
        raise Problem(413, "body_too_large", "the body is too large", "send less")
    try:
        body = json.loads(request.content or b"{}")
    except ValueError:
        raise Problem(400, "json_invalid", "the body is no JSON") from None
    if not isinstance(body, dict):
        raise Problem(422, "request_invalid", "the body is no object")
    return body
