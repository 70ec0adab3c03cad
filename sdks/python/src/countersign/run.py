"""Runs: pieces of work that may be interrupted anywhere and carried on by another process.

    with client.run("refund-4711", title="Refund for Ada") as run:
        order = run.context("order", load_order, "#W1000001")
        plan = run.think("plan", ask_model, order)
        run.action("crm.cancel_pending_order", key="cancel", order_id="#W1000001", ...)

Whatever was done is on record under its key. When the program comes here again, it gets the recorded results, whatever it
does in between: there are no rules of determinism, except that a key names one thing.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, cast, overload

from ._session import MISSING, Decision, Hit, HttpWire, Missing, Session, StepCall, StepSpec
from ._transport import Call, Flow, Retry, ask_json
from .action import Action
from .errors import ConfigError, Final, ServerUnavailable
from .waits import Condition, Met

if TYPE_CHECKING:
    from . import _wire
    from ._transport import AsyncDriver, Driver
    from .results import Results

P = ParamSpec("P")
T = TypeVar("T")

Outcome = Literal["done", "failed", "cancelled"]
_current: ContextVar[Run | AsyncRun | None] = ContextVar("countersign.run", default=None)


def current_run() -> Run | AsyncRun | None:
    """The run of the innermost `with client.run(...)` around the caller."""
    return _current.get()


class _Begun:
    """What runs of both kinds have in common: how they are started, and what is known of them."""

    def __init__(self, start: Mapping[str, Any], key: str | None, retry: Retry, results: Results | None, finish: bool) -> None:
        self._start = dict(start)
        self._key = key
        self._retry = retry
        self._results = results
        self._finish = finish
        self._wire: _wire.Run | None = None
        self._open_session: Session | None = None
        self._token: Token[Run | AsyncRun | None] | None = None

    @property
    def _session(self) -> Session:
        if self._open_session is None:
            raise ConfigError("the run was not started", "use it in a `with` block, or call `start()` first")
        return self._open_session

    @property
    def wire(self) -> _wire.Run:
        """The run as the server last described it."""
        if self._wire is None:
            raise ConfigError("the run was not started", "use it in a `with` block, or call `start()` first")
        return self._wire

    @property
    def id(self) -> str:
        """`run_…`"""
        return self.wire["id"]

    @property
    def agent(self) -> str:
        """Its agent."""
        return self.wire["agent"]

    @property
    def status(self) -> str:
        """`open`, `done`, `failed` or `cancelled`, as of the last answer."""
        return self.wire["status"]

    def _begin(self) -> Flow[None]:
        call = Call("POST", "/v1/runs", self._start, key=self._key)
        self._adopt((yield from ask_json(call, self._retry)))

    def _adopt(self, run: _wire.Run) -> None:
        self._wire = run
        if self._open_session is None:
            self._open_session = Session(HttpWire(run["id"], self._retry), self._results)

    def _end(self, outcome: Outcome, result: Any, error: Any) -> Flow[None]:
        ended = yield from self._session.wire.finish(outcome, result, error)
        if ended is not None:
            self._wire = cast("_wire.Run", ended)


def _arguments(given: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    return {**(given or {}), **more}


def _spec(key: str | StepSpec, kind: str) -> StepSpec:
    if isinstance(key, str):
        return StepSpec(key, kind)
    return key if key.kind != "task" or kind == "task" else StepSpec(key.key, kind, key.input)


def _mode(any_of: Sequence[Condition], all_of: Sequence[Condition] | None) -> tuple[str, Sequence[Condition]]:
    if all_of is None:
        return "any_of", any_of
    if any_of:
        raise ConfigError("a wait is for any of its conditions or for all of them", "split it into two waits")
    return "all_of", all_of


class Run(_Begun):
    """A run driven by this process. Made by `Client.run`; safe to use from several threads."""

    def __init__(
        self,
        driver: Driver,
        start: Mapping[str, Any],
        key: str | None,
        retry: Retry,
        results: Results | None,
        finish: bool,
    ) -> None:
        super().__init__(start, key, retry, results, finish)
        self._driver = driver
        self._loading = threading.Lock()

    def start(self) -> Self:
        """Starts the run, or finds the one that the same name started. Once is enough; `with` does it."""
        if self._wire is None:
            self._drive(self._begin())
        return self

    def __enter__(self) -> Self:
        self.start()
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the run as `done` where the block came to its end; leaves it open where it was interrupted."""
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if error is None and self._finish and self.status == "open":
            self.finish()

    @overload
    def step(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @overload
    def step(self, key: str | StepSpec, /) -> Callable[[Callable[P, T]], Callable[P, T]]: ...

    def step(self, key: str | StepSpec, fn: Callable[..., Any] | None = None, /, *args: Any, **kwargs: Any) -> Any:
        """Does the work once: calls `fn`, records what it returns, and gives back what is on record ever after.

        The input is what stands after `fn`; the same key with another input is `StepMismatch`. An exception is not recorded, so
        the step is done again next time, unless it is `Final`. Without `fn` it is a decorator.
        """
        return self._memo(_spec(key, "task"), fn, args, kwargs)

    def context(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A step that reads something that the run relies on."""
        return cast(T, self._memo(_spec(key, "context"), fn, args, kwargs))

    def think(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A step that asks a model."""
        return cast(T, self._memo(_spec(key, "think"), fn, args, kwargs))

    def decide(self, key: str, *, chosen: Any, because: str, rejected: Sequence[Any] = (), basis: Any = None) -> Decision:
        """Records a choice with its reasons and what was not chosen. A choice that is on record stands: use what is returned.

        `basis`: what it depends on; another basis under the same key is `StepMismatch`.
        """
        return self._drive(self._session.decide(key, chosen, because, rejected, basis))

    def propose(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        key: str | None = None,
        reason: str | None = None,
        wait: bool | float = True,
        **more: Any,
    ) -> Action:
        """As `action`, but returns how it stands instead of raising."""
        given = _arguments(arguments, more)
        return self._drive(self._session.act(tool, given, key=key, reason=reason, wait=wait))

    def action(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        key: str | None = None,
        reason: str | None = None,
        wait: bool | float = True,
        **more: Any,
    ) -> Action:
        """Has the server use a tool, if the rules and the people say yes. Never twice under one key.

        Arguments of the tool are given by name, or as a mapping where their names collide with ours. `key` names the action
        within the run; left out, tool and arguments name it. `wait`: `True` waits for people as long as it takes, `False` does
        not, a number waits for so many seconds. Raises what says why it was not done: `Refused`, `Rejected`, `Expired`,
        `Withdrawn`, `Failed`, `OutcomeUnknown`, `ApprovalPending`.
        """
        return self.propose(tool, arguments, key=key, reason=reason, wait=wait, **more).check()

    def wait(self, key: str, *any_of: Condition, all_of: Sequence[Condition] | None = None, timeout: float | None = None) -> Met:
        """Waits for any of the conditions, or for all of `all_of`. `timeout` in seconds: after it, `StillWaiting`."""
        return self._drive(self._session.wait(key, *_mode(any_of, all_of), timeout))

    def finish(self, outcome: Outcome = "done", *, result: Any = None, error: Any = None) -> None:
        """Ends the run. Twice with the same outcome is once."""
        self._drive(self._end(outcome, result, error))

    def _drive(self, flow: Flow[T]) -> T:
        return self._driver.run(flow)

    def _load(self) -> None:
        with self._loading:
            if self._session.memo is None:
                self._drive(self._session.load())

    def _memo(self, spec: StepSpec, fn: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if fn is None:

            def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
                @functools.wraps(inner)
                def memoised(*args: Any, **kwargs: Any) -> Any:
                    return self._memo(spec, inner, args, kwargs)

                return memoised

            return decorate
        if inspect.iscoroutinefunction(fn):
            raise ConfigError(f"the step `{spec.key}` is a coroutine", "use AsyncClient, or a plain function")
        if self._session.memo is None:
            self._load()
        call = StepCall(self._session, spec, args, kwargs)
        hit: Hit | None = self._drive(call.look())
        if hit is not None:
            return hit.value
        try:
            value = fn(*args, **kwargs)
        except Final as error:
            raise self._drive(call.failed(error)) from error
        except BaseException:
            call.release()
            raise
        return self._drive(call.done(value))


class AsyncRun(_Begun):
    """A run driven by this process, on an event loop. Made by `AsyncClient.run`; steps may run side by side."""

    def __init__(
        self,
        driver: AsyncDriver,
        start: Mapping[str, Any],
        key: str | None,
        retry: Retry,
        results: Results | None,
        finish: bool,
    ) -> None:
        super().__init__(start, key, retry, results, finish)
        self._driver = driver
        self._loading = asyncio.Lock()

    async def start(self) -> Self:
        """As `Run.start`."""
        if self._wire is None:
            await self._drive(self._begin())
        return self

    async def __aenter__(self) -> Self:
        await self.start()
        self._token = _current.set(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """As `Run.__exit__`."""
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if error is None and self._finish and self.status == "open":
            await self.finish()

    @overload
    async def step(self, key: str | StepSpec, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @overload
    async def step(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def step(self, key: str | StepSpec, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As `Run.step`; `fn` may be a coroutine function."""
        return await self._memo(_spec(key, "task"), fn, args, kwargs)

    @overload
    async def context(self, key: str | StepSpec, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @overload
    async def context(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def context(self, key: str | StepSpec, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As `Run.context`."""
        return await self._memo(_spec(key, "context"), fn, args, kwargs)

    @overload
    async def think(self, key: str | StepSpec, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @overload
    async def think(self, key: str | StepSpec, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def think(self, key: str | StepSpec, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As `Run.think`."""
        return await self._memo(_spec(key, "think"), fn, args, kwargs)

    async def decide(self, key: str, *, chosen: Any, because: str, rejected: Sequence[Any] = (), basis: Any = None) -> Decision:
        """As `Run.decide`."""
        return await self._drive(self._session.decide(key, chosen, because, rejected, basis))

    async def propose(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        key: str | None = None,
        reason: str | None = None,
        wait: bool | float = True,
        **more: Any,
    ) -> Action:
        """As `Run.propose`."""
        given = _arguments(arguments, more)
        return await self._drive(self._session.act(tool, given, key=key, reason=reason, wait=wait))

    async def action(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        key: str | None = None,
        reason: str | None = None,
        wait: bool | float = True,
        **more: Any,
    ) -> Action:
        """As `Run.action`."""
        return (await self.propose(tool, arguments, key=key, reason=reason, wait=wait, **more)).check()

    async def wait(
        self, key: str, *any_of: Condition, all_of: Sequence[Condition] | None = None, timeout: float | None = None
    ) -> Met:
        """As `Run.wait`."""
        return await self._drive(self._session.wait(key, *_mode(any_of, all_of), timeout))

    async def finish(self, outcome: Outcome = "done", *, result: Any = None, error: Any = None) -> None:
        """As `Run.finish`."""
        await self._drive(self._end(outcome, result, error))

    async def _drive(self, flow: Flow[T]) -> T:
        return await self._driver.run(flow)

    async def _load(self) -> None:
        async with self._loading:
            if self._session.memo is None:
                await self._drive(self._session.load())

    async def _memo(self, spec: StepSpec, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._session.memo is None:
            await self._load()
        call = StepCall(self._session, spec, args, kwargs)
        hit: Hit | None = await self._drive(call.look())
        if hit is not None:
            return hit.value
        try:
            value = fn(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
        except Final as error:
            raise await self._drive(call.failed(error)) from error
        except BaseException:
            call.release()
            raise
        return await self._drive(call.done(value))


def step(key: str, *, kind: str = "task", input: Any = MISSING) -> Callable[[Callable[P, T]], Callable[P, T]]:  # noqa: A002
    """Makes a function a step of whatever run is current when it is called.

        @step("order-{order_id}", kind="context")
        def load_order(order_id: str) -> dict: ...

    The key may name arguments of the function in braces. Outside of a run the function is called as it is.
    """

    def decorate(fn: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(fn)

        def spec(args: Sequence[Any], kwargs: Mapping[str, Any]) -> StepSpec:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return StepSpec(key.format_map(bound.arguments), kind, input)

        if inspect.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> Any:
                run = current_run()
                if run is None:
                    return await fn(*args, **kwargs)
                if not isinstance(run, AsyncRun):
                    raise ConfigError(f"`{fn.__name__}` is a coroutine in a run of Client", "use AsyncClient")
                return await run._memo(spec(args, kwargs), fn, args, kwargs)

            return cast(Callable[P, T], asynchronous)

        @functools.wraps(fn)
        def synchronous(*args: P.args, **kwargs: P.kwargs) -> T:
            run = current_run()
            if run is None:
                return fn(*args, **kwargs)
            if not isinstance(run, Run):
                raise ConfigError(f"`{fn.__name__}` is no coroutine, in a run of AsyncClient", "make it `async def`")
            return cast(T, run._memo(spec(args, kwargs), fn, args, kwargs))

        return synchronous

    return decorate


__all__ = [
    "AsyncRun",
    "Decision",
    "Missing",
    "Outcome",
    "Run",
    "ServerUnavailable",
    "StepSpec",
    "current_run",
    "step",
]
