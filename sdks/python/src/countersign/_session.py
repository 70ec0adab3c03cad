"""One session of a run: what is named, what is on record, what is asked of the server. No I/O: flows only.

A run may have many sessions, one after the other: each is a process that drives it. What a session did is on record under
keys; the next one asks by the same keys and gets the results instead of doing the work again.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import action as actions
from ._canonical import NotJson, canonical, digest
from ._transport import Call, Flow, Pause, Reply, Retry, ask, ask_json
from .action import Action
from .errors import (
    ActionMismatch,
    Final,
    KeyReused,
    ProtocolError,
    StepFailed,
    StepMismatch,
    StillWaiting,
    ValueNotJson,
)
from .results import Results, fetch, stow
from .waits import Condition, Met

KINDS = ("task", "context", "think", "decide")
KEY_BYTES_MAX = 200
# How long an action that runs is followed by a caller who does not want to wait for people.
RUNNING_SECONDS = 30.0
# Between two looks at something that the server does not hold the answer for.
LOOK_SECONDS = 0.25
PAGE = 100


class Missing:
    """Stands for an argument that was not given."""


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step's name with what else is to be said of it.

    `kind`: `task`, `context` (something read that the run relies on), `think` (a model's answer) or `decide`. `input`: what the
    step depends on, instead of the arguments of its function: for functions whose arguments are not JSON.
    """

    key: str
    kind: str = "task"
    input: Any = MISSING


@dataclass(frozen=True, slots=True)
class Hit:
    """A step that is on record, with its result."""

    value: Any


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice, with its reasons, as it is on record."""

    chosen: Any
    because: str
    rejected: tuple[Any, ...]


class Wire(Protocol):
    """How a session speaks with the server: by requests, or over a worker's connection."""

    def recorded(self) -> Flow[dict[str, Mapping[str, Any]]]: ...

    def record(self, steps: Sequence[Mapping[str, Any]]) -> Flow[list[Mapping[str, Any]]]: ...

    def propose(self, key: str, tool: str, arguments: Mapping[str, Any], reason: str | None, hold: float) -> Flow[Action]: ...

    def follow(self, action: Action, wait: bool | float, again: Callable[[], Flow[Action]]) -> Flow[Action]: ...

    def wait(self, key: str, mode: str, on: Sequence[Condition], timeout: float | None) -> Flow[Met]: ...

    def finish(self, outcome: str, result: Any, error: Any) -> Flow[Mapping[str, Any] | None]: ...


class Session:
    """The state of one session and what it does."""

    def __init__(self, wire: Wire, results: Results | None) -> None:
        self.wire = wire
        self.results = results
        self.memo: dict[str, Mapping[str, Any]] | None = None
        self._used: set[tuple[str, str]] = set()
        self._times: dict[str, int] = {}
        self._lock = threading.Lock()

    def claim(self, what: str, key: str) -> None:
        """Takes a key for this session. Waits are steps: their keys are the same ones."""
        size = len(key.encode())
        if not 1 <= size <= KEY_BYTES_MAX:
            raise ValueNotJson(f"the key of a {what} has {size} bytes", f"give it 1 to {KEY_BYTES_MAX} bytes")
        with self._lock:
            if (_kind(what), key) in self._used:
                raise KeyReused(what, key, example_of(what, key))
            self._used.add((_kind(what), key))

    def release(self, what: str, key: str) -> None:
        """Gives a key back: what it named did not come about."""
        with self._lock:
            self._used.discard((_kind(what), key))

    def times(self, what: str) -> int:
        """How often this was asked for in the session, before now."""
        with self._lock:
            count = self._times.get(what, 0)
            self._times[what] = count + 1
            return count

    def load(self) -> Flow[None]:
        """Reads what is on record."""
        self.memo = yield from self.wire.recorded()

    def act(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        key: str | None,
        reason: str | None,
        wait: bool | float,
        once: bool = True,
    ) -> Flow[Action]:
        """Proposes an action and follows it for as long as the caller wants."""
        try:
            named = key if key is not None else f"{tool} {digest(arguments)[:32]}"
        except NotJson as error:
            raise ValueNotJson(f"an argument of `{tool}` is no JSON: {error}", "give JSON values") from None
        if once:
            self.claim("action", named)
        try:
            hold = RUNNING_SECONDS if isinstance(wait, bool) else max(0.0, min(float(wait), RUNNING_SECONDS))
            propose = functools.partial(self.wire.propose, named, tool, arguments, reason, hold)
            found = yield from propose()
            found = yield from self.wire.follow(found, wait, propose)
        except ActionMismatch as error:
            self.release("action", named)
            error.hint = f"give each action of a run a key of its own: {example_of('action', named)}"
            raise
        except BaseException:
            self.release("action", named)
            raise
        if not found.settled:
            self.release("action", named)
        return found

    def decide(self, key: str, chosen: Any, because: str, rejected: Sequence[Any], basis: Any) -> Flow[Decision]:
        """Records a choice; one that is on record stands."""
        step = StepCall(self, StepSpec(key, "decide", {"basis": basis}), (), {})
        result = {"chosen": chosen, "because": because, "rejected": list(rejected)}
        value = yield from step.done(result)
        return Decision(value["chosen"], value["because"], tuple(value["rejected"]))

    def wait(self, key: str, mode: str, on: Sequence[Condition], timeout: float | None) -> Flow[Met]:
        """Waits for what was asked for."""
        if not on:
            raise ValueNotJson(f"the wait `{key}` waits for nothing", "name a signal, a moment, an action or a run")
        self.claim("wait", key)
        try:
            met = yield from self.wire.wait(key, mode, on, timeout)
        except BaseException:
            self.release("wait", key)
            raise
        return met


