"""Two lines around the tools that an agent has already.

    tools = govern([cancel_order, get_order], Client(), connector="crm")

A governed tool is called like the one that it stands for, but the server performs it: `cancel_order(...)` becomes the action
`crm.cancel_order`, under the rules, on record, once. The function itself is not called any more: its signature and its words
for the model are what is kept of it. LangChain's tools become tools again, see `countersign.langgraph`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ._canonical import NotJson, digest
from .action import Action
from .client import AsyncClient, Client
from .errors import ConfigError, InvalidRequest, ValueNotJson
from .run import AsyncRun, Run, current_run

Stopped = Literal["tell", "raise"]
Names = Mapping[str, str | None]


def govern(
    tools: Sequence[Any],
    by: Client | AsyncClient | Run | AsyncRun | None = None,
    *,
    connector: str | None = None,
    names: Names | None = None,
    wait: bool | float = True,
    stopped: Stopped = "tell",
) -> list[Any]:
    """The tools, governed: functions stay functions, coroutine functions stay such, LangChain tools stay LangChain tools.

    `by`: whose actions they become: a run's, or a client's, which finds the run (the `with` block around the call, the thread of
    a LangGraph graph) or starts one. `connector` is put before the names of the tools: `crm` and `cancel_order` is
    `crm.cancel_order`; `names` says otherwise for single ones, and `None` there leaves a tool alone. `wait`: how long a call
    waits for people, as in `Run.action`. `stopped`: what was not done is told to the model in words (`tell`), or raised.
    """
    governor = Governor(by, connector, names or {}, wait, stopped)
    return [governor.govern(tool) for tool in tools]


class Governor:
    """How tools are governed: what they are called on the server, and whose actions they are."""

    def __init__(
        self,
        by: Client | AsyncClient | Run | AsyncRun | None,
        connector: str | None,
        names: Names,
        wait: bool | float,
        stopped: Stopped,
    ) -> None:
        self.by = by
        self.connector = connector
        self.names = names
        self.wait = wait
        self.stopped = stopped
        self._own: Run | AsyncRun | None = None

    def govern(self, tool: Any) -> Any:
        """One tool."""
        if _is_langchain(tool):
            from .langgraph.tools import governed_tool

            return governed_tool(tool, self)
        name = getattr(tool, "__name__", None)
        if not callable(tool) or name is None:
            raise ConfigError(f"{tool!r} is no tool", "give functions, or tools of LangChain")
        full = self.name(name)
        if full is None:
            return tool
        return self._asynchronous(tool, full) if inspect.iscoroutinefunction(tool) else self._synchronous(tool, full)

    def name(self, name: str) -> str | None:
        """What the server calls it; `None` where it is left alone."""
        if name in self.names:
            return self.names[name]
        if "." in name:
            return name
        if "__" in name:
            # How the MCP gateway writes `connector.tool` for clients that allow no dots.
            return name.replace("__", ".", 1)
        if self.connector is None:
            raise ConfigError(
                f"the tool `{name}` has no connector",
                f'say where it is: govern(…, connector="crm"), or names={{"{name}": "crm.{name}"}}',
            )
        return f"{self.connector}.{name}"

    def words(self, action: Action) -> str:
        """What the model is told."""
        return action.words if self.stopped == "tell" else action.check().words

    def refused(self, error: InvalidRequest) -> str:
        """What the model is told about a call that was not taken: it may correct it."""
        if self.stopped == "raise":
            raise error
        more = "".join(f"\n- {one}" for one in error.problems)
        return f"{error.message} ({error.code}). {error.hint}{more}"

    def _synchronous(self, tool: Callable[..., Any], full: str) -> Callable[..., str]:
        @functools.wraps(tool)
        def governed(*args: Any, **kwargs: Any) -> str:
            run = self.run()
            if not isinstance(run, Run):
                raise ConfigError(f"`{tool.__name__}` is no coroutine, and its client is asynchronous", "use Client")
            return self._call(run, tool, full, args, kwargs)

        return governed

    def _asynchronous(self, tool: Callable[..., Any], full: str) -> Callable[..., Any]:
        @functools.wraps(tool)
        async def governed(*args: Any, **kwargs: Any) -> str:
            run = self.run()
            if isinstance(run, Run):
                return await asyncio.to_thread(self._call, run, tool, full, args, kwargs)
            arguments = _bound(tool, args, kwargs)
            await run.start()
            key = _key(run, full, arguments)
            try:
                action = await run._drive(run._session.act(full, arguments, key=key, reason=None, wait=self.wait, once=False))
            except InvalidRequest as error:
                return self.refused(error)
            return self.words(action)

        return governed

    def _call(self, run: Run, tool: Callable[..., Any], full: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        arguments = _bound(tool, args, kwargs)
        run.start()
        key = _key(run, full, arguments)
        try:
            action = run._drive(run._session.act(full, arguments, key=key, reason=None, wait=self.wait, once=False))
        except InvalidRequest as error:
            return self.refused(error)
        return self.words(action)

    def run(self) -> Run | AsyncRun:
        """The run whose actions the calls become."""
        if isinstance(self.by, Run | AsyncRun):
            return self.by
        around = current_run()
        if around is not None:
            return around
        if self.by is None:
            raise ConfigError("nobody says whose actions these are", "govern(tools, client), or call them within a run")
        if self._own is None:
            self._own = self.by.run(key=f"govern-{uuid.uuid4()}")
        return self._own


def _bound(tool: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, with what the function fills in; `None` is what was not said."""
    signature = inspect.signature(tool)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            if value:
                raise ConfigError(f"`{tool.__name__}` was called with arguments that have no name", "name them")
        elif value is not None:
            arguments[name] = value
    return arguments


def _key(run: Run | AsyncRun, full: str, arguments: Mapping[str, Any]) -> str:
    """Names the call by what it is, and by how many of the same came before it in this session."""
    try:
        same = f"{full} {digest(arguments)[:32]}"
    except NotJson as error:
        raise ValueNotJson(f"an argument of `{full}` is no JSON: {error}", "give JSON values") from None
    times = run._session.times(same)
    return same if times == 0 else f"{same} #{times + 1}"


def _is_langchain(tool: Any) -> bool:
    base = sys.modules.get("langchain_core.tools")
    return base is not None and isinstance(tool, base.BaseTool)
