"""Workers: processes that the server gives runs to.

    @task("refund")
    async def refund(run: AsyncRun, input: dict) -> dict: ...

    Worker(refund).run()

One connection, no port, no queue. A worker that dies loses nothing: the server gives its runs to another one, which finds what
was done on record. A run that waits has no worker at all: the task is left, and begun again when what it waits for has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import httpx
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from . import action as actions
from ._canonical import NotJson, canonical
from ._session import HttpWire, Session, met_of
from ._transport import BODY_BYTES_MAX, Async, Flow, Retry, Timekeeper, encode
from .action import Action
from .client import _Settings
from .errors import ConfigError, CountersignError, Final, LeaseLost, ProtocolError, RequestError, ServerUnavailable, of_problem
from .run import AsyncRun, Run, _current
from .waits import Condition, Met, settled

if TYPE_CHECKING:
    from . import _wire
    from .results import Results

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PROTOCOL = "countersign.work.v1"
# Beyond 1,024 unanswered requests the server stops reading.
UNANSWERED_MAX = 1_000
ERROR_TEXT_MAX = 4_000
RELEASE_SECONDS = 10.0

log = logging.getLogger("countersign.worker")


class Left(BaseException):
    """Ends a task whose run this worker has no more: it waits, was stopped, or was taken away. Not an error: let it pass."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One request over the connection."""

    type: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class More:
    """Steps on record beyond those that came with the run."""

    run: str
    after: str


def task(name: str) -> Callable[[F], F]:
    """Marks a function as what runs do that were started for this task: `fn(run, input) -> result`."""

    def mark(fn: F) -> F:
        fn.__countersign_task__ = name  # type: ignore[attr-defined]
        return fn

    return mark


def agent(name: str, *, versions: Sequence[int] = ()) -> Callable[[type[T]], type[T]]:
    """Marks a class whose methods marked with `task` are an agent's work. `versions`: those of the agent that the code can do."""

    def mark(cls: type[T]) -> type[T]:
        cls.__countersign_agent__ = (name, tuple(versions))  # type: ignore[attr-defined]
        return cls

    return mark


def _tasks(things: Sequence[Any]) -> tuple[dict[str, Callable[..., Any]], str | None, tuple[int, ...]]:
    tasks: dict[str, Callable[..., Any]] = {}
    name, versions = None, ()
    for thing in things:
        found = getattr(thing, "__countersign_agent__", None)
        if found is not None:
            name, versions = found
            owner = thing() if inspect.isclass(thing) else thing
            members = [getattr(owner, one) for one in dir(owner) if not one.startswith("__")]
        else:
            members = [thing]
        for member in members:
            key = getattr(member, "__countersign_task__", None)
            if key is None and found is None:
                raise ConfigError(f"`{member!r}` is no task", 'mark it: @task("refund")')
            if key is not None:
                if key in tasks:
                    raise ConfigError(f"the task `{key}` is there twice", "give each task one function")
                tasks[key] = member
    if not tasks:
        raise ConfigError("the worker has no tasks", 'give it functions marked with @task("…")')
    return tasks, name, versions


class Line(Protocol):
    """An open connection."""

    async def send(self, message: str) -> None: ...

    async def recv(self) -> str | bytes: ...


class Unreachable(Exception):
    """No connection, or it ended."""


