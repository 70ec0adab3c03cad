"""When the server is away: said at once, nothing assumed, nothing done twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest

import countersign
from countersign import Client, Retry
from countersign.testing import FakeServer
from hosts import Host

Name = Callable[[], str]
CANCEL = "crm.cancel_pending_order"


def test_a_server_that_is_away_is_said_at_once_and_writes_fail_closed(host: Host, name: Name) -> None:
    run_name, order = name(), "#W1000019"
    arguments = {"order_id": order, "reason": "no longer needed"}
    with host.client() as client, client.run(run_name, finish=False) as run:
        assert run.step("before", lambda: 1) == 1
        with host.outage():
            began = time.monotonic()
            for ask in (
                lambda: run.action(CANCEL, arguments, key="cancel"),
                lambda: run.step("during", lambda: 2),
                lambda: client.run("new").start(),
            ):
                with pytest.raises(countersign.ServerUnavailable) as caught:
                    ask()
                assert caught.value.retryable
                assert caught.value.code == "unavailable"
            assert not client.available()
            assert time.monotonic() - began < 5
        assert client.available()
        assert run.action(CANCEL, arguments, key="cancel").confirmed, "it carries on in the same session"
        assert run.step("during", lambda: 3) == 3, "what could not be recorded is done again"
    assert host.effects(order) == 1


def test_nobody_listens_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    began = time.monotonic()
    with Client(f"http://127.0.0.1:{port}", "csk_x") as client:
        with pytest.raises(countersign.ServerUnavailable, match=f"no server answers at http://127.0.0.1:{port}") as caught:
            client.run("one").start()
    assert not caught.value.maybe_taken
    assert time.monotonic() - began < 2


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key() -> None:
    server = FakeServer()

    @server.tool("mail.send")
    def send(to: str) -> str:
        return "sent"

    with server.client() as client, client.run("one") as run:
        for after in (True, False):
            server.cut_next(after=after)
            assert run.action("mail.send", to="ada", key=f"mail-{after}").confirmed
            server.cut_next(after=after)
            assert run.step(f"step-{after}", lambda: 1) == 1
    assert len(server.effects) == 2


def test_repetition_is_bounded_and_says_that_it_may_have_been_taken() -> None:
    server = FakeServer()
    server.tool("mail.send")(lambda to: "sent")
    with server.client(retry=Retry(attempts=3)) as client, client.run("one", finish=False) as run:
        for _ in range(3):
            server.cut_next(after=True)
        with pytest.raises(countersign.ServerUnavailable) as caught:
            run.action("mail.send", to="ada", key="mail")
        assert caught.value.maybe_taken
        assert run.action("mail.send", to="ada", key="mail").confirmed
    assert len(server.effects) == 1


def test_an_approval_is_never_repeated_blindly() -> None:
    server = FakeServer()
    server.tool("mail.send", rule="approve")(lambda to: "sent")
    with server.client() as client, client.run("one", finish=False) as run:
        action = run.propose("mail.send", to="ada", wait=False)
        (waiting,) = server.waiting()
        server.cut_next(after=True)
        with server.person() as person, pytest.raises(countersign.ServerUnavailable) as caught:
            person.approve(waiting["id"], seen=waiting["digest"])
        assert caught.value.maybe_taken
        assert client.action(action.id).confirmed


class Script(httpx.BaseTransport):
    """Answers one request after the other."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def problem(status: int, code: str, after: str | None = None) -> httpx.Response:
    headers = {} if after is None else {"retry-after": after}
    return httpx.Response(status, json={"code": code, "detail": "no", "hint": "later", "status": status}, headers=headers)


RUN = {"id": "run_1", "agent": "a", "status": "open"}


def scripted(*answers: httpx.Response | Exception, retry: Retry | None = None) -> tuple[Client, Script, list[float]]:
    script, slept = Script(*answers), list[float]()

    class Time(countersign.Timekeeper):
        def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    return (
        Client("http://x.invalid", "csk_x", retry=retry or Retry(chance=lambda: 1.0), transport=script, time=Time()),
        script,
        slept,
    )