class StepCall:
    """One use of a step: looked for, then done and recorded."""

    def __init__(self, session: Session, spec: StepSpec, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        if spec.kind not in KINDS:
            raise ValueNotJson(f"`{spec.kind}` is no kind of step", f"one of: {', '.join(KINDS)}")
        self.session, self.spec = session, spec
        try:
            given = {"args": list(args), "kwargs": dict(kwargs)} if isinstance(spec.input, Missing) else spec.input
            self.input = digest(given)
        except NotJson as error:
            raise ValueNotJson(
                f"the input of the step `{spec.key}` is no JSON: {error}",
                f'say what it depends on: run.step(StepSpec("{spec.key}", input=…), …)',
            ) from None
        session.claim("step", spec.key)

    def look(self) -> Flow[Hit | None]:
        """The result on record. Needs `load` before."""
        assert self.session.memo is not None, "loaded before"
        if self.spec.key not in self.session.memo:
            return None
        # Asked for, not taken from the list: the server alone can tell whether the input is the same.
        value = yield from self._record({"result": None})
        return Hit(value)

    def done(self, value: Any) -> Flow[Any]:
        """Records the result and returns what is on record: this, or what somebody recorded before."""
        try:
            text = canonical(value)
        except NotJson as error:
            self.release()
            raise ValueNotJson(
                f"the result of the step `{self.spec.key}` is no JSON: {error}",
                "return texts, numbers, lists and dictionaries",
            ) from None
        try:
            kept = stow(self.spec.key, json.loads(text), text, self.session.results)
        except BaseException:
            self.release()
            raise
        return (yield from self._record({"result": kept}))

    def failed(self, error: Final) -> Flow[StepFailed]:
        """Records the failure and returns it as it is on record."""
        try:
            yield from self._record({"error": {"class": type(error).__name__, "message": error.message, "data": error.data}})
        except StepFailed as on_record:
            return on_record
        raise ProtocolError("the server recorded a failure as a result")

    def release(self) -> None:
        """Gives the key back, so that another try in this session may use it."""
        self.session.release("step", self.spec.key)

    def _record(self, content: Mapping[str, Any]) -> Flow[Any]:
        step = {"key": self.spec.key, "kind": self.spec.kind, "input_sha256": self.input, **content}
        try:
            recorded = (yield from self.session.wire.record([step]))[0]
        except StepMismatch as error:
            error.hint = (
                f"`{self.spec.key}` was recorded by a step that did something else. Give this one a key of its own: "
                f"{example_of('step', self.spec.key)}"
            )
            raise
        except BaseException:
            self.release()
            raise
        if recorded["outcome"] == "failed":
            raise StepFailed(self.spec.key, recorded.get("error"))
        return fetch(self.spec.key, recorded.get("result"), self.session.results)


def _kind(what: str) -> str:
    return "step" if what == "wait" else what


def example_of(what: str, key: str) -> str:
    """How to name the rounds of a loop."""
    shown = key if len(key) <= 40 else key[:39] + "…"
    if what == "action":
        return f'run.action(…, key=f"{shown.split(" ")[0]}-{{item}}")'
    return f'run.{what}(f"{shown}-{{item}}", …)'


def header(key: str) -> str:
    """A key as it may stand in a header: itself, where that is plain ASCII, else its digest."""
    if len(key) <= 250 and key.isascii() and key.isprintable() and key.strip() == key:
        return key
    return f"sha256-{digest(key)}"


@dataclass(slots=True)
class HttpWire:
    """Speaks by requests."""

    run: str
    retry: Retry
    headers: Mapping[str, str] = field(default_factory=dict)

    def recorded(self, after: str | None = None) -> Flow[dict[str, Mapping[str, Any]]]:
        steps: dict[str, Mapping[str, Any]] = {}
        while True:
            query: dict[str, str | int] = {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
            page = yield from ask_json(Call("GET", f"/v1/runs/{self.run}/steps", query=query), self.retry)
            steps.update((step["key"], step) for step in page["items"] if step.get("key") is not None)
            after = page.get("next")
            if after is None:
                return steps

    def record(self, steps: Sequence[Mapping[str, Any]]) -> Flow[list[Mapping[str, Any]]]:
        # The keys of the steps make it repeatable: what is on record is answered from there.
        answer = yield from ask_json(Call("POST", f"/v1/runs/{self.run}/steps", {"steps": list(steps)}), self.retry)
        recorded: list[Mapping[str, Any]] = answer["steps"]
        return recorded

    def propose(self, key: str, tool: str, arguments: Mapping[str, Any], reason: str | None, hold: float) -> Flow[Action]:
        body: dict[str, Any] = {"tool": tool, "arguments": dict(arguments), "wait_ms": round(hold * 1000)}
        if reason is not None:
            body["reason"] = reason
        call = Call("POST", f"/v1/runs/{self.run}/actions", body, key=header(key), hold=hold)
        return actions.of_wire((yield from ask_json(call, self.retry)))

    def follow(self, action: Action, wait: bool | float, again: Callable[[], Flow[Action]]) -> Flow[Action]:
        return (yield from follow(action, wait, self.retry))

    def wait(self, key: str, mode: str, on: Sequence[Condition], timeout: float | None) -> Flow[Met]:
        spent = 0.0
        while True:
            most = self.retry.hold_seconds_max
            hold = most if timeout is None else max(0.0, min(timeout - spent, most))
            body = {"key": key, mode: [one.wire for one in on], "wait_ms": round(hold * 1000)}
            call = Call("POST", f"/v1/runs/{self.run}/waits", body, hold=hold)
            reply: Reply = yield from ask(call, self.retry, waiting=True)
            answer = json.loads(reply.body)
            if answer["met"]:
                return met_of(key, answer)
            spent += reply.took
            if timeout is not None and spent + 0.001 >= timeout:
                raise StillWaiting(key)
            if reply.took < min(LOOK_SECONDS, hold):
                yield Pause(LOOK_SECONDS)
                spent += LOOK_SECONDS

    def finish(self, outcome: str, result: Any, error: Any) -> Flow[Mapping[str, Any] | None]:
        body: dict[str, Any] = {"outcome": outcome}
        if result is not None:
            body["result"] = result
        if error is not None:
            body["error"] = error
        ended: Mapping[str, Any] = yield from ask_json(Call("POST", f"/v1/runs/{self.run}/finish", body), self.retry)
        return ended


def met_of(key: str, answer: Mapping[str, Any]) -> Met:
    """A wait that was met, from the server's answer."""
    return Met(key, tuple(answer.get("by", ())), tuple(answer.get("answers", ())))


def follow(action: Action, wait: bool | float, retry: Retry) -> Flow[Action]:
    """Asks for an action until it is settled, or the caller has waited enough. Waits for people only where `wait` says so."""
    most = wait if not isinstance(wait, bool) else None
    spent = 0.0
    while not action.settled and not (action.unknown and action.handed_over):
        if wait is False and (action.status not in ("approved", "intended") or spent >= RUNNING_SECONDS):
            break
        if most is not None and spent + 0.001 >= most:
            break
        hold = retry.hold_seconds_max if most is None else min(most - spent, retry.hold_seconds_max)
        call = Call("GET", f"/v1/actions/{action.id}", query={"wait_ms": round(hold * 1000)}, hold=hold)
        reply: Reply = yield from ask(call, retry, waiting=True)
        action = actions.of_wire(json.loads(reply.body))
        spent += reply.took
        if not action.settled and reply.took < min(LOOK_SECONDS, hold):
            yield Pause(LOOK_SECONDS)
            spent += LOOK_SECONDS
    return action
