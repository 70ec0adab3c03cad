"""The client: where the server is, with which key, and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import httpx

from . import action as actions
from ._session import follow, header
from ._transport import Async, Call, Flow, Retry, Sync, Timekeeper, ask_json
from .action import Action
from .errors import ConfigError, ServerUnavailable
from .results import Results
from .run import AsyncRun, Run

if TYPE_CHECKING:
    from . import _wire

AGENT = "countersign-python/0.1.0"


class _Settings:
    """What both clients are told."""

    def __init__(self, url: str | None, key: str | None, key_file: str | os.PathLike[str] | None, retry: Retry | None) -> None:
        address = url or os.environ.get("COUNTERSIGN_URL")
        if not address:
            raise ConfigError("the client does not know where the server is", "set COUNTERSIGN_URL, or give `url`")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"`{address}` is no address of a server", "it looks like http://127.0.0.1:7400")
        self.base = address.rstrip("/")
        # A proxy of the environment is for the world outside, not for a server on this machine.
        self.local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self.key = _key(key, key_file)
        self.retry = retry or Retry()
        self.headers = {"authorization": f"Bearer {self.key}", "accept": "application/json", "user-agent": AGENT}


def _key(key: str | None, key_file: str | os.PathLike[str] | None) -> str:
    file = key_file if key_file is not None else os.environ.get("COUNTERSIGN_KEY_FILE")
    found = key or (None if key_file is not None else os.environ.get("COUNTERSIGN_KEY"))
    if not found and file is not None:
        try:
            found = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the key file cannot be read: {error}", "`countersign keys create --out FILE` makes one") from None
    found = (found or "").strip()
    if not found or not found.isascii() or not found.isprintable():
        raise ConfigError(
            "the client has no key",
            "set COUNTERSIGN_KEY, or give `key`; `countersign keys create --agent NAME` makes one",
        )
    return found


def _start(
    name: str | None, agent: str | None, title: str | None, on_behalf_of: str | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    start: dict[str, Any] = dict(more)
    for member, value in (
        ("conversation", name),
        ("agent", agent),
        ("title", title),
        ("on_behalf_of", on_behalf_of),
    ):
        if value is not None:
            start[member] = value
    return start


class _Asks:
    """Requests that are no runs, as flows."""

    def __init__(self, retry: Retry) -> None:
        self.retry = retry

    def get(self, path: str, query: Mapping[str, str | int | None] | None = None) -> Flow[Any]:
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return ask_json(Call("GET", path, query=asked), self.retry)

    def action(self, action: str, wait: bool | float) -> Flow[Action]:
        found = actions.of_wire((yield from self.get(f"/v1/actions/{action}")))
        return (yield from follow(found, wait, self.retry))

    def withdraw(self, action: str) -> Flow[Action]:
        return actions.of_wire((yield from ask_json(Call("POST", f"/v1/actions/{action}/withdraw", {}), self.retry)))

    def approve(self, approval: str, seen: str) -> Flow[_wire.Approval]:
        # A person's answer is given once: repeated blindly, the second one would be told that it came twice.
        call = Call("POST", f"/v1/approvals/{approval}/approve", {"seen": seen}, repeatable=False)
        return ask_json(call, self.retry)

    def reject(self, approval: str, reason: str) -> Flow[_wire.Approval]:
        call = Call("POST", f"/v1/approvals/{approval}/reject", {"reason": reason}, repeatable=False)
        return ask_json(call, self.retry)

    def signal(self, run: str, name: str, value: Any, key: str) -> Flow[int]:
        call = Call("POST", f"/v1/runs/{run}/signals", {"name": name, "value": value}, key=header(key))
        return cast(int, (yield from ask_json(call, self.retry))["seq"])

    def dispatch(self, start: Mapping[str, Any], key: str) -> Flow[_wire.Run]:
        return ask_json(Call("POST", "/v1/runs", dict(start), key=header(key)), self.retry)


class Client:
    """Asks a Countersign server, from any thread.

    `url` and `key` are taken from `COUNTERSIGN_URL` and `COUNTERSIGN_KEY` (or `COUNTERSIGN_KEY_FILE`) where they are left out.
    When the server is not there, calls raise `ServerUnavailable` at once; `retry` says otherwise. Nothing is ever assumed to
    be allowed because nobody could be asked.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        retry: Retry | None = None,
        results: Results | None = None,
        transport: httpx.BaseTransport | None = None,
        time: Timekeeper | None = None,
    ) -> None:
        settings = _Settings(url, key, key_file, retry)
        http = httpx.Client(transport=transport, trust_env=not settings.local, limits=httpx.Limits(max_connections=100))
        self.retry = settings.retry
        self.results = results
        self._http = http
        self._driver = Sync(http, settings.base, settings.headers, time or Timekeeper())
        self._asks = _Asks(settings.retry)

    def run(
        self,
        name: str | None = None,
        *,
        key: str | None = None,
        agent: str | None = None,
        title: str | None = None,
        on_behalf_of: str | None = None,
        finish: bool = True,
        **more: Any,
    ) -> Run:
        """A run for a `with` block: started there, or found again where the same name started it before.

        `name`: the conversation, ticket or order that it serves. `key` instead names the request: the same key with another
        title is an error. `agent` is needed with keys that are no agent's. The block's end finishes the run, an exception
        leaves it open for another try; `finish=False` always leaves it open.
        """
        if name is None and key is None:
            raise ConfigError("the run has no name", "name what it serves: client.run('refund-4711')")
        start = _start(name, agent, title, on_behalf_of, more)
        return Run(self._driver, start, header(key) if key is not None else None, self.retry, self.results, finish)

    def brief(self, run: str, *, tokens: int = 2000, tokenizer: str = "o200k_base") -> _wire.Brief:
        """What whoever takes the run up must know, from the journal, in at most so many tokens: `text` is ready for a prompt."""
        query: dict[str, str | int | None] = {"tokens": tokens, "tokenizer": tokenizer}
        return cast("_wire.Brief", self._driver.run(self._asks.get(f"/v1/runs/{run}/brief", query)))

    def get_run(self, run: str) -> _wire.Run:
        """The run with this id."""
        return cast("_wire.Run", self._driver.run(self._asks.get(f"/v1/runs/{run}")))

    def runs(self, *, agent: str | None = None, status: str | None = None) -> Iterator[_wire.Run]:
        """Runs, newest first."""
        yield from self._pages("/v1/runs", {"agent": agent, "status": status})

    def action(self, action: str, *, wait: bool | float = False) -> Action:
        """The action with this id; where `wait` says so, when it is settled."""
        return self._driver.run(self._asks.action(action, wait))

    def actions(self, *, run: str | None = None, status: str | None = None, tool: str | None = None) -> Iterator[Action]:
        """Actions, newest first."""
        for one in self._pages("/v1/actions", {"run": run, "status": status, "tool": tool}):
            yield actions.of_wire(one)

    def withdraw(self, action: str) -> Action:
        """Takes a waiting action back."""
        return self._driver.run(self._asks.withdraw(action))

    def approvals(self, *, status: str | None = "waiting", action: str | None = None) -> Iterator[_wire.Approval]:
        """Requests for a countersignature."""
        yield from self._pages("/v1/approvals", {"status": status, "action": action})

    def approval(self, approval: str) -> _wire.Approval:
        """One request, with the page that is decided on."""
        return cast("_wire.Approval", self._driver.run(self._asks.get(f"/v1/approvals/{approval}")))

    def approve(self, approval: str, *, seen: str) -> _wire.Approval:
        """Approves what was shown: `seen` is the digest of the page that was read. Needs a person's key."""
        return self._driver.run(self._asks.approve(approval, seen))

    def reject(self, approval: str, *, reason: str) -> _wire.Approval:
        """Rejects it; the agent is told why. Needs a person's key."""
        return self._driver.run(self._asks.reject(approval, reason))

    def signal(self, run: str, name: str, value: Any = None, *, key: str) -> int:
        """Tells a run something. The same `key` says it once, however often it is sent."""
        return self._driver.run(self._asks.signal(run, name, value, key))

    def dispatch(
        self,
        task: str,
        input: Any = None,  # noqa: A002
        *,
        key: str,
        agent: str | None = None,
        title: str | None = None,
        **more: Any,
    ) -> _wire.Run:
        """Gives a task to the agent's workers. The same `key` with the same request is the same run."""
        start = _start(None, agent, title, None, {"task": task, "input": input, **more})
        return self._driver.run(self._asks.dispatch(start, key))

    def me(self) -> _wire.Me:
        """Whom the key speaks for."""
        return cast("_wire.Me", self._driver.run(self._asks.get("/v1/me")))

    def connectors(self) -> list[_wire.Connector]:
        """Connectors with their tools."""
        return cast("list[_wire.Connector]", self._driver.run(self._asks.get("/v1/connectors")))

    def available(self) -> bool:
        """Whether the server is there and takes this key's requests."""
        try:
            self.me()
        except ServerUnavailable:
            return False
        return True

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _pages(self, path: str, query: Mapping[str, str | int | None]) -> Iterator[Any]:
        after: str | None = None
        while True:
            page = self._driver.run(self._asks.get(path, {**query, "after": after}))
            yield from page["items"]
            after = page.get("next")
            if after is None:
                return


