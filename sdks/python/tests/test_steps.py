"""Steps: what was done is not done again. On both servers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import countersign
from countersign import FileResults, Final, StepSpec
from hosts import Host

Name = Callable[[], str]


class Counter:
    """Work that knows how often it was done."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.done.append(args)
        return {"round": len(self.done), "args": list(args)}


def test_a_step_is_done_once_and_its_result_stays(host: Host, name: Name) -> None:
    work, run_name = Counter(), name()
    with host.client() as client:
        for _ in range(3):
            with client.run(run_name, title="three sessions", finish=False) as run:
                assert run.step("count", work, 1, "ü") == {"round": 1, "args": [1, "ü"]}
                first = run.id
        with client.run(run_name) as run:
            assert run.id == first
    assert work.done == [(1, "ü")]


def test_results_are_the_same_at_first_and_ever_after(host: Host, name: Name) -> None:
    value: dict[str, Any] = {
        "tuple": (1, 2.0, -0.0),
        "text": "\u2028é\x00",
        "none": None,
        "big": 2**53 - 1,
        "small": 1e-7,
        "": [[]],
    }
    run_name = name()
    with host.client() as client:
        seen = []
        for _ in range(2):
            with client.run(run_name, finish=False) as run:
                seen.append(run.context("value", lambda: value))
        assert seen[0] == seen[1] == {**value, "tuple": [1, 2, 0]}
        assert repr(seen[0]["tuple"]) == repr(seen[1]["tuple"])


def test_every_json_value_may_be_a_result(host: Host, name: Name) -> None:
    run_name = name()
    values: list[Any] = [None, False, 0, "", "text", 1.5, [], {}, [None, {"a": []}]]
    with host.client() as client:
        for _ in range(2):
            with client.run(run_name, finish=False) as run:
                for index, value in enumerate(values):
                    assert run.step(StepSpec(f"value-{index}", input=None), given, value) == value


def test_another_input_under_the_same_key_is_told_how_to_name_it(host: Host, name: Name) -> None:
    work, run_name = Counter(), name()
    with host.client() as client:
        with client.run(run_name, finish=False) as run:
            run.step("check", work, "line-1")
        with client.run(run_name, finish=False) as run, pytest.raises(countersign.StepMismatch) as caught:
            run.step("check", work, "line-2")
        with client.run(run_name, finish=False) as run, pytest.raises(countersign.StepMismatch):
            run.context("check", work, "line-1")
    assert work.done == [("line-1",)]
    assert caught.value.code == "step_mismatch"
    assert 'run.step(f"check-{item}", …)' in caught.value.hint


