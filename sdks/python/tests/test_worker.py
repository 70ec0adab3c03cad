"""Workers: runs that are given, taken back, and never done by two."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import countersign
from countersign import AsyncRun, Final, Run, Worker, after, agent, signal, task
from countersign.testing import FakeServer
from countersign.testing.work import WorkSession
from countersign.worker import PROTOCOL, Left, Unreachable


@pytest.fixture
def server() -> FakeServer:
    server = FakeServer()
    server.tool("mail.send", rule=lambda arguments: "approve" if arguments["to"] == "everybody" else "autonomous")(
        lambda to: f"sent to {to}"
    )
    return server


def start(server: FakeServer, name: str, given: Any = None, **more: Any) -> str:
    with server.client() as client:
        return client.dispatch(name, given, key=f"{name}-1", **more)["id"]


def ended(server: FakeServer, run: str) -> dict[str, Any]:
    return dict(server.world.runs[run].wire)


async def test_a_task_is_done_and_its_result_kept(server: FakeServer) -> None:
    @task("double")
    async def double(run: AsyncRun, number: int) -> int:
        return await run.step("double", lambda: number * 2)

    run = start(server, "double", 21)
    assert start(server, "double", 21) == run
    await server.work(double)
    assert ended(server, run)["status"] == "done"
    assert ended(server, run)["result"] == 42


async def test_a_plain_function_runs_in_a_thread(server: FakeServer) -> None:
    where = []

    @task("plain")
    def plain(run: Run, given: Any) -> str:
        where.append(threading.current_thread() is threading.main_thread())
        assert countersign.current_run() is run
        return run.action("mail.send", to=given).text

    run = start(server, "plain", "ada")
    await server.work(plain)
    assert ended(server, run)["result"] == "sent to ada"
    assert where == [False]


async def test_a_waiting_run_has_no_worker_and_goes_on_where_it_was(server: FakeServer) -> None:
    begun, loads = [], []

    @task("refund")
    async def refund(run: AsyncRun, given: Any) -> str:
        begun.append(run.wire["attempt"])
        await run.step("load", lambda: loads.append(1))
        action = await run.action("mail.send", to="everybody", key="mail")
        await run.wait("pause", after(3600))
        met = await run.wait("payment", signal("paid"))
        return f"{action.text}, paid {met.answer}"

    run = start(server, "refund")
    await server.work(refund)
    assert ended(server, run)["phase"] == "waiting"
    server.approve()
    await server.work(refund, seconds=7200)
    assert ended(server, run)["phase"] == "waiting", "for the signal; the hour took no time"
    with server.client() as client:
        client.signal(run, "paid", 5, key="k")
    await server.work(refund)
    assert ended(server, run)["result"] == "sent to everybody, paid 5"
    assert begun == [1, 2, 3, 4]
    assert loads == [1]
    assert server.effects == [("mail.send", {"to": "everybody"})]


async def test_a_task_that_fails_is_tried_again_and_parks(server: FakeServer) -> None:
    tries = []

    @task("fragile")
    async def fragile(run: AsyncRun, given: Any) -> None:
        tries.append(server.clock.millis)
        raise OSError("no line")

    run = start(server, "fragile")
    await server.work(fragile, seconds=60)
    assert [later - before for before, later in itertools.pairwise(tries)] == [1000, 2000, 4000, 8000]
    assert ended(server, run)["phase"] == "parked"
    assert len(server.world.incidents) == 1


async def test_a_final_failure_ends_the_run(server: FakeServer) -> None:
    @task("hopeless")
    async def hopeless(run: AsyncRun, given: Any) -> None:
        raise Final("there is no such order", order="#1")

    @task("odd")
    async def odd(run: AsyncRun, given: Any) -> Any:
        return object()

    runs = [start(server, "hopeless"), start(server, "odd")]
    await server.work(hopeless, odd)
    assert [ended(server, run)["status"] for run in runs] == ["failed", "failed"]
    assert ended(server, runs[0])["error"]["data"] == {"order": "#1"}


async def test_an_agent_is_a_class_of_tasks(server: FakeServer) -> None:
    @agent("shop-agent", versions=[3])
    class Shop:
        @task("one")
        async def one(self, run: AsyncRun, given: Any) -> int:
            return 1

        @task("two")
        def two(self, run: Run, given: Any) -> int:
            return 2

        def helper(self) -> None: ...

    runs = [start(server, "one"), start(server, "two")]
    worker = server.worker(Shop)
    assert (worker.agent, worker.versions, sorted(worker.tasks)) == ("shop-agent", (3,), ["one", "two"])
    await server.work(Shop)
    assert [ended(server, run)["result"] for run in runs] == [1, 2]


def test_what_is_no_task_is_said() -> None:
    with pytest.raises(countersign.ConfigError, match="is no task"):
        Worker(print, url="http://127.0.0.1:1", key="k")
    with pytest.raises(countersign.ConfigError, match="no tasks"):
        Worker(url="http://127.0.0.1:1", key="k")
    with pytest.raises(countersign.ConfigError, match="twice"):
        Worker(task("a")(lambda run, given: 1), task("a")(lambda run, given: 2), url="http://127.0.0.1:1", key="k")


async def test_side_by_side_within_slots(server: FakeServer) -> None:
    at_once, most = 0, 0

    @task("slow")
    async def slow(run: AsyncRun, given: Any) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.gather(*(run.step(f"s-{number}", lambda: None) for number in range(5)))
        await asyncio.sleep(0.01)
        at_once -= 1

    with server.client() as client:
        for number in range(9):
            client.dispatch("slow", key=f"slow-{number}")
    await server.work(slow, slots=3)
    assert most == 3
    assert all(run.wire["status"] == "done" for run in server.world.runs.values())


async def test_a_worker_past_its_lease_is_refused_and_leaves_the_run(server: FakeServer) -> None:
    swallowed, go = [], asyncio.Event()

    @task("stalled")
    async def stalled(run: AsyncRun, given: Any) -> str:
        if run.wire["attempt"] == 1:
            await go.wait()
            try:
                await run.step("late", lambda: "by the first")
            except BaseException as error:
                swallowed.append(type(error).__name__)
                raise
        return await run.step("late", lambda: "by the second")

    run = start(server, "stalled")
    first, second = server.worker(stalled), server.worker(stalled)
    serving = [asyncio.ensure_future(first.serve())]
    await until(lambda: server.world.runs[run].wire["attempt"] == 1)
    server.world.give_back(run, "lapsed")
    serving.append(asyncio.ensure_future(second.serve()))
    await until(lambda: server.world.runs[run].wire["status"] == "done" or server.world.runs[run].wire["attempt"] == 2)
    go.set()
    await until(lambda: server.world.runs[run].wire["status"] == "done")
    for worker in (first, second):
        worker.stop()
    await asyncio.gather(*serving)
    assert ended(server, run)["result"] == "by the second"
    assert set(swallowed) <= {"Left", "CancelledError"}


async def test_a_stopped_worker_gives_its_runs_back(server: FakeServer) -> None:
    @task("long")
    async def long(run: AsyncRun, given: Any) -> None:
        await asyncio.sleep(3600)

    run = start(server, "long")
    worker = server.worker(long)
    serving = asyncio.ensure_future(worker.serve())
    await until(lambda: server.world.runs[run].wire["attempt"] == 1)
    worker.stop()
    await serving
    await until(lambda: server.world.runs[run].wire["phase"] == "ready")


async def test_a_cancelled_run_is_left(server: FakeServer) -> None:
    seen = []

    @task("long")
    async def long(run: AsyncRun, given: Any) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("left")

    run = start(server, "long")
    worker = server.worker(long)
    serving = asyncio.ensure_future(worker.serve())
    await until(lambda: server.world.runs[run].wire["attempt"] == 1)
    server.world.finish(run, {"outcome": "cancelled"})
    await until(lambda: seen == ["left"])
    worker.stop()
    await serving


async def test_a_line_that_is_cut_anywhere_loses_and_repeats_nothing(server: FakeServer) -> None:
    """Every message of a whole task is lost once, before the server took it and after."""

    @task("walk")
    async def walk(run: AsyncRun, given: Any) -> list[Any]:
        got: list[Any] = [await run.step(f"s-{number}", int, number) for number in range(3)]
        got.append((await run.action("mail.send", to=f"ada-{given}", key="mail")).text)
        return got

    cut_at, cuts = 0, 0
    while True:
        cut_at += 1
        line = Cutting(server, cut_at)
        with server.client() as client:
            run = client.dispatch("walk", cut_at, key=f"walk-{cut_at}")["id"]
        worker = Worker(walk, connect=line.connect, retry=countersign.Retry(first_seconds=0.001, most_seconds=0.002))
        serving = asyncio.ensure_future(worker.serve())

        def over(run: str = run, worker: Worker = worker) -> bool:
            # A run whose beginning was lost on the way comes again when its lease has run out.
            if not worker.busy:
                server.clock.travel(1)
            return bool(server.world.runs[run].wire["status"] == "done")

        await until(over)
        worker.stop()
        await serving
        assert ended(server, run)["result"] == [0, 1, 2, f"sent to ada-{cut_at}"], f"cut at message {cut_at}"
        cuts += line.cut
        if not line.cut:
            break
    assert cuts >= 8
    assert len(server.effects) == cut_at


class Cutting:
    """Connections of which the first one is cut at its n-th message, in either direction."""

    def __init__(self, server: FakeServer, at: int) -> None:
        self.server, self.left, self.cut = server, at, False

    def _count(self) -> bool:
        self.left -= 1
        if self.left == 0:
            self.cut = True
        return self.cut and self.left == 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        async with self.server.connect() as line:
            outer, cut_now = self, False

            class Line:
                async def send(self, message: str) -> None:
                    nonlocal cut_now
                    if cut_now or outer._count():
                        cut_now = True
                        # What is lost on the way: now and then it had arrived.
                        if outer.server.world.changes % 2:
                            await line.send(message)
                        line.close()
                        raise Unreachable("cut")
                    await line.send(message)

                async def recv(self) -> str:
                    nonlocal cut_now
                    message = await line.recv()
                    if cut_now or outer._count():
                        cut_now = True
                        line.close()
                        raise Unreachable("cut")
                    return message

            yield Line()


async def until(condition: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Socket:
    """The fake's sessions behind a real WebSocket, as the document describes it."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.hellos: list[dict[str, Any]] = []
        self.refuse: tuple[int, str] | None = None
        self.lines: list[ServerConnection] = []

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[Server]:
        async def handle(line: ServerConnection) -> None:
            assert line.request is not None
            assert line.request.path == "/v1/work"
            assert line.request.headers["authorization"] == "Bearer csk_agent"
            assert line.subprotocol == PROTOCOL
            self.lines.append(line)

            class Wrapped:
                async def send(_, message: str) -> None:  # noqa: N805
                    await line.send(message)

                async def recv(_) -> str | bytes:  # noqa: N805
                    try:
                        message = await line.recv()
                    except ConnectionClosed:
                        raise Unreachable("closed") from None
                    if json.loads(message)["type"] == "hello":
                        self.hellos.append(json.loads(message))
                    return message

            await WorkSession(self.server.world, threading.RLock(), lease_ms=300).serve(Wrapped())

        async with serve(handle, "127.0.0.1", port, subprotocols=[PROTOCOL]) as socket:  # type: ignore[list-item]
            yield socket


