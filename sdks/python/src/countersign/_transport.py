"""Requests, answers and when to repeat them: written once, run by a thread or by an event loop.

What the SDK does is written as *flows*: generators that yield what they need from the outside (a `Call`, a `Pause`) and
are given the answer. `Sync` and `Async` run them. So there is one text of the rules, and no second one that drifts.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx

from ._canonical import NotJson
from .errors import CountersignError, ProtocolError, RequestError, ServerUnavailable, ValueNotJson, of_problem

T = TypeVar("T")

BODY_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `repeatable`: doing it twice is doing it once."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str | int] | None = None
    key: str | None = None
    repeatable: bool = True
    hold: float = 0.0
    bytes_max: int = BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered, in how many seconds."""

    status: int
    body: bytes
    retry_after: float | None
    took: float


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer. `sent`: the request may have arrived."""

    sent: bool
    why: str


Effect = Call | Pause
Flow = Generator[Any, Any, T]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and for how long, a call is repeated that may be repeated.

    `outage_seconds`: for how long to go on trying while no server is there at all. The default says so at once. Waiting for a
    person or a timer goes on for `outage_waiting_seconds`: nothing is lost by it. `hold_seconds_max`: the longest that the server
    is asked to hold an answer back; it holds none for longer than a minute.
    """

    attempts: int = 5
    first_seconds: float = 0.1
    most_seconds: float = 2.0
    retry_after_most_seconds: float = 10.0
    outage_seconds: float = 0.0
    outage_waiting_seconds: float = 60.0
    hold_seconds_max: float = 50.0
    chance: Callable[[], float] = field(default=random.random, repr=False)

    def delay(self, attempt: int) -> float:
        """Grows by doubling; half of it is chance, so that many clients do not come back together."""
        whole = min(self.first_seconds * 2.0 ** min(attempt, 30), self.most_seconds)
        return whole * (0.5 + 0.5 * self.chance())


def ask(call: Call, retry: Retry, *, waiting: bool = False) -> Flow[Reply]:
    """Makes a call, again where that is safe, and returns its good answer."""
    patience = max(retry.outage_seconds, retry.outage_waiting_seconds) if waiting else retry.outage_seconds
    attempt, away = 0, 0.0
    while True:
        answer: Reply | Lost = yield call
        if isinstance(answer, Lost):
            may_repeat = call.repeatable or not answer.sent
            # A connection that was cut is worth another try: the next one says whether anybody is there.
            again = may_repeat and ((answer.sent and attempt + 1 < retry.attempts) or away < patience)
            if not again:
                raise ServerUnavailable(answer.why, maybe_taken=answer.sent and call.method != "GET")
            delay = retry.delay(attempt)
            away += delay
        elif answer.status < 300:
            return answer
        else:
            error = _error(answer)
            if answer.status in (502, 504) and isinstance(error, ProtocolError):
                error = ServerUnavailable("the proxy before the server got no answer", maybe_taken=call.method != "GET")
            wait = answer.retry_after
            too_long = wait is not None and wait > retry.retry_after_most_seconds
            if not (error.retryable and call.repeatable) or too_long or attempt + 1 >= retry.attempts:
                raise error
            delay = retry.delay(attempt) if wait is None else wait
        attempt += 1
        yield Pause(delay)


def ask_json(call: Call, retry: Retry, *, waiting: bool = False) -> Flow[Any]:
    """As `ask`; returns the JSON of the answer."""
    reply = yield from ask(call, retry, waiting=waiting)
    return _json(reply)


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body) if reply.body else None
    except ValueError:
        raise ProtocolError("the answer is no JSON") from None


def _error(reply: Reply) -> CountersignError:
    try:
        problem = json.loads(reply.body)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "code" in problem:
        return of_problem(reply.status, problem)
    return ProtocolError(f"the answer has status {reply.status} and says nothing about it")


def request(call: Call, base: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The call as arguments of httpx."""
    own = dict(headers)
    if call.key is not None:
        own["idempotency-key"] = call.key
    asked: dict[str, Any] = {"method": call.method, "url": base + call.path, "headers": own}
    if call.query:
        asked["params"] = {name: str(value) for name, value in call.query.items()}
    if call.body is not None:
        own["content-type"] = "application/json"
        content = encode(call.body)
        if len(content) > call.bytes_max:
            raise RequestError(
                f"the request has {len(content)} bytes; at most {call.bytes_max} are taken",
                code="body_too_large",
                hint="send less: a reference instead of the content",
            )
        asked["content"] = content
    asked["timeout"] = httpx.Timeout(30.0 + call.hold, connect=5.0)
    return asked


def encode(value: Any) -> bytes:
    """JSON for the wire."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, NotJson) as error:
        raise ValueNotJson(f"the request is no JSON: {error}", "use texts, numbers, lists and dictionaries only") from None


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _lost(error: httpx.TransportError, base: str) -> Lost:
    if isinstance(error, httpx.UnsupportedProtocol):
        raise ProtocolError(f"`{base}` is no address of a server") from None
    if isinstance(error, _NOT_SENT):
        return Lost(sent=False, why=f"no server answers at {base}")
    return Lost(sent=True, why=f"the connection to {base} ended without an answer ({type(error).__name__})")


def _reply(response: httpx.Response, took: float) -> Reply:
    after = response.headers.get("retry-after")
    seconds = float(after) if after and after.isdigit() else None
    return Reply(response.status_code, response.content, seconds, took)


class Driver(Protocol):
    """Runs flows in the calling thread, whatever it takes."""

    def run(self, flow: Flow[T]) -> T: ...


class AsyncDriver(Protocol):
    """Runs flows on an event loop."""

    async def run(self, flow: Flow[T]) -> T: ...


class Timekeeper:
    """The time that a client lives in. Tests give it another one."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Lets time pass for others, too."""
        await asyncio.sleep(seconds)


class Sync:
    """Runs flows in the calling thread."""

    def __init__(self, http: httpx.Client, base: str, headers: Mapping[str, str], time: Timekeeper) -> None:
        self.http, self.base, self.headers, self.time = http, base, headers, time

    def run(self, flow: Flow[T]) -> T:
        answer: Any = None
        try:
            while True:
                effect = flow.send(answer)
                answer = self.perform(effect)
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            flow.close()

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Pause):
            self.time.sleep(effect.seconds)
            return None
        assert isinstance(effect, Call), "this client speaks HTTP only"
        asked, began = request(effect, self.base, self.headers), self.time.now()
        try:
            return _reply(self.http.request(**asked), self.time.now() - began)
        except httpx.TransportError as error:
            return _lost(error, self.base)


class Async:
    """Runs flows on an event loop."""

    def __init__(self, http: httpx.AsyncClient, base: str, headers: Mapping[str, str], time: Timekeeper) -> None:
        self.http, self.base, self.headers, self.time = http, base, headers, time

    async def run(self, flow: Flow[T]) -> T:
        answer: Any = None
        try:
            while True:
                effect = flow.send(answer)
                answer = await self.perform(effect)
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            flow.close()

    async def perform(self, effect: Any) -> Any:
        if isinstance(effect, Pause):
            await self.time.sleep_async(effect.seconds)
            return None
        assert isinstance(effect, Call), "this client speaks HTTP only"
        asked, began = request(effect, self.base, self.headers), self.time.now()
        try:
            return _reply(await self.http.request(**asked), self.time.now() - began)
        except httpx.TransportError as error:
            return _lost(error, self.base)
