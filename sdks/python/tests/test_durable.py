"""Waits, signals and workers, on both servers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import countersign
from countersign import AsyncRun, Final, Run, Worker, after, at, ended, settled, signal, task
from hosts import Fake, Host, Real

Name = Callable[[], str]
CANCEL = "crm.cancel_pending_order"
GATED = {"order_id": "#W1000016", "reason": "no longer needed"}


def test_a_timer_wakes_the_run_and_is_on_record(host: Host, name: Name) -> None:
    run_name = name()
    with host.client() as client:
        for _ in range(2):
            with client.run(run_name, finish=False) as run:
                met = run.wait("a moment", after(0.3))
                assert (met.by, met.answer) == ((0,), None)
        with client.run(run_name, finish=False) as run, pytest.raises(countersign.StepMismatch):
            run.wait("a moment", after(0.4))


def test_early_signals_are_kept_and_each_is_read_once(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        for _ in range(2):
            client.signal(run.id, "paid", {"amount": 5}, key="p-1")
        client.signal(run.id, "paid", {"amount": 7}, key="p-2")
        with pytest.raises(countersign.ActionMismatch):
            client.signal(run.id, "paid", {"amount": 8}, key="p-2")
        assert run.wait("first", signal("paid")).answer == {"amount": 5}
        met = run.wait("second", signal("refused"), signal("paid"), at(datetime.now(UTC) + timedelta(days=3000)))
        assert (met.first, met.answer) == (1, {"amount": 7})
        with pytest.raises(countersign.StillWaiting):
            run.wait("third", signal("paid"), timeout=0)
        client.signal(run.id, "paid", None, key="p-3")
        assert run.wait("third", signal("paid")).answer is None


def test_all_of_and_the_end_of_another_run(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run, client.run(name()) as other:
        client.signal(run.id, "go", 1, key="g")
        all_of = [signal("go"), ended(other.id), after(0.1)]
        with pytest.raises(countersign.StillWaiting):
            run.wait("all", all_of=all_of, timeout=0.3)
        other.finish("failed", error={"class": "Lost", "message": "no"})
        met = run.wait("all", all_of=all_of)
        assert met.by == (0, 1, 2)
        assert met.answers[1]["status"] == "failed"
        assert met.answers[1]["error"]["class"] == "Lost"


def test_what_loses_against_another_condition_is_withdrawn(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        action = run.propose(CANCEL, GATED, key="cancel", wait=False)
        assert action.waiting
        met = run.wait("answered in time", settled(action), after(0.2))
        assert met.first == 1
        with pytest.raises(countersign.Withdrawn):
            run.action(CANCEL, GATED, key="cancel")


def test_waits_and_steps_share_their_keys(host: Host, name: Name) -> None:
    run_name = name()
    with host.client() as client:
        with client.run(run_name, finish=False) as run:
            run.step("one", lambda: 1)
            with pytest.raises(countersign.KeyReused):
                run.wait("one", after(0))
            run.wait("two", after(0))
        with client.run(run_name, finish=False) as run:
            with pytest.raises(countersign.StepMismatch):
                run.wait("one", after(0))
            with pytest.raises(countersign.StepMismatch):
                run.step("two", lambda: 2)


def test_a_run_ends_with_its_result(host: Host, name: Name) -> None:
    run_name = name()
    with host.client() as client:
        with client.run(run_name) as run:
            run.finish(result={"refunded": 5})
        assert client.get_run(run.id).get("result") == {"refunded": 5}
        with client.run(run_name) as run:
            assert run.status == "done"


def test_a_waiting_run_is_woken_by_a_signal(host: Host, name: Name) -> None:
    if isinstance(host, Fake):
        pytest.skip("time jumps in the fake")
    with host.client() as client, client.run(name()) as run:
        threading.Timer(0.3, lambda: client.signal(run.id, "paid", "now", key="k")).start()
        began = time.monotonic()
        assert run.wait("payment", signal("paid")).answer == "now"
        assert time.monotonic() - began < 10


def test_a_brief_is_ready_for_whoever_takes_the_run_up(host: Host, name: Name) -> None:
    if isinstance(host, Fake):
        pytest.skip("the fake server keeps no journal to make briefs of")
    with host.client() as client, client.run(name(), title="Refund of W1") as run:
        run.decide("way", chosen="gift card", because="the card expired", rejected=["bank"])
        brief = client.brief(run.id, tokens=300)
        assert "Refund of W1" in brief["text"]
        assert "chose gift card, because “the card expired”; not: bank" in brief["text"]
        assert brief["tokens"] <= 300


# Workers


async def work(host: Host, *tasks: Any, until: Callable[[], bool]) -> None:
    """Lets a worker work until something is so."""
    if isinstance(host, Fake):
        worker = host.server.worker(*tasks)
    else:
        assert isinstance(host, Real)
        worker = Worker(
            *tasks,
            url=host.shop.url,
            key=host.shop.agent_key,
            retry=countersign.Retry(first_seconds=0.05, most_seconds=0.2),
        )
    serving = asyncio.ensure_future(worker.serve())
    try:
        async with asyncio.timeout(40):
            while not await asyncio.to_thread(until):
                await asyncio.sleep(0.02)
                assert not serving.done(), serving
    finally:
        worker.stop()
        await serving


async def test_a_dispatched_run_is_done_by_a_worker(host: Host, name: Name) -> None:
    which = name()

    @task("look")
    async def look(run: AsyncRun, given: Any) -> dict[str, Any]:
        numbers = await asyncio.gather(*(run.step(f"n-{number}", int, number) for number in range(5)))
        order = await run.action("crm.get_order_details", order_id=given["order"])
        choice = await run.decide("route", chosen="mail", because="cheap")
        return {"numbers": numbers, "found": given["order"] in order.text, "route": choice.chosen}

    @task("plain")
    def plain(run: Run, given: Any) -> Any:
        return run.step("echo", lambda: given)

    with host.client() as client:
        first = client.dispatch("look", {"order": "#W1000002"}, key=which)
        assert client.dispatch("look", {"order": "#W1000002"}, key=which)["id"] == first["id"]
        with pytest.raises(countersign.ActionMismatch):
            client.dispatch("look", {"order": "#W1000003"}, key=which)
        second = client.dispatch("plain", ["ü", 1.5, None], key=name(), priority=9)
        runs = [first["id"], second["id"]]
        await work(host, look, plain, until=lambda: all(client.get_run(run)["status"] == "done" for run in runs))
        assert client.get_run(runs[0]).get("result") == {"numbers": [0, 1, 2, 3, 4], "found": True, "route": "mail"}
        assert client.get_run(runs[1]).get("result") == ["ü", 1.5, None]


async def test_a_task_that_waits_for_a_person_is_left_and_begun_again(host: Host, name: Name) -> None:
    begun, loads = [], []

    @task("cancel")
    async def cancel(run: AsyncRun, given: Any) -> str:
        begun.append(1)
        await run.step("load", lambda: loads.append(1))
        try:
            await run.action(CANCEL, GATED, key="cancel")
        except countersign.Rejected as error:
            await run.wait("a pause", after(0.1))
            met = await run.wait("a word", signal("word"))
            return f"{error.code}, {met.answer}"
        raise AssertionError("rejected")

    with host.client() as client:
        run = client.dispatch("cancel", key=name())["id"]
        await work(host, cancel, until=lambda: client.get_run(run).get("phase") == "waiting")
        (action,) = client.actions(run=run)
        assert action.approval is not None
        with host.person() as person:
            person.reject(action.approval, reason="keep it")
        client.signal(run, "word", "later", key="w")

        def done() -> bool:
            if isinstance(host, Fake):
                host.server.clock.travel(1)
            return client.get_run(run)["status"] == "done"

        await work(host, cancel, until=done)
        assert str(client.get_run(run).get("result")).endswith(", later")
    assert loads == [1]
    assert len(begun) >= 2


async def test_final_failures_end_the_run_and_others_are_tried_again(host: Host, name: Name) -> None:
    tries: list[float] = []

    @task("hopeless")
    async def hopeless(run: AsyncRun, given: Any) -> None:
        raise Final("there is no such order", order="#1")

    @task("shaky")
    async def shaky(run: AsyncRun, given: Any) -> str:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise OSError("no line")
        return "after all"

    with host.client() as client:
        runs = [client.dispatch("hopeless", key=name())["id"], client.dispatch("shaky", key=name())["id"]]

        def done() -> bool:
            if isinstance(host, Fake):
                host.server.clock.travel(0.1)
            return all(client.get_run(run)["status"] != "open" for run in runs)

        await work(host, hopeless, shaky, until=done)
        lost = client.get_run(runs[0])
        assert lost["status"] == "failed"
        error: Any = lost.get("error")
        assert error["data"] == {"order": "#1"}
        assert client.get_run(runs[1]).get("result") == "after all"
    assert len(tries) == 2


async def test_a_worker_outlives_its_server(host: Host, name: Name) -> None:
    if isinstance(host, Fake):
        pytest.skip("see test_worker.py")
    begun: list[int] = []

    @task("long")
    async def long(run: AsyncRun, given: Any) -> int:
        begun.append(1)
        for number in range(12):
            await run.step(f"s-{number}", int, number)
            await asyncio.sleep(0.05)
            if number == 4:
                await asyncio.to_thread(restart)
        return 12

    def restart() -> None:
        with host.outage():
            pass

    with host.client() as client:
        run = client.dispatch("long", key=name())["id"]

        def done() -> bool:
            try:
                return client.get_run(run)["status"] == "done"
            except countersign.ServerUnavailable:
                return False

        await work(host, long, until=done)
        assert client.get_run(run).get("result") == 12
    assert begun == [1], "it came back with its token"