class _WorkWire:
    """Speaks over the worker's connection, with the token of the lease in every word."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.run, self.attempt = given["run"], given["attempt"]
        self.known = {step["key"]: step for step in given.get("steps", ()) if step.get("key") is not None}
        self.more: str | None = given.get("steps_next")

    def _ask(self, type: str, **fields: Any) -> Flow[Any]:  # noqa: A002
        answer: Mapping[str, Any] = yield Frame(type, {"run": self.run, "attempt": self.attempt, **fields})
        return answer

    def recorded(self) -> Flow[dict[str, Mapping[str, Any]]]:
        if self.more is not None:
            self.known.update((yield More(self.run, self.more)))
            self.more = None
        return self.known

    def record(self, steps: Sequence[Mapping[str, Any]]) -> Flow[list[Mapping[str, Any]]]:
        answer = yield from self._ask("steps", steps=list(steps))
        recorded: list[Mapping[str, Any]] = answer["steps"]
        return recorded

    def propose(self, key: str, tool: str, arguments: Mapping[str, Any], reason: str | None, hold: float) -> Flow[Action]:
        more = {} if reason is None else {"reason": reason}
        answer = yield from self._ask("action", key=key, tool=tool, arguments=dict(arguments), **more)
        return actions.of_wire(answer["action"])

    def follow(self, action: Action, wait: bool | float, again: Callable[[], Flow[Action]]) -> Flow[Action]:
        if action.settled or wait is False:
            return action
        if wait is not True:
            raise ConfigError(
                "a task waits for people as long as it takes, or not at all",
                "wait=False, then run.wait(key, settled(action), after(seconds)): it is withdrawn when the time is over",
            )
        # A wait is a step: while a person thinks, nobody has the run.
        yield from self.wait(f"settled {action.id}", "any_of", [settled(action)], None)
        return (yield from again())

    def wait(self, key: str, mode: str, on: Sequence[Condition], timeout: float | None) -> Flow[Met]:
        if timeout is not None:
            raise ConfigError("a task's wait has no timeout", "give it a moment as a condition: after(seconds)")
        answer = yield from self._ask("wait", key=key, **{mode: [one.wire for one in on]})
        if not answer["met"]:
            raise Left
        return met_of(key, answer)

    def finish(self, outcome: str, result: Any, error: Any) -> Flow[Mapping[str, Any] | None]:
        yield from ()
        raise ConfigError("a task does not finish its run", "return its result, or raise Final")


class _TaskDriver:
    """Runs the flows of one dispatched run."""

    def __init__(self, held: _Held) -> None:
        self.held = held

    async def run(self, flow: Flow[T]) -> T:
        answer: Any = None
        try:
            while True:
                effect = flow.send(answer)
                if isinstance(effect, More):
                    answer = await self.held.worker._more(effect)
                    continue
                assert isinstance(effect, Frame), "a task speaks over its worker's connection only"
                answer = await self.held.ask(effect)
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            flow.close()


class _ThreadDriver:
    """The same, for a task that runs in a thread."""

    def __init__(self, driver: _TaskDriver, loop: asyncio.AbstractEventLoop) -> None:
        self.driver, self.loop = driver, loop

    def run(self, flow: Flow[T]) -> T:
        return asyncio.run_coroutine_threadsafe(self.driver.run(flow), self.loop).result()


class _Held:
    """A run that this worker has."""

    def __init__(self, worker: Worker, given: Mapping[str, Any]) -> None:
        self.worker = worker
        self.run: str = given["run"]
        self.attempt: int = given["attempt"]
        self.given = given
        self.gone = False
        self.job: asyncio.Task[None] | None = None

    async def ask(self, frame: Frame) -> Mapping[str, Any]:
        if self.gone:
            raise Left
        try:
            return await self.worker._request(self, frame)
        except LeaseLost:
            self.drop()
            raise Left from None

    def drop(self) -> None:
        """Nothing more of it is sent."""
        self.gone = True
        self.worker._held.pop(self.run, None)


class Worker:
    """Takes runs from the server and does their tasks, up to `slots` at a time.

    Give it functions marked with `task`, or a class marked with `agent`. `run` blocks until SIGTERM or SIGINT; `serve` is the
    same on an event loop that is there already. While the server is away it keeps trying: nothing is lost meanwhile, because
    nothing is done that the server does not know of.
    """

    def __init__(
        self,
        *tasks: Any,
        url: str | None = None,
        key: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        slots: int = 8,
        retry: Retry | None = None,
        results: Results | None = None,
        connect: Callable[[], AbstractAsyncContextManager[Line]] | None = None,
    ) -> None:
        if slots < 1:
            raise ConfigError("a worker without slots does nothing", "give it one at least")
        self.tasks, self.agent, self.versions = _tasks(tasks)
        self.slots = slots
        self.results = results
        self.retry = retry or Retry(most_seconds=10.0)
        self._settings: _Settings | None = None
        if connect is None:
            self._settings = _Settings(url, key, key_file, retry)
            connect = _over_websocket(self._settings)
        self._connect = connect
        self._held: dict[str, _Held] = {}
        self._ids = itertools.count(1)
        self._asked: dict[int, tuple[asyncio.Future[Mapping[str, Any]], str, _Held | None]] = {}
        self._line: Line | None = None
        self._room = asyncio.Semaphore(UNANSWERED_MAX)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether it is doing something."""
        return bool(self._jobs)

    def run(self) -> None:
        """Serves until the process is told to end."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._serve_until_told())

    async def _serve_until_told(self) -> None:
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError):
                    loop.add_signal_handler(one, self._stop.set)
        await self.serve()

    def stop(self) -> None:
        """Ends `serve`: what is being done is given back. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        else:
            self._stop.set()

    async def serve(self) -> None:
        """Serves until `stop`."""
        self._loop = asyncio.get_running_loop()
        attempt = 0
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            while not self._stop.is_set():
                try:
                    async with self._connect() as line:
                        await self._hello(line)
                        attempt = 0
                        await self._listen(line, stopped)
                except (Unreachable, ConnectionClosed, OSError) as error:
                    delay = self.retry.delay(attempt)
                    attempt += 1
                    log.warning("no connection to the server: %s; trying again in %.1f s", error, delay)
                    await asyncio.wait({stopped}, timeout=delay)
                finally:
                    self._line = None
        finally:
            stopped.cancel()
            for job in self._jobs:
                job.cancel()
            if self._jobs:
                await asyncio.wait(self._jobs, timeout=RELEASE_SECONDS)

    async def _hello(self, line: Line) -> None:
        hello: dict[str, Any] = {"type": "hello", "id": next(self._ids), "tasks": sorted(self.tasks), "slots": self.slots}
        if self.versions:
            hello["versions"] = list(self.versions)
        hello["resume"] = [{"run": one.run, "attempt": one.attempt} for one in self._held.values()]
        await line.send(encode(hello).decode())
        welcome = _parsed(await line.recv())
        if welcome.get("type") == "refused":
            raise of_problem(int(welcome["problem"].get("status", 0)), welcome["problem"])
        if welcome.get("type") != "welcome":
            raise ProtocolError("the server did not welcome the worker")
        self.lease = float(welcome["lease_ms"]) / 1000
        for run in welcome.get("lost", ()):
            if run in self._held:
                self._leave(self._held[run])
        self._line = line
        # What was asked before the line was cut may or may not have arrived: keys and tokens make it safe to ask again.
        for _, text, held in list(self._asked.values()):
            if held is None or not held.gone:
                await line.send(text)

    async def _listen(self, line: Line, stopped: asyncio.Future[Any]) -> None:
        beat = asyncio.ensure_future(self._beat(line))
        reading = asyncio.ensure_future(self._read(line))
        try:
            await asyncio.wait({reading, beat, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            elif stopped.done():
                await self._give_back(line)
            else:
                beat.result()
        finally:
            beat.cancel()
            reading.cancel()

    async def _read(self, line: Line) -> None:
        while True:
            self._take(_parsed(await line.recv()))

    async def _beat(self, line: Line) -> None:
        while True:
            await asyncio.sleep(self.lease / 3)
            await line.send('{"type":"beat"}')

    def _take(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if kind == "run":
            self._begin(message)
        elif kind in ("done", "refused"):
            waiting = self._asked.pop(int(message.get("id", 0)), None)
            if waiting is not None and not waiting[0].done():
                waiting[0].set_result(message)
        elif kind == "stop":
            held = self._held.get(str(message.get("run")))
            if held is not None:
                log.info("run %s was stopped: %s", held.run, message.get("why"))
                self._leave(held)
        # Other kinds are of a later version: an older worker need not know them.

    def _leave(self, held: _Held) -> None:
        held.drop()
        if held.job is not None:
            held.job.cancel()
        for future, _, owner in self._asked.values():
            if owner is held and not future.done():
                future.set_exception(Left())

    def _begin(self, given: Mapping[str, Any]) -> None:
        before = self._held.get(str(given["run"]))
        if before is not None:
            self._leave(before)
        held = _Held(self, given)
        self._held[held.run] = held
        held.job = asyncio.ensure_future(self._do(held))
        self._jobs.add(held.job)
        held.job.add_done_callback(self._jobs.discard)

    async def _do(self, held: _Held) -> None:
        try:
            result = await self._call(held)
            try:
                plain = json.loads(canonical(result))
            except NotJson as error:
                raise Final(f"the task's result is no JSON: {error}") from None
            await held.ask(Frame("finish", self._of(held, outcome="done", result=plain)))
        except (Left, asyncio.CancelledError):
            pass
        except Final as error:
            details = {"class": type(error).__name__, "message": error.message[:ERROR_TEXT_MAX], "data": error.data}
            await self._end(held, Frame("finish", self._of(held, outcome="failed", error=details)))
        except ServerUnavailable as error:
            log.warning("run %s: %s", held.run, error)
        except Exception as error:
            log.warning("run %s failed", held.run, exc_info=error)
            details = {"class": type(error).__name__, "message": str(error)[:ERROR_TEXT_MAX]}
            await self._end(held, Frame("fail", self._of(held, error=details)))
        finally:
            if self._held.get(held.run) is held and not self._stop.is_set():
                held.drop()

    async def _end(self, held: _Held, frame: Frame) -> None:
        try:
            await held.ask(frame)
        except (Left, asyncio.CancelledError):
            pass
        except CountersignError as error:
            log.error("run %s: the server did not take how it ended: %s", held.run, error)

    def _of(self, held: _Held, **fields: Any) -> dict[str, Any]:
        return {"run": held.run, "attempt": held.attempt, **fields}

    async def _call(self, held: _Held) -> Any:
        name = held.given["task"]
        fn = self.tasks.get(name)
        if fn is None:
            raise ConfigError(f"this worker does not know the task `{name}`", "give the worker its function")
        session = Session(_WorkWire(held.given), self.results)
        driver = _TaskDriver(held)
        known = cast("_wire.Run", {"id": held.run, "status": "open", "agent": self.agent or "", **_facts(held.given)})
        if inspect.iscoroutinefunction(fn):
            run = AsyncRun(driver, {}, None, self.retry, self.results, finish=False)
            run._wire, run._open_session = known, session
            _current.set(run)
            return await fn(run, held.given.get("input"))
        plain = Run(_ThreadDriver(driver, asyncio.get_running_loop()), {}, None, self.retry, self.results, finish=False)
        plain._wire, plain._open_session = known, session

        def call() -> Any:
            _current.set(plain)
            return fn(plain, held.given.get("input"))

        return await asyncio.to_thread(call)

    async def _request(self, held: _Held, frame: Frame) -> Mapping[str, Any]:
        number = next(self._ids)
        text = encode({"type": frame.type, "id": number, **frame.fields})
        if len(text) > BODY_BYTES_MAX:
            raise RequestError(
                f"the message has {len(text)} bytes; at most {BODY_BYTES_MAX} are taken",
                code="body_too_large",
                hint="send less: a reference instead of the content",
            )
        async with self._room:
            future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
            self._asked[number] = (future, text.decode(), held)
            try:
                if self._line is not None:
                    # A line that is cut just now is not the caller's trouble: the next one asks again.
                    with contextlib.suppress(ConnectionClosed, OSError, Unreachable):
                        await self._line.send(text.decode())
                answer = await future
            finally:
                self._asked.pop(number, None)
        if answer["type"] == "refused":
            problem = answer["problem"]
            raise of_problem(int(problem.get("status", 0)), problem)
        return answer

    async def _more(self, more: More) -> dict[str, Mapping[str, Any]]:
        """Reads the rest of what is on record by requests: a run that was given comes with as much as one message holds."""
        if self._settings is None:
            raise ConfigError("the rest of the steps is not to be had over this connection", "give the worker `url` and `key`")
        settings = self._settings
        async with httpx.AsyncClient(trust_env=not settings.local) as http:
            driver = Async(http, settings.base, settings.headers, Timekeeper())
            return await driver.run(HttpWire(more.run, self.retry).recorded(more.after))

    async def _give_back(self, line: Line) -> None:
        """Leaves what is being done, and says so: another worker need not wait for the lease to run out."""
        for held in list(self._held.values()):
            if held.job is not None:
                held.job.cancel()
            message = {"type": "release", "id": next(self._ids), "run": held.run, "attempt": held.attempt}
            held.drop()
            await line.send(encode(message).decode())


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"agent_version": given.get("agent_version"), "attempt": given["attempt"], "task": given["task"]}


def _parsed(message: str | bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(message)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ProtocolError("the server sent something that is no message")
    return parsed


def _over_websocket(settings: _Settings) -> Callable[[], AbstractAsyncContextManager[Line]]:
    address = "ws" + settings.base.removeprefix("http") + "/v1/work"

    @contextlib.asynccontextmanager
    async def open_line() -> AsyncIterator[Line]:
        try:
            line = await websocket(
                address,
                subprotocols=[cast(Any, PROTOCOL)],
                additional_headers={"authorization": settings.headers["authorization"]},
                user_agent_header=settings.headers["user-agent"],
                max_size=4 * BODY_BYTES_MAX,
                proxy=None if settings.local else True,
                compression=None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status in (401, 403, 404):
                body = bytes(error.response.body or b"")
                raise _of_handshake(status, body) from None
            raise Unreachable(f"the server answers with status {status}") from None
        except InvalidHandshake as error:
            raise Unreachable(str(error)) from None
        except TimeoutError:
            raise Unreachable("the server does not answer") from None
        async with line:
            yield cast(Line, line)

    return open_line


def _of_handshake(status: int, body: bytes) -> CountersignError:
    try:
        problem = json.loads(body)
        return of_problem(status, problem)
    except (ValueError, AttributeError):
        return ProtocolError(f"the server takes no workers at this address (status {status})")


__all__ = ["Left", "Worker", "agent", "task"]