def test_busy_servers_are_asked_again_after_the_time_that_they_name() -> None:
    client, script, slept = scripted(problem(503, "busy", "1"), problem(503, "stopping"), httpx.Response(201, json=RUN))
    assert client.run("one", key="k").start().id == "run_1"
    assert slept == [1.0, 0.2]
    assert {request.headers["idempotency-key"] for request in script.asked} == {"k"}
    assert len({request.content for request in script.asked}) == 1


def test_a_server_that_names_a_long_time_is_not_waited_for() -> None:
    client, _, slept = scripted(problem(503, "disk_full", "60"))
    with pytest.raises(countersign.RequestError) as caught:
        client.run("one").start()
    assert (caught.value.code, caught.value.retryable, slept) == ("disk_full", True, [])


def test_what_is_refused_is_not_asked_again() -> None:
    client, script, slept = scripted(problem(422, "request_invalid"))
    with pytest.raises(countersign.InvalidRequest) as caught:
        client.run("one").start()
    assert (caught.value.retryable, len(script.asked), slept) == (False, 1, [])


def test_attempts_are_bounded_with_backoff() -> None:
    client, script, slept = scripted(*[problem(503, "busy")] * 5)
    with pytest.raises(countersign.RequestError):
        client.run("one").start()
    assert (len(script.asked), slept) == (5, [0.1, 0.2, 0.4, 0.8])


def test_patience_with_an_outage_is_asked_for() -> None:
    down = [httpx.ConnectError("refused") for _ in range(3)]
    client, script, _ = scripted(*down, httpx.Response(201, json=RUN), retry=Retry(outage_seconds=5, chance=lambda: 1.0))
    assert client.run("one").start().id == "run_1"
    assert len(script.asked) == 4


def test_whatever_is_not_countersign_is_said() -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(404, text="nginx")):
        client, _, _ = scripted(answer)
        with pytest.raises(countersign.ProtocolError):
            client.run("one").start()
    client, script, _ = scripted(*[httpx.Response(502, text="bad gateway")] * 5)
    with pytest.raises(countersign.ServerUnavailable):
        client.run("one").start()
    assert len(script.asked) == 5


def test_what_the_client_is_not_told_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("URL", "KEY", "KEY_FILE"):
        monkeypatch.delenv(f"COUNTERSIGN_{variable}", raising=False)
    with pytest.raises(countersign.ConfigError, match="where the server is"):
        Client()
    with pytest.raises(countersign.ConfigError, match="no key"):
        Client("http://127.0.0.1:1")
    for address in ("127.0.0.1:7400", "ftp://x", "http://"):
        with pytest.raises(countersign.ConfigError, match="no address"):
            Client(address, "k")
    monkeypatch.setenv("COUNTERSIGN_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("COUNTERSIGN_KEY", "csk_env\n")
    client = Client()
    assert "csk_env" not in repr(vars(client))
    client.close()


def test_a_waiting_agent_outlives_a_restart_of_the_server(host: Host, name: Name) -> None:
    if host.name == "fake":
        pytest.skip("needs a process that is killed")
    arguments = {"order_id": "#W1000010", "reason": "ordered by mistake"}
    with host.client() as client, client.run(name(), finish=False) as run:
        action = run.propose(CANCEL, arguments, key="cancel", wait=False)
        if not action.waiting:
            pytest.skip("another test cancelled the order")
        got: list[object] = []
        waiting = threading.Thread(target=lambda: got.append(run.propose(CANCEL, arguments, key="cancel")))
        waiting.start()
        time.sleep(0.3)
        with host.outage():
            pass
        client.withdraw(action.id)
        waiting.join(timeout=20)
        assert isinstance(got[0], countersign.Action)
        assert got[0].status == "withdrawn"