def test_a_key_used_twice_in_a_loop_is_told_how_to_name_it(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        run.step("check", str, 1)
        with pytest.raises(countersign.KeyReused) as caught:
            run.step("check", str, 1)
        assert 'run.step(f"check-{item}", …)' in caught.value.hint
        for item in (1, 2):
            assert run.step(f"check-{item}", str, item) == str(item)


def test_an_interrupted_step_is_done_again_and_a_final_failure_is_not(host: Host, name: Name) -> None:
    run_name, tries = name(), []

    def weather() -> str:
        tries.append("weather")
        if len(tries) < 2:
            raise OSError("no line")
        return "fine"

    def lookup() -> str:
        tries.append("lookup")
        raise Final("there is no such customer", customer="c-1")

    with host.client() as client:
        with pytest.raises(OSError, match="no line"), client.run(run_name) as run:
            run.step("weather", weather)
        with client.run(run_name, finish=False) as run:
            assert run.step("weather", weather) == "fine"
            with pytest.raises(countersign.StepFailed) as first:
                run.step("lookup", lookup)
        with client.run(run_name) as run:
            assert run.step("weather", weather) == "fine"
            with pytest.raises(countersign.StepFailed) as second:
                run.step("lookup", lookup)
    assert tries == ["weather", "weather", "lookup"]
    assert first.value.error == second.value.error
    assert second.value.error["data"] == {"customer": "c-1"}


def test_a_failed_try_may_use_its_key_again_in_the_same_session(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                run.step("divide", lambda: 1 // 0)
        assert run.step("divide", lambda: 1) == 1


def test_steps_side_by_side_in_threads(host: Host, name: Name) -> None:
    run_name, barrier = name(), threading.Barrier(4)

    def work(number: int) -> int:
        barrier.wait(timeout=30)
        return number * number

    with host.client() as client, client.run(run_name, finish=False) as run, ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(run.step, f"square-{number}", work, number) for number in range(4)]
        assert [job.result() for job in jobs] == [0, 1, 4, 9]
    with host.client() as client, client.run(run_name) as run:
        assert [run.step(f"square-{number}", work, number) for number in range(4)] == [0, 1, 4, 9]


async def test_steps_side_by_side_on_an_event_loop(host: Host, name: Name) -> None:
    run_name, begun, together = name(), list[int](), asyncio.Barrier(5)

    async def work(number: int) -> int:
        begun.append(number)
        await together.wait()
        return number * number

    async with host.async_client() as client:
        for _ in range(2):
            async with client.run(run_name, finish=False) as run:
                got = await asyncio.gather(*(run.think(f"square-{number}", work, number) for number in range(5)))
                assert got == [0, 1, 4, 9, 16]
    assert sorted(begun) == [0, 1, 2, 3, 4]


async def test_plain_functions_are_steps_on_an_event_loop_too(host: Host, name: Name) -> None:
    async with host.async_client() as client, client.run(name()) as run:
        assert await run.step("plain", max, 1, 2) == 2
        choice = await run.decide("route", chosen="mail", because="cheap")
        assert choice.chosen == "mail"


def test_a_decorated_function_is_a_step_of_the_run_around_it(host: Host, name: Name) -> None:
    run_name, calls = name(), []

    @countersign.step("order-{order}", kind="context")
    def load(order: str, deep: bool = False) -> str:
        calls.append(order)
        return f"order {order}"

    assert load("#0") == "order #0"
    with host.client() as client:
        for _ in range(2):
            with client.run(run_name, finish=False):
                assert [load("#1"), load("#2")] == ["order #1", "order #2"]
        with client.run(run_name, finish=False) as run:
            inner = run.step("inner")(lambda number: number + 1)
            assert inner(1) == 2
    assert calls == ["#0", "#1", "#2"]


def test_a_choice_on_record_stands(host: Host, name: Name) -> None:
    run_name = name()
    with host.client() as client:
        for chosen in ("refund", "voucher"):
            with client.run(run_name, finish=False) as run:
                choice = run.decide("offer", chosen=chosen, because="the customer asked", rejected=["exchange"])
                assert (choice.chosen, choice.because, choice.rejected) == ("refund", "the customer asked", ("exchange",))
        with client.run(run_name, finish=False) as run, pytest.raises(countersign.StepMismatch):
            run.decide("offer", chosen="refund", because="", basis={"order": 2})


def test_what_is_no_json_is_said_before_anything_is_sent(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        with pytest.raises(countersign.ValueNotJson, match="input of the step `one`"):
            run.step("one", repr, object())
        assert run.step(StepSpec("one", input="the object"), lambda _: 1, object()) == 1
        for value in (object(), {1: 2}, float("nan"), 2**53, "\ud800", {"a": {1, 2}}):
            with pytest.raises(countersign.ValueNotJson):
                run.step(StepSpec("two", input=None), given, value)
        with pytest.raises(countersign.ValueNotJson, match="levels"):
            run.step("two", nested, 70)
        assert run.step(StepSpec("two", input=None), given, "fine") == "fine"
        for key in ("", "k" * 201):
            with pytest.raises(countersign.ValueNotJson, match="1 to 200 bytes"):
                run.step(key, str)


def given(value: Any) -> Any:
    return value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_large_results_go_by_reference(host: Host, name: Name, tmp_path: Path) -> None:
    run_name, large, done = name(), "x" * 2_000_000, []

    def load() -> str:
        done.append(1)
        return large

    with host.client(results=FileResults(tmp_path)) as client:
        for _ in range(2):
            with client.run(run_name, finish=False) as run:
                assert run.context("page", load) == large
    assert done == [1]
    with host.client() as client, client.run(run_name, finish=False) as run:
        with pytest.raises(countersign.ResultLost):
            run.context("page", load)
        with pytest.raises(countersign.ResultTooLarge) as caught:
            run.context("other page", load)
        assert "FileResults" in caught.value.hint
    (kept,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept.write_text("changed")
    with host.client(results=FileResults(tmp_path)) as client, client.run(run_name, finish=False) as run:
        with pytest.raises(countersign.ResultLost, match="changed"):
            run.context("page", load)


def test_more_steps_than_a_page_are_all_found_again(host: Host, name: Name) -> None:
    run_name, work = name(), Counter()
    with host.client() as client:
        for _ in range(2):
            with client.run(run_name, finish=False) as run:
                for number in range(230):
                    run.step(f"n-{number}", work, number)
    assert len(work.done) == 230


def test_an_ended_run_is_found_again_and_takes_nothing_new(host: Host, name: Name) -> None:
    run_name = name()
    with host.client() as client:
        with client.run(run_name) as run:
            run.step("one", lambda: 1)
        assert run.status == "done"
        with client.run(run_name) as run:
            assert run.status == "done"
            with pytest.raises(countersign.RunFinished):
                run.step("two", lambda: 2)
            run.finish()
            with pytest.raises(countersign.RunFinished):
                run.finish("failed")
        assert client.get_run(run.id)["status"] == "done"
        assert run.id in [one["id"] for one in client.runs(status="done")]


def test_a_key_names_the_request_and_a_name_the_conversation(host: Host, name: Name) -> None:
    key, conversation = name(), name()
    with host.client() as client:
        ids = {client.run(key=key, title="a").start().id for _ in range(2)}
        assert len(ids) == 1
        with pytest.raises(countersign.ActionMismatch):
            client.run(key=key, title="b").start()
        assert client.run(conversation, title="a").start().id == client.run(conversation, title="b").start().id
        with pytest.raises(countersign.ConfigError):
            client.run()
