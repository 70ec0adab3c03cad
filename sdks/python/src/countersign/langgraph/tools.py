"""LangChain tools that act through Countersign, inside LangGraph or without it.

While a person decides, a tool *interrupts* the graph: the process may end, and any process that resumes the thread calls the
tool again, finds the same action under the same key (the id of the model's tool call) and gets its outcome. Without a
checkpointer there is nothing to resume, so the call waits instead.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools import tool as make_tool
from langgraph.types import interrupt
from pydantic_core import to_jsonable_python

from .._canonical import digest
from ..action import Action
from ..client import AsyncClient, Client
from ..errors import ConfigError, InvalidRequest
from ..govern import Governor, Names, Stopped
from ..run import AsyncRun, Run

RUNS_MAX = 1_000
INTERRUPT = "countersign"
_CHECKPOINTER = "__pregel_checkpointer"
_call_id: ContextVar[str | None] = ContextVar("countersign.tool_call", default=None)


def govern(
    tools: Sequence[Any],
    by: Client | AsyncClient | Run | AsyncRun,
    *,
    connector: str | None = None,
    names: Names | None = None,
    wait: bool | float = True,
    stopped: Stopped = "tell",
) -> list[BaseTool]:
    """As `countersign.govern`, and functions become LangChain tools: only those know which call of the model they answer.

    `wait` is for graphs without a checkpointer; with one, an approval interrupts the graph.
    """
    made = [one if isinstance(one, BaseTool) else make_tool(one) for one in tools]
    governor = Governor(by, connector, names or {}, wait, stopped)
    return [governor.govern(one) for one in made]


def waiting_for(state: Any) -> list[Mapping[str, Any]]:
    """What a graph waits for at Countersign, by its state (`graph.get_state(config)`) or by what `invoke` returned: a mapping
    each with `action`, `approval`, `tool`, `headline`, `message`."""
    found = state.get("__interrupt__", ()) if isinstance(state, Mapping) else getattr(state, "interrupts", ())
    values = (getattr(one, "value", None) for one in found)
    return [value[INTERRUPT] for value in values if isinstance(value, Mapping) and INTERRUPT in value]


class _Threads:
    """Runs by thread of a graph: started once a process, bounded."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run | AsyncRun] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, governor: Governor, thread: str | None) -> Run | AsyncRun:
        if thread is None or isinstance(governor.by, Run | AsyncRun) or governor.by is None:
            return governor.run()
        with self._lock:
            run = self._runs.pop(thread, None) or governor.by.run(thread, finish=False)
            self._runs[thread] = run
            while len(self._runs) > RUNS_MAX:
                self._runs.popitem(last=False)
        return run


class GovernedTool(BaseTool):
    """A tool that the server performs."""

    full_name: str
    governor: Any
    threads: Any

    def run(self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        token = _call_id.set(tool_call_id)
        try:
            return super().run(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _call_id.reset(token)

    async def arun(self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        token = _call_id.set(tool_call_id)
        try:
            return await super().arun(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _call_id.reset(token)

    def _run(self, *, config: RunnableConfig, **arguments: Any) -> Any:
        configurable = ensure_config(config).get("configurable", {})
        run = self.threads.run(self.governor, _thread(configurable))
        if not isinstance(run, Run):
            raise ConfigError(f"`{self.name}` is called synchronously, and its client is asynchronous", "use Client, or ainvoke")
        plain = to_jsonable_python(arguments, exclude_none=True)
        resumable = bool(configurable.get(_CHECKPOINTER))
        run.start()
        while True:
            key = self._key(configurable, plain)
            wait = False if resumable else self.governor.wait
            try:
                action = run._drive(run._session.act(self.full_name, plain, key=key, reason=None, wait=wait, once=False))
            except InvalidRequest as error:
                raise ToolException(self.governor.refused(error)) from error
            if not (resumable and action.waiting):
                return self._told(action)
            interrupt(_ticket(action))

    async def _arun(self, *, config: RunnableConfig, **arguments: Any) -> Any:
        configurable = ensure_config(config).get("configurable", {})
        run = self.threads.run(self.governor, _thread(configurable))
        if isinstance(run, Run):
            return await asyncio.to_thread(lambda: self._run(config=config, **arguments))
        plain = to_jsonable_python(arguments, exclude_none=True)
        resumable = bool(configurable.get(_CHECKPOINTER))
        await run.start()
        while True:
            key = self._key(configurable, plain)
            wait = False if resumable else self.governor.wait
            try:
                action = await run._drive(run._session.act(self.full_name, plain, key=key, reason=None, wait=wait, once=False))
            except InvalidRequest as error:
                raise ToolException(self.governor.refused(error)) from error
            if not (resumable and action.waiting):
                return self._told(action)
            interrupt(_ticket(action))

    def _key(self, configurable: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
        """The id of the model's call. Where a node calls the tool itself, its task and the arguments: the task has the same
        name when it is resumed, so an identical call within one task is the same action."""
        call = _call_id.get()
        if call is not None:
            return f"call {call}"
        place = configurable.get("checkpoint_ns") or ""
        return f"{self.full_name} {digest([place, arguments])[:32]}"

    def _told(self, action: Action) -> Any:
        words = self.governor.words(action)
        if action.confirmed or not action.settled:
            return words
        raise ToolException(words)


def _thread(configurable: Mapping[str, Any]) -> str | None:
    thread = configurable.get("thread_id")
    return None if thread is None else str(thread)


def _ticket(action: Action) -> dict[str, Any]:
    """What the graph's owner is told while a person decides."""
    return {
        INTERRUPT: {
            "action": action.id,
            "approval": action.approval,
            "run": action.run,
            "tool": action.tool,
            "headline": action.headline,
            "message": action.message,
        }
    }


def governed_tool(tool: BaseTool, governor: Governor) -> BaseTool:
    """The tool, governed; itself where its name says that it is left alone."""
    full = governor.name(tool.name)
    if full is None:
        return tool
    if not hasattr(governor, "threads"):
        governor.threads = _Threads()  # type: ignore[attr-defined]
    return GovernedTool(
        name=tool.name,
        description=tool.description,
        # Without what LangGraph would inject into the function: it is not called any more.
        args_schema=tool.tool_call_schema,
        return_direct=tool.return_direct,
        tags=tool.tags,
        metadata=tool.metadata,
        handle_tool_error=True,
        handle_validation_error=tool.handle_validation_error,
        full_name=full,
        governor=governor,
        threads=governor.threads,  # type: ignore[attr-defined]
    )
