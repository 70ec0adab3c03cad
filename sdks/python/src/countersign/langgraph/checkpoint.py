"""A LangGraph checkpointer that keeps threads in Countersign: sealed, in the journal, acknowledged when they are on the disk.

    graph = builder.compile(checkpointer=CountersignSaver())

What to do is written once, as flows (`countersign._transport`); the methods with and without `a` run the same ones.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import random
import threading
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from .._transport import Call, Flow, Retry, ask_json
from ..client import AsyncClient, Client
from ..errors import RequestError

T = TypeVar("T")

# A whole checkpoint in base64, as the server takes it.
_BODY_BYTES_MAX = 12 << 20
_PAGE = 50
_NAMES_MAX = 100
_NAME_BYTES_MAX = 128
# Of so many namespaces of threads it is remembered what was newest; of more, the oldest is forgotten.
_REMEMBERED_MAX = 10_000
# What is larger is not offered as a filter.
_FILTER_BYTES_MAX = 4_096


class CheckpointFenced(RequestError):
    """Another process went on with this thread since this one last looked; nothing was saved."""


class CheckpointConflict(RequestError):
    """A checkpoint of this id is on record with other content; nothing was saved."""


_ERRORS: dict[str, type[RequestError]] = {"checkpoint_fenced": CheckpointFenced, "checkpoint_conflict": CheckpointConflict}


class _Place(NamedTuple):
    """Where in which thread."""

    thread: str
    namespace: str


class CountersignSaver(BaseCheckpointSaver[str]):
    """Keeps checkpoints in Countersign, for graphs that run with or without an event loop.

    Address and key are taken from `COUNTERSIGN_URL` and `COUNTERSIGN_KEY` where they are left out; the key is an agent's, and
    the threads are that agent's. `retry` says how long an outage is waited for: by default not at all.

    `fenced`: a checkpoint is saved only where nobody else saved one since this process last looked at the thread. Of two
    processes that drive one thread, the one that was overtaken gets `CheckpointFenced` instead of forking the thread.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        agent: str | None = None,
        retry: Retry | None = None,
        serde: SerializerProtocol | None = None,
        fenced: bool = False,
    ) -> None:
        super().__init__(serde=serde)
        self.fenced = fenced
        self._agent = agent
        self._access: dict[str, Any] = {"url": url, "key": key, "key_file": key_file, "retry": retry}
        self._client = Client(**self._access)
        self._retry = self._client.retry
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = weakref.WeakKeyDictionary()
        self._seen: OrderedDict[_Place, str | None] = OrderedDict()
        self._lock = threading.Lock()

    # Without an event loop.

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """Saves a checkpoint; returns when it is on the disk."""
        return self._run(self._put(config, checkpoint, metadata, new_versions))

    def put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Keeps what a task wrote; returns when it is on the disk."""
        self._run(self._put_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, else the newest of its thread."""
        return self._run(self._get_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, the last saved first."""
        asked = self._asked(config, filter, before)
        left, after = limit, None
        while left is None or left > 0:
            page, after = self._run(self._page(asked, config, filter, left, after))
            yield from page[:left]
            left = None if left is None else left - len(page)
            if after is None:
                return

    def delete_thread(self, thread_id: str) -> None:
        """Deletes a thread: its keys are destroyed, and its content can be opened by nobody."""
        self._run(self._delete_threads([thread_id]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Removes the checkpoints that these runs made."""
        self._run(self._delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies all checkpoints with their writes into another thread."""
        self._run(self._copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Leaves the newest checkpoint of each namespace and what it is put together from, or nothing (`delete`)."""
        self._run(self._prune(thread_ids, strategy))

    def get_delta_channel_history(self, *, config: RunnableConfig, channels: Sequence[str]) -> Mapping[str, DeltaChannelHistory]:
        """What ancestors of a checkpoint wrote to channels that keep differences: one request for many ancestors."""
        return self._run(self._delta_history(config, channels))

    # On an event loop.

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """As `put`."""
        return await self._arun(self._put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`."""
        await self._arun(self._put_writes(config, writes, task_id, task_path))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`."""
        return await self._arun(self._get_tuple(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        asked = self._asked(config, filter, before)
        left, after = limit, None
        while left is None or left > 0:
            page, after = await self._arun(self._page(asked, config, filter, left, after))
            for one in page[:left]:
                yield one
            left = None if left is None else left - len(page)
            if after is None:
                return

    async def adelete_thread(self, thread_id: str) -> None:
        """As `delete_thread`."""
        await self._arun(self._delete_threads([thread_id]))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `delete_for_runs`."""
        await self._arun(self._delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `copy_thread`."""
        await self._arun(self._copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `prune`."""
        await self._arun(self._prune(thread_ids, strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `get_delta_channel_history`."""
        return await self._arun(self._delta_history(config, channels))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A version after `current`. Chance is in it, so that two branches of a thread never share one."""
        before = 0 if current is None else int(str(current).split(".", 1)[0])
        return f"{before + 1:032d}.{random.getrandbits(53):016d}"

    def close(self) -> None:
        """Closes the connections that no event loop owns."""
        self._client.close()

    async def aclose(self) -> None:
        """Closes the connections of this event loop, too."""
        own = self._loops.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await own.close()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    # Running flows.

    def _run(self, flow: Flow[T]) -> T:
        return self._client._driver.run(flow)

    async def _arun(self, flow: Flow[T]) -> T:
        loop = asyncio.get_running_loop()
        client = self._loops.get(loop)
        if client is None:
            client = self._loops[loop] = AsyncClient(**self._access)
        return await client._driver.run(flow)

    # The flows.

    def _ask(self, path: str, body: dict[str, Any]) -> Flow[Any]:
        if self._agent is not None:
            body = {"agent": self._agent, **body}
        # Each of these requests may be made twice: what is on record already changes nothing.
        return ask_json(Call("POST", f"/v1/{path}", body, bytes_max=_BODY_BYTES_MAX), self._retry)

    def _put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> Flow[RunnableConfig]:
        place, parent = _place(config), get_checkpoint_id(config)
        said = get_checkpoint_metadata(config, metadata)
        values: dict[str, Any] = checkpoint["channel_values"]
        body: dict[str, Any] = {
            "thread": place.thread,
            "namespace": place.namespace,
            "id": checkpoint["id"],
            "checkpoint": self._blob({name: part for name, part in checkpoint.items() if name != "channel_values"}),
            "metadata": self._blob(said),
            "filter": _filterable(said),
        }
        if parent:
            body["parent"] = parent
        run = said.get("run_id")
        if isinstance(run, str) and _is_name(run):
            body["run"] = run
        # A channel that keeps differences and has no value here is put together from what was written at the ancestors.
        delta = sorted(channel for channel in said.get("counters_since_delta_snapshot") or {} if channel not in values)
        if delta:
            body["delta"] = delta
        if self.fenced:
            newest = self._newest(place, parent or None)
            body["if_newest"] = {} if newest is None else {"checkpoint": newest}
        versions = checkpoint["channel_versions"]
        unchanged = {channel for channel in values if parent and channel in versions and channel not in new_versions}
        try:
            try:
                yield from self._ask("checkpoints", {**body, "values": self._values(values, versions, unchanged)})
            except RequestError as error:
                if error.code != "checkpoint_values_missing":
                    raise
                # The parent is not there, or not any more: this one is saved whole.
                yield from self._ask("checkpoints", {**body, "values": self._values(values, versions, set())})
        except RequestError as error:
            if error.code == "checkpoint_fenced":
                self._forget(place)
            kind = _ERRORS.get(error.code)
            if kind is None:
                raise
            raise kind(error.message, code=error.code, status=error.status, hint=error.hint) from None
        self._remember(place, checkpoint["id"])
        return _config(config["configurable"]["thread_id"], place.namespace, checkpoint["id"])

    def _values(self, values: Mapping[str, Any], versions: ChannelVersions, unchanged: set[str]) -> Sequence[dict[str, Any]]:
        all_of_them = []
        for channel, value in values.items():
            one: dict[str, Any] = {"channel": channel, "version": json.dumps(versions.get(channel))}
            if channel not in unchanged:
                one["value"] = self._blob(value)
            all_of_them.append(one)
        return all_of_them

    def _put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str) -> Flow[None]:
        if not writes:
            return
        place = _place(config)
        slots = {WRITES_IDX_MAP.get(channel, index): (channel, value) for index, (channel, value) in enumerate(writes)}
        yield from self._ask(
            "checkpoints/writes",
            {
                "thread": place.thread,
                "namespace": place.namespace,
                "checkpoint": config["configurable"]["checkpoint_id"],
                "task": task,
                "path": path,
                "writes": [
                    {"slot": slot, "channel": channel, "value": self._blob(value)} for slot, (channel, value) in slots.items()
                ],
            },
        )

    def _get_tuple(self, config: RunnableConfig) -> Flow[CheckpointTuple | None]:
        place, wanted = _place(config), get_checkpoint_id(config)
        body: dict[str, Any] = {"thread": place.thread, "namespace": place.namespace}
        if wanted:
            body["id"] = wanted
        got = yield from self._ask("checkpoints/get", body)
        self._remember(place, got.get("newest"))
        found = got.get("checkpoint")
        return None if found is None else self._tuple(found, config)

    def _asked(
        self, config: RunnableConfig | None, wanted: dict[str, Any] | None, before: RunnableConfig | None
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        if config is not None:
            asked["thread"] = str(config["configurable"]["thread_id"])
            namespace = config["configurable"].get("checkpoint_ns")
            if namespace is not None:
                asked["namespace"] = namespace
                if only := get_checkpoint_id(config):
                    asked["id"] = only
        if before is not None and (older := get_checkpoint_id(before)):
            asked["before"] = older
        if plain := _filterable(wanted or {}):
            asked["filter"] = plain
        return asked

    def _page(
        self,
        asked: dict[str, Any],
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        left: int | None,
        after: str | None,
    ) -> Flow[tuple[Sequence[CheckpointTuple], str | None]]:
        body = {**asked, "limit": _PAGE if left is None else min(left, _PAGE)}
        if after is not None:
            body["after"] = after
        page = yield from self._ask("checkpoints/list", body)
        found = [self._tuple(one, config) for one in page["items"]]
        only = get_checkpoint_id(config) if config is not None else None
        # The server compares what is plain JSON; here it is compared as Python does, and all of it.
        fits = [
            one
            for one in found
            if (not only or one.checkpoint["id"] == only)
            and all(one.metadata.get(name) == value for name, value in (wanted or {}).items())
        ]
        return fits, page.get("next")

    def _delete_threads(self, threads: Sequence[str]) -> Flow[None]:
        for thread in threads:
            yield from self._ask("threads/delete", {"thread": str(thread)})
            self._forget_thread(str(thread))

    def _delete_for_runs(self, runs: Sequence[str]) -> Flow[None]:
        # What cannot be a name was never saved under one.
        names = [run for run in map(str, runs) if _is_name(run)]
        for some in _few(names):
            yield from self._ask("checkpoints/remove", {"runs": some})
        self._forget_all()

    def _copy_thread(self, source: str, target: str) -> Flow[None]:
        yield from self._ask("threads/copy", {"from": str(source), "to": str(target)})
        self._forget_thread(str(target))

    def _prune(self, threads: Sequence[str], strategy: str) -> Flow[None]:
        if strategy == "delete":
            yield from self._delete_threads(threads)
        elif strategy == "keep_latest":
            for some in _few([str(thread) for thread in threads]):
                yield from self._ask("threads/prune", {"threads": some})
        else:
            raise ValueError(f"`{strategy}` is no strategy: `keep_latest` or `delete`")

    def _delta_history(self, config: RunnableConfig, channels: Sequence[str]) -> Flow[Mapping[str, DeltaChannelHistory]]:
        if not channels:
            return {}
        place, target = _place(config), get_checkpoint_id(config)
        if not target:
            body: dict[str, Any] = {"thread": place.thread, "namespace": place.namespace}
            target = (yield from self._ask("checkpoints/get", body)).get("newest")
        writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        seeds: dict[str, Any] = {}
        open_ones, after = set(channels), None
        while target and open_ones:
            asked: dict[str, Any] = {
                "thread": place.thread,
                "namespace": place.namespace,
                "ancestors_of": target,
                "channels": sorted(open_ones),
                "limit": _NAMES_MAX,
            }
            if after is not None:
                asked["after"] = after
            page = yield from self._ask("checkpoints/list", asked)
            for ancestor in page["items"]:
                for write in reversed(ancestor["writes"]):
                    if write["channel"] in open_ones:
                        content = (write["task"], write["channel"], self._load(write["value"]))
                        writes[write["channel"]].append(content)
                for value in ancestor["values"]:
                    if value["channel"] in open_ones:
                        seeds[value["channel"]] = self._load(value["value"])
                        open_ones.discard(value["channel"])
            after = page.get("next")
            if after is None:
                break
        history: dict[str, DeltaChannelHistory] = {}
        for channel in channels:
            history[channel] = {"writes": writes[channel][::-1]}
            if channel in seeds:
                history[channel]["seed"] = seeds[channel]
        return history

    # What travels.

    def _blob(self, value: Any) -> dict[str, str]:
        kind, content = self.serde.dumps_typed(value)
        return {"type": kind, "data": base64.b64encode(content).decode("ascii")}

    def _load(self, blob: Mapping[str, str]) -> Any:
        return self.serde.loads_typed((blob["type"], base64.b64decode(blob["data"])))

    def _tuple(self, found: Mapping[str, Any], config: RunnableConfig | None) -> CheckpointTuple:
        # The thread's id as the caller has it, which need not be a text.
        thread = found["thread"] if config is None else config["configurable"]["thread_id"]
        body = self._load(found["checkpoint"])
        body["channel_values"] = {one["channel"]: self._load(one["value"]) for one in found["values"]}
        parent = found.get("parent")
        return CheckpointTuple(
            config=_config(thread, found["namespace"], found["id"]),
            checkpoint=cast(Checkpoint, body),
            metadata=cast(CheckpointMetadata, self._load(found["metadata"])),
            parent_config=_config(thread, found["namespace"], parent) if parent else None,
            pending_writes=[(one["task"], one["channel"], self._load(one["value"])) for one in found["writes"]],
        )

    # What was newest when this process last looked.

    def _newest(self, place: _Place, otherwise: str | None) -> str | None:
        with self._lock:
            return self._seen.get(place, otherwise)

    def _remember(self, place: _Place, newest: str | None) -> None:
        if not self.fenced:
            return
        with self._lock:
            self._seen[place] = newest
            self._seen.move_to_end(place)
            while len(self._seen) > _REMEMBERED_MAX:
                self._seen.popitem(last=False)

    def _forget(self, place: _Place) -> None:
        with self._lock:
            self._seen.pop(place, None)

    def _forget_thread(self, thread: str) -> None:
        with self._lock:
            for place in [place for place in self._seen if place.thread == thread]:
                del self._seen[place]

    def _forget_all(self) -> None:
        with self._lock:
            self._seen.clear()


def _place(config: RunnableConfig) -> _Place:
    own = config["configurable"]
    return _Place(str(own["thread_id"]), own.get("checkpoint_ns") or "")


def _config(thread: Any, namespace: str, checkpoint: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}}


def _is_name(text: str) -> bool:
    return 1 <= len(text.encode("utf-8", "replace")) <= _NAME_BYTES_MAX


def _few(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _NAMES_MAX):
        yield names[start : start + _NAMES_MAX]


def _filterable(said: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are plain JSON in every reader, and not large."""
    return {
        name: value
        for name, value in said.items()
        if isinstance(name, str) and _plain(value, 8) and len(json.dumps(value)) <= _FILTER_BYTES_MAX
    }


def _plain(value: Any, depth: int) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        # A lone surrogate is no text that could be sent.
        return value.isascii() or value.encode("utf-8", "replace").decode() == value
    if type(value) in (int, float):
        return math.isfinite(value) and abs(value) < 2**53
    if depth > 0 and type(value) is list:
        return all(_plain(one, depth - 1) for one in value)
    if depth > 0 and type(value) is dict:
        return all(isinstance(name, str) and _plain(one, depth - 1) for name, one in value.items())
    return False