async def test_over_a_real_socket_through_cuts_and_an_outage(server: FakeServer) -> None:
    begun = []

    @task("long")
    async def long(run: AsyncRun, given: Any) -> str:
        begun.append(run.wire["attempt"])
        await run.step("first", lambda: 1)
        for number in range(20):
            await asyncio.sleep(0.02)
            await run.step(f"s-{number}", lambda: number)  # noqa: B023
        return "through"

    socket = Socket(server)
    run = start(server, "long")
    async with socket.open() as listening:
        port = listening.sockets[0].getsockname()[1]
        worker = Worker(
            long, url=f"http://127.0.0.1:{port}", key="csk_agent", retry=countersign.Retry(first_seconds=0.02, most_seconds=0.05)
        )
        serving = asyncio.ensure_future(worker.serve())
        await until(lambda: len(server.world.runs[run].steps) > 3)
        socket.lines[0].transport.abort()
        await until(lambda: len(socket.lines) == 2)
        await until(lambda: len(server.world.runs[run].steps) > 8)
    # The server is gone for a moment, and back on its port.
    await asyncio.sleep(0.1)
    async with socket.open(port):
        await until(lambda: ended(server, run)["status"] == "done")
        worker.stop()
        await serving
    assert ended(server, run)["result"] == "through"
    assert begun == [1], "it came back with its token: nothing was begun again"
    assert socket.hellos[1]["resume"] == [{"run": run, "attempt": 1}]


