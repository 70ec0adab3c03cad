"""LangGraph's own conformance suite, in full, through the methods with and without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from countersign.langgraph import CountersignSaver
from shop import Shop


class WithoutLoop(CountersignSaver):
    """Answers the suite, which is written for event loops, by the other methods."""

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(self, config: RunnableConfig | None, **more: Any) -> AsyncIterator[CheckpointTuple]:
        for one in await asyncio.to_thread(lambda: [*self.list(config, **more)]):
            yield one

    async def adelete_thread(self, thread_id: str) -> None:
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await asyncio.to_thread(lambda: self.prune(thread_ids, strategy=strategy))


@pytest.mark.parametrize("fenced", [False, True], ids=["open", "fenced"])
@pytest.mark.parametrize("kind", [CountersignSaver, WithoutLoop], ids=["async", "sync"])
async def test_the_suite_passes_with_every_ability(
    shop: Shop, kind: type[CountersignSaver], fenced: bool, said: Callable[[str], None]
) -> None:
    @checkpointer_test(name=f"{kind.__name__}-{fenced}")
    async def registered() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        async with kind(shop.url, shop.agent_key, fenced=fenced) as saver:
            yield saver

    report = await validate(registered)
    failures = [one for result in report.results.values() for one in result.failures]
    assert failures == []
    assert {name for name, result in report.results.items() if result.passed} == {ability.value for ability in Capability}
    assert report.conformance_level() == "FULL"
    counts = {name: result.tests_passed for name, result in report.results.items()}
    way = "sync " if kind is WithoutLoop else "async"
    said(f"{way} {'fenced' if fenced else 'open  '}: {sum(counts.values())} tests, {len(counts)} abilities {counts}")
