"""Real graphs on the checkpointer, beside the same graphs on LangGraph's own in memory."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from countersign import Retry, ServerUnavailable
from countersign.langgraph import CountersignSaver
from shop import Shop


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    answer: str
    item: int


def asking(checkpointer: BaseCheckpointSaver[Any], calls: list[str]) -> Any:
    """Prepares, asks a person, fans out, joins; the middle is a graph of its own."""

    def prepare(state: State) -> State:
        calls.append("prepare")
        return {"log": ["prepared"]}

    def ask(state: State) -> State:
        answer = interrupt({"question": "go on?"})
        calls.append("ask")
        return {"answer": answer, "log": [f"asked: {answer}"]}

    def work(state: State) -> State:
        calls.append(f"work {state['item']}")
        return {"log": [f"worked on {state['item']}"]}

    def fan_out(state: State) -> list[Send]:
        return [Send("work", {"item": item}) for item in range(5)]

    inner = StateGraph(State)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    graph = StateGraph(State)
    graph.add_node("prepare", prepare)
    graph.add_node("inner", inner.compile())
    graph.add_node("work", work)
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "inner")
    graph.add_conditional_edges("inner", fan_out, ["work"])
    graph.add_edge("work", END)
    return graph.compile(checkpointer=checkpointer)


def plain(result: dict[str, Any]) -> dict[str, Any]:
    """Without ids, which chance makes."""
    return {**result, "__interrupt__": [one.value for one in result.get("__interrupt__", ())]}


def history(graph: Any, config: Any) -> list[tuple[Any, ...]]:
    return [
        (one.values, one.next, one.metadata["source"], one.metadata["step"], len(one.tasks))
        for one in graph.get_state_history(config)
    ]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("fenced", [False, True], ids=["open", "fenced"])
def test_a_graph_waits_for_an_answer_over_a_kill_of_the_server(shop: Shop, thread: str, durability: Any, fenced: bool) -> None:
    config = {"configurable": {"thread_id": thread}}
    there: list[str] = []
    here: list[str] = []
    memory = InMemorySaver()
    with CountersignSaver(shop.url, shop.agent_key, fenced=fenced) as saver:
        graph = asking(saver, there)
        first = graph.invoke({"log": ["began"]}, config, durability=durability)
        assert plain(first) == plain(asking(memory, here).invoke({"log": ["began"]}, config, durability=durability))
        assert "__interrupt__" in first
    shop.kill()
    shop.start()
    # Another process, with another graph of the same form.
    with CountersignSaver(shop.url, shop.agent_key, fenced=fenced) as saver:
        graph = asking(saver, there)
        last = graph.invoke(Command(resume="yes"), config, durability=durability)
        other = asking(memory, here)
        assert last == other.invoke(Command(resume="yes"), config, durability=durability)
        assert there == here
        assert there.count("prepare") == 1
        assert history(graph, config) == history(other, config)
        # A fork from the past is no overtaking.
        past = list(graph.get_state_history(config))[-1].config
        forked = graph.update_state(past, {"log": ["changed"]})
        assert "changed" in graph.get_state(forked).values["log"]
        assert graph.get_state(config).config["configurable"]["checkpoint_id"] == forked["configurable"]["checkpoint_id"]


async def test_a_graph_runs_on_an_event_loop(shop: Shop, thread: str) -> None:
    config = {"configurable": {"thread_id": thread}}
    async with CountersignSaver(shop.url, shop.agent_key) as saver:
        calls: list[str] = []
        graph = asking(saver, calls)
        await graph.ainvoke({"log": ["began"]}, config)
        done = await graph.ainvoke(Command(resume="yes"), config)
        assert sorted(done["log"])[-1] == "worked on 4"
        assert len([one async for one in graph.aget_state_history(config)]) == 5


class Long(TypedDict):
    log: Annotated[
        list[str], DeltaChannel(lambda state, writes: [*state, *(one for some in writes for one in some)], snapshot_frequency=4)
    ]
    round: int


def long(checkpointer: BaseCheckpointSaver[Any], rounds: int) -> Any:
    def step(state: Long) -> dict[str, Any]:
        return {"log": [f"line {state['round']}"], "round": state["round"] + 1}

    graph = StateGraph(Long)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["round"] % rounds else END, ["step", END])
    return graph.compile(checkpointer=checkpointer)


@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_channels_that_keep_differences_survive_pruning_and_copying(
    saver: CountersignSaver, thread: str, durability: Any, said: Callable[[str], None]
) -> None:
    config: Any = {"configurable": {"thread_id": thread}}
    graph, memory = long(saver, 6), long(InMemorySaver(), 6)
    for number in (0, 6, 12):
        assert graph.invoke({"log": [f"run {number}"], "round": number}, config, durability=durability) == memory.invoke(
            {"log": [f"run {number}"], "round": number}, config, durability=durability
        )
    wanted = memory.get_state(config).values
    assert graph.get_state(config).values == wanted
    assert [one.values for one in graph.get_state_history(config)] == [one.values for one in memory.get_state_history(config)]
    before = len(list(saver.list(config)))
    target = graph.get_state(config).config
    # One request gives what the default walk gives with many.
    own = saver.get_delta_channel_history(config=target, channels=["log"])
    walked = super(CountersignSaver, saver).get_delta_channel_history(config=target, channels=["log"])
    assert own == walked
    saver.copy_thread(thread, f"{thread}-copy")
    saver.prune([thread], strategy="keep_latest")
    after = len(list(saver.list(config)))
    assert graph.get_state(config).values == wanted
    copy: Any = {"configurable": {"thread_id": f"{thread}-copy"}}
    assert graph.get_state(copy).values == wanted
    assert graph.invoke({"log": ["on"], "round": 18}, config, durability=durability)["log"][: len(wanted["log"])] == wanted["log"]
    said(f"delta {durability}: pruned {before} checkpoints to {after}, the state is the same")


def test_without_a_server_it_says_so_at_once_and_goes_on_when_it_is_back(shop: Shop, thread: str) -> None:
    config: Any = {"configurable": {"thread_id": thread}}
    calls: list[str] = []
    with CountersignSaver(shop.url, shop.agent_key, retry=Retry(attempts=1)) as saver:
        graph = asking(saver, calls)
        shop.kill()
        try:
            with pytest.raises(ServerUnavailable):
                graph.invoke({"log": ["began"]}, config)
            assert calls == []
        finally:
            shop.start()
        graph.invoke({"log": ["began"]}, config)
        assert calls == ["prepare"]


def test_what_is_too_large_is_refused_and_what_is_odd_is_kept(saver: CountersignSaver, thread: str) -> None:
    from driver import checkpoint

    config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    with pytest.raises(Exception, match="too_large"):
        saver.put(config, checkpoint("1", "x" * 13_000_000), {}, {"log": "1"})
    with pytest.raises(Exception, match="too_large"):
        saver.put(config, checkpoint("1", "x" * 8_388_609), {}, {"log": "1"})
    assert saver.get_tuple(config) is None
    odd: Sequence[Any] = ["\x00", 2**60, float("nan"), {1: "one"}, b"\xff", {3, 4}, "\u202e"]
    metadata: Any = {"source": "loop", "step": 1, "big": 2**60, "nan": float("nan"), "set": {1}, "deep": {"a": [1, None]}}
    saver.put(config, checkpoint("1", odd), metadata, {"log": "1"})
    found = saver.get_tuple(config)
    assert found is not None
    value = found.checkpoint["channel_values"]["log"]
    assert (value[:2], value[3:]) == (odd[:2], odd[3:])
    assert found.metadata["set"] == {1}  # type: ignore[typeddict-item]
    assert found.metadata["deep"] == {"a": [1, None]}  # type: ignore[typeddict-item]
    for wanted, count in (({"step": 1.0}, 1), ({"big": 2**60}, 1), ({"set": {1}}, 1), ({"set": {2}}, 0), ({"none": None}, 1)):
        assert len(list(saver.list(config, filter=wanted))) == count, wanted
    assert list(saver.list(config, limit=0)) == []
