"""The test kit: agents without a server, with a clock that travels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import countersign
from countersign import after, at, ended, settled, signal
from countersign.testing import Clock, FakeServer, Stuck, ToolError, ToolLost


@pytest.fixture
def server() -> FakeServer:
    server = FakeServer(clock=Clock(datetime(2030, 1, 1, tzinfo=UTC)))

    @server.tool("mail.send", rule=lambda arguments: "approve" if arguments["to"] == "everybody" else "autonomous")
    def send(to: str) -> str:
        if to == "nobody":
            raise ToolError("Error: no such address")
        if to == "void":
            raise ToolLost
        return f"sent to {to}"

    @server.tool("mail.read", cls="read")
    def read() -> dict[str, int]:
        return {"unread": 3}

    return server


def test_people_answer_while_the_agent_waits(server: FakeServer) -> None:
    server.on_wait(lambda: server.approve(by="ada"))
    with server.client() as client, client.run("one") as run:
        assert run.action("mail.send", to="everybody").text == "sent to everybody"
    assert server.effects == [("mail.send", {"to": "everybody"})]


def test_nobody_answers_and_the_request_expires_after_a_day_that_takes_no_time(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        with pytest.raises(countersign.Expired):
            run.action("mail.send", to="everybody")
    assert server.clock.moment == datetime(2030, 1, 2, tzinfo=UTC)
    assert server.effects == []


def test_an_agent_that_nothing_will_wake_is_said_to_be_stuck(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        with pytest.raises(Stuck, match="the wait `payment` waits for something that nobody brings about"):
            run.wait("payment", signal("paid"))


def test_timers_take_no_time(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        assert run.wait("a year", after(timedelta(days=365))).first == 0
        assert server.clock.moment == datetime(2031, 1, 1, tzinfo=UTC)
        assert run.wait("a date", at(datetime(2040, 1, 1, tzinfo=UTC))).answer is None
        assert server.clock.moment == datetime(2040, 1, 1, tzinfo=UTC)


def test_a_wait_may_be_bounded(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        with pytest.raises(countersign.StillWaiting):
            run.wait("later", after(3600), timeout=60)
        assert server.clock.moment == datetime(2030, 1, 1, 0, 1, tzinfo=UTC)
        assert run.wait("later", after(3600), timeout=3600).first == 0


def test_the_world_can_be_lost_and_settled(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        with pytest.raises(countersign.OutcomeUnknown) as caught:
            run.action("mail.send", to="void", key="mail", wait=False)
        server.settle(caught.value.action.id, applied=False)
        with pytest.raises(countersign.Failed) as failed:
            run.action("mail.send", to="void", key="mail")
        assert failed.value.action.failure == "not_applied"
        with pytest.raises(countersign.Failed, match="refused"):
            run.action("mail.send", to="nobody")
        assert run.action("mail.read").value == '{"unread": 3}'


def test_signals_answer_waits_and_are_read_once(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        for _ in range(2):
            client.signal(run.id, "paid", {"amount": 5}, key="payment-1")
        client.signal(run.id, "paid", {"amount": 7}, key="payment-2")
        with pytest.raises(countersign.ActionMismatch):
            client.signal(run.id, "paid", {"amount": 8}, key="payment-2")
        assert run.wait("first", signal("paid")).answer == {"amount": 5}
        assert run.wait("second", signal("cancelled"), signal("paid")).by == (1,)
        with pytest.raises(countersign.StillWaiting):
            run.wait("third", signal("paid"), timeout=0)
    with server.client() as client, client.run("one") as run:
        with pytest.raises(countersign.RunFinished):
            client.signal(run.id, "paid", key="late")


def test_all_of_waits_for_all(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run, client.run("two") as other:
        action = run.propose("mail.send", to="everybody", wait=False)
        all_of = [signal("paid"), settled(action), ended(other.id), after(10)]
        with pytest.raises(countersign.StillWaiting):
            run.wait("all", all_of=all_of, timeout=20)
        client.signal(run.id, "paid", "yes", key="k")
        server.reject(reason="too many")
        with pytest.raises(countersign.StillWaiting):
            run.wait("all", all_of=all_of, timeout=0)
        other.finish()
        met = run.wait("all", all_of=all_of, timeout=0)
        assert met.by == (0, 1, 2, 3)
        assert met.answers[0] == {"signal": "paid", "value": "yes"}
        assert met.answers[1] == {"action": action.id, "status": "rejected"}
        with pytest.raises(countersign.ConfigError):
            run.wait("both", signal("a"), all_of=[signal("b")])


def test_a_wait_is_a_step(server: FakeServer) -> None:
    with server.client() as client:
        with client.run("one", finish=False) as run:
            client.signal(run.id, "paid", 1, key="k")
            run.wait("payment", signal("paid"))
        with client.run("one", finish=False) as run:
            assert run.wait("payment", signal("paid")).answer == 1
            with pytest.raises(countersign.KeyReused):
                run.wait("payment", signal("paid"))
        with client.run("one", finish=False) as run, pytest.raises(countersign.StepMismatch):
            run.wait("payment", signal("refused"))


def test_moments_know_their_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        at(datetime(2030, 1, 1))
    with pytest.raises(ValueError, match="time zone"):
        Clock(datetime(2030, 1, 1))
    with pytest.raises(ValueError, match="below zero"):
        after(-1)
    with pytest.raises(ValueError, match="does not go back"):
        Clock().travel(-1)


def test_a_server_that_is_down_and_lines_that_are_cut(server: FakeServer) -> None:
    with server.client() as client, client.run("one") as run:
        with server.down(), pytest.raises(countersign.ServerUnavailable):
            run.action("mail.read")
        server.cut_next(after=True)
        assert run.action("mail.send", to="ada").confirmed
    assert len(server.effects) == 1


async def test_the_kit_works_on_an_event_loop(server: FakeServer) -> None:
    server.on_wait(server.approve)
    async with server.async_client() as client, client.run("one") as run:
        assert (await run.action("mail.send", to="everybody")).confirmed
        assert (await run.wait("a while", after(3600))).first == 0