async def test_a_key_that_is_not_taken_ends_the_worker(server: FakeServer) -> None:
    def deny(line: ServerConnection, request: Any) -> Any:
        response = line.respond(401, json.dumps({"code": "unauthenticated", "detail": "no", "hint": "a key"}))
        return response

    async def never(line: ServerConnection) -> None: ...

    async with serve(never, "127.0.0.1", 0, process_request=deny) as socket:
        port = socket.sockets[0].getsockname()[1]
        worker = Worker(task("a")(lambda run, given: 1), url=f"http://127.0.0.1:{port}", key="csk_wrong")
        with pytest.raises(countersign.Unauthenticated):
            await worker.serve()


async def test_what_a_worker_without_its_lease_still_does_goes_nowhere() -> None:
    """It was stopped past its lease: its first write is refused, and nothing more is sent, whatever the task does."""
    sent, told, done = list[dict[str, Any]](), asyncio.Queue[str](), asyncio.Event()

    class Line:
        async def send(self, message: str) -> None:
            one = json.loads(message)
            sent.append(one)
            if one["type"] == "hello":
                told.put_nowait(json.dumps({"type": "welcome", "id": one["id"], "lease_ms": 30_000, "lost": []}))
                told.put_nowait(json.dumps({"type": "run", "run": "run_1", "task": "stubborn", "attempt": 1, "steps": []}))
            else:
                problem = {"code": "lease_lost", "status": 409, "detail": "attempt 1 is not the current one", "hint": ""}
                told.put_nowait(json.dumps({"type": "refused", "id": one["id"], "problem": problem}))

        async def recv(self) -> str:
            return await told.get()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Line]:
        yield Line()

    @task("stubborn")
    async def stubborn(run: AsyncRun, given: Any) -> str:
        for number in range(3):
            with pytest.raises(Left):
                await run.step(f"write-{number}", lambda: 1)
        done.set()
        return "as if nothing had happened"

    worker = Worker(stubborn, connect=connect)
    serving = asyncio.ensure_future(worker.serve())
    await done.wait()
    await until(lambda: not worker.busy)
    worker.stop()
    await serving
    assert [one["type"] for one in sent] == ["hello", "steps"]