class AsyncClient:
    """As `Client`, on an event loop."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        retry: Retry | None = None,
        results: Results | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        time: Timekeeper | None = None,
    ) -> None:
        settings = _Settings(url, key, key_file, retry)
        http = httpx.AsyncClient(transport=transport, trust_env=not settings.local, limits=httpx.Limits(max_connections=100))
        self.retry = settings.retry
        self.results = results
        self._http = http
        self._driver = Async(http, settings.base, settings.headers, time or Timekeeper())
        self._asks = _Asks(settings.retry)

    def run(
        self,
        name: str | None = None,
        *,
        key: str | None = None,
        agent: str | None = None,
        title: str | None = None,
        on_behalf_of: str | None = None,
        finish: bool = True,
        **more: Any,
    ) -> AsyncRun:
        """As `Client.run`, for `async with`."""
        if name is None and key is None:
            raise ConfigError("the run has no name", "name what it serves: client.run('refund-4711')")
        start = _start(name, agent, title, on_behalf_of, more)
        return AsyncRun(self._driver, start, header(key) if key is not None else None, self.retry, self.results, finish)

    async def brief(self, run: str, *, tokens: int = 2000, tokenizer: str = "o200k_base") -> _wire.Brief:
        """As `Client.brief`."""
        query: dict[str, str | int | None] = {"tokens": tokens, "tokenizer": tokenizer}
        return cast("_wire.Brief", await self._driver.run(self._asks.get(f"/v1/runs/{run}/brief", query)))

    async def get_run(self, run: str) -> _wire.Run:
        """As `Client.get_run`."""
        return cast("_wire.Run", await self._driver.run(self._asks.get(f"/v1/runs/{run}")))

    async def action(self, action: str, *, wait: bool | float = False) -> Action:
        """As `Client.action`."""
        return await self._driver.run(self._asks.action(action, wait))

    async def withdraw(self, action: str) -> Action:
        """As `Client.withdraw`."""
        return await self._driver.run(self._asks.withdraw(action))

    async def approval(self, approval: str) -> _wire.Approval:
        """As `Client.approval`."""
        return cast("_wire.Approval", await self._driver.run(self._asks.get(f"/v1/approvals/{approval}")))

    async def approve(self, approval: str, *, seen: str) -> _wire.Approval:
        """As `Client.approve`."""
        return await self._driver.run(self._asks.approve(approval, seen))

    async def reject(self, approval: str, *, reason: str) -> _wire.Approval:
        """As `Client.reject`."""
        return await self._driver.run(self._asks.reject(approval, reason))

    async def signal(self, run: str, name: str, value: Any = None, *, key: str) -> int:
        """As `Client.signal`."""
        return await self._driver.run(self._asks.signal(run, name, value, key))

    async def dispatch(
        self,
        task: str,
        input: Any = None,  # noqa: A002
        *,
        key: str,
        agent: str | None = None,
        title: str | None = None,
        **more: Any,
    ) -> _wire.Run:
        """As `Client.dispatch`."""
        start = _start(None, agent, title, None, {"task": task, "input": input, **more})
        return await self._driver.run(self._asks.dispatch(start, key))

    async def me(self) -> _wire.Me:
        """As `Client.me`."""
        return cast("_wire.Me", await self._driver.run(self._asks.get("/v1/me")))

    async def available(self) -> bool:
        """As `Client.available`."""
        try:
            await self.me()
        except ServerUnavailable:
            return False
        return True

    async def close(self) -> None:
        """As `Client.close`."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
