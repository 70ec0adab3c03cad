"""What the fake server knows, and the rules by which it changes: those of the real one, as far as they go."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._canonical import digest
from .clock import Clock

Rule = Literal["autonomous", "approve", "never"]
EXPIRES_MS = 24 * 3600 * 1000
FAILURES_MAX = 5
STEPS_MAX = 256


class ToolError(Exception):
    """Raised by a tool of the fake: the system says that it did not do it."""


class ToolLost(Exception):
    """Raised by a tool of the fake: no answer came. Whether it happened is for `FakeServer.settle` to say."""


class Stuck(AssertionError):
    """The agent waits for something that nobody will bring about: no timer is set, and no `on_wait` did anything."""


class Problem(Exception):
    """An answer of `application/problem+json`."""

    def __init__(self, status: int, code: str, detail: str, hint: str = "correct the request", **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {
            "type": f"/docs/errors/{code}",
            "title": code,
            "status": status,
            "detail": detail,
            "code": code,
            "hint": hint,
            **more,
        }


def invalid(detail: str, hint: str = "correct the request and send it again") -> Problem:
    return Problem(422, "request_invalid", detail, hint)


@dataclass(slots=True)
class Tool:
    """A tool of the fake."""

    name: str
    fn: Callable[..., Any]
    cls: str
    rule: Rule | Callable[[Mapping[str, Any]], Rule]

    def check(self, arguments: Mapping[str, Any]) -> None:
        try:
            inspect.signature(self.fn).bind(**arguments)
        except TypeError as error:
            raise Problem(422, "arguments_invalid", f"the arguments do not fit `{self.name}`: {error}") from None

    def verdict(self, arguments: Mapping[str, Any]) -> Rule:
        return self.rule(arguments) if callable(self.rule) else self.rule


@dataclass(slots=True)
class FakeRun:
    """A run."""

    wire: dict[str, Any]
    request: Any
    steps: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    actions: dict[str, FakeAction] = field(default_factory=dict)
    waits: dict[str, FakeWait] = field(default_factory=dict)
    signals: list[dict[str, Any]] = field(default_factory=list)
    input: Any = None
    failures: int = 0
    due: int = 0
    lease_end: int = 0

    @property
    def open(self) -> bool:
        return bool(self.wire["status"] == "open")


@dataclass(slots=True)
class FakeAction:
    """An action."""

    wire: dict[str, Any]
    arguments: dict[str, Any]
    approval: dict[str, Any] | None = None


@dataclass(slots=True)
class FakeWait:
    """A wait of a run."""

    asked: Any
    mode: str
    on: list[dict[str, Any]]
    by: list[int] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    @property
    def met(self) -> bool:
        return bool(self.by)


class World:
    """Runs, actions and people."""

    def __init__(self, clock: Clock, agent: str) -> None:
        self.clock = clock
        self.agent = agent
        self.tools: dict[str, Tool] = {}
        self.runs: dict[str, FakeRun] = {}
        self.actions: dict[str, FakeAction] = {}
        self.made: dict[tuple[str, str], str] = {}
        self.effects: list[tuple[str, dict[str, Any]]] = []
        self.incidents: list[dict[str, Any]] = []
        self.changes = 0
        self._count = 0

    @property
    def now(self) -> int:
        return self.clock.millis

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:026d}"

    # Runs

    def start(self, start: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        conversation = start.get("conversation")
        if key is None and conversation is None:
            raise Problem(400, "idempotency_key_missing", "the request has no idempotency key")
        agent = start.get("agent") or self.agent
        if agent != self.agent:
            raise Problem(403, "forbidden", f"the agent `{self.agent}` may not start runs of others")
        name = ("key", key) if key is not None else ("conversation", str(conversation))
        request = digest(dict(start)) if key is not None else None
        before = self.made.get((name[0], str(name[1])))
        if before is not None:
            run = self.runs[before]
            if run.request != request:
                raise Problem(422, "idempotency_mismatch", "this idempotency key was used before for another request")
            return self.shown(run)
        identity = self._id("run")
        wire: dict[str, Any] = {
            "id": identity,
            "agent": agent,
            "agent_version": 1,
            "status": "open",
            "started_at": self.now,
            "title": start.get("title"),
            "on_behalf_of": start.get("on_behalf_of"),
            "phase": "ready" if start.get("task") else "attached",
            "attempt": 0,
        }
        for member in ("task", "priority", "deadline", "parent"):
            if start.get(member) is not None:
                wire[member] = start[member]
        self.made[(name[0], str(name[1]))] = identity
        self.runs[identity] = FakeRun(wire, request, input=start.get("input"))
        self.changes += 1
        return self.shown(self.runs[identity])

    def run(self, identity: str) -> FakeRun:
        if identity not in self.runs:
            raise Problem(404, "not_found", f"there is no run `{identity}`")
        return self.runs[identity]

    def open_run(self, identity: str, attempt: int | None = None) -> FakeRun:
        run = self.run(identity)
        if attempt is not None and (run.wire["attempt"] != attempt or run.wire.get("phase") != "working"):
            raise Problem(409, "lease_lost", f"attempt {attempt} of the run `{identity}` is not the current one")
        if not run.open:
            raise Problem(409, "run_finished", f"the run `{identity}` has ended ({run.wire['status']})", "start a new run")
        if attempt is None and run.wire.get("task") and run.wire["phase"] == "working":
            raise Problem(409, "lease_lost", "a worker has this run")
        if run.wire["phase"] == "paused":
            raise Problem(409, "run_paused", f"the run `{identity}` is paused")
        return run

    def shown(self, run: FakeRun) -> dict[str, Any]:
        states = [one.wire["status"] for one in run.actions.values()]
        return {
            **run.wire,
            "actions": len(states),
            "waiting": states.count("waiting"),
            "stopped": sum(one in ("refused", "rejected", "expired", "failed") for one in states),
            "unknown": states.count("unknown"),
            "last_at": run.wire.get("finished_at", run.wire["started_at"]),
        }

    def finish(self, identity: str, end: Mapping[str, Any], attempt: int | None = None) -> dict[str, Any]:
        run = self.run(identity)
        outcome = end.get("outcome")
        if outcome not in ("done", "failed", "cancelled"):
            raise invalid("this is no outcome of a run")
        if run.open:
            if attempt is not None or (run.wire.get("task") and outcome != "cancelled"):
                # A run that workers do is ended by the one that has it.
                self.open_run(identity, attempt if attempt is not None else 0)
            run.wire.update(status=outcome, finished_at=self.now)
            run.wire.pop("phase", None)
            for member in ("result", "error"):
                if end.get(member) is not None:
                    run.wire[member] = end[member]
            self.changes += 1
            for action in run.actions.values():
                if outcome == "cancelled" and action.wire["status"] == "waiting":
                    self._settle(action, "withdrawn", "It was taken back before anybody approved it. It was not performed.")
            self.look()
        elif run.wire["status"] != outcome:
            raise Problem(409, "run_finished", f"the run `{identity}` has ended ({run.wire['status']})")
        return self.shown(run)

    # Steps

    def record(self, identity: str, steps: Sequence[Mapping[str, Any]], attempt: int | None = None) -> list[dict[str, Any]]:
        run = self.open_run(identity, attempt)
        if not 1 <= len(steps) <= STEPS_MAX:
            raise invalid(f"a request has 1 to {STEPS_MAX} steps")
        for step in steps:
            if step.get("kind") not in ("task", "context", "think", "decide"):
                raise invalid(f"`{step.get('kind')}` is no kind of step")
            if step.get("result") is not None and step.get("error") is not None:
                raise invalid("a step has a result or an error, not both")
            if step["key"] in run.waits:
                raise Problem(409, "step_mismatch", "this key was used before in this run, by a wait")
            before = run.steps.get(step["key"])
            if before is not None and (before[0] != step["input_sha256"] or before[1]["kind"] != step["kind"]):
                what = "input" if before[1]["kind"] == step["kind"] else "kind"
                raise Problem(409, "step_mismatch", f"this key was used before in this run, by a step with another {what}")
        answers = []
        for step in steps:
            if step["key"] in run.steps:
                answers.append({**run.steps[step["key"]][1], "memo": True})
                continue
            failed = step.get("error") is not None
            recorded: dict[str, Any] = {
                "key": step["key"],
                "kind": step["kind"],
                "outcome": "failed" if failed else "done",
                "entry": self._count,
                "at": self.now,
            }
            recorded["error" if failed else "result"] = json.loads(json.dumps(step["error"] if failed else step.get("result")))
            run.steps[step["key"]] = (step["input_sha256"], recorded)
            run.failures = 0
            answers.append(recorded)
            self.changes += 1
        return answers

    # Actions

    def propose(self, identity: str, wanted: Mapping[str, Any], key: str | None, attempt: int | None = None) -> FakeAction:
        if key is None:
            raise Problem(400, "idempotency_key_missing", "the request has no idempotency key")
        tool = self.tools.get(str(wanted.get("tool")))
        if tool is None:
            raise Problem(422, "tool_unknown", f"there is no tool `{wanted.get('tool')}`", "use a tool that the workspace pins")
        arguments = dict(wanted.get("arguments") or {})
        tool.check(arguments)
        run = self.open_run(identity, attempt)
        before = run.actions.get(key)
        if before is not None:
            if before.wire["tool"] != tool.name or before.arguments != arguments:
                raise Problem(
                    422,
                    "idempotency_mismatch",
                    "this idempotency key was used before for another request",
                    "use a new key for a new request",
                )
            return before
        action = FakeAction(
            {
                "id": self._id("act"),
                "run": identity,
                "agent": run.wire["agent"],
                "tool": tool.name,
                "class": tool.cls,
                "status": "intended",
                "settled": False,
                "verdict": None,
                "code": None,
                "message": "It is being performed.",
                "headline": f"{tool.name} {json.dumps(arguments, ensure_ascii=False)}",
                "approval": None,
                "proposed_at": self.now,
                "settled_at": None,
                "settled_by": None,
                "failure": None,
                "handed_over": False,
                "entry": self._count,
            },
            arguments,
        )
        run.actions[key] = action
        self.actions[action.wire["id"]] = action
        self.changes += 1
        verdict = tool.verdict(arguments)
        action.wire["verdict"] = verdict
        if verdict == "never":
            action.wire["code"] = "forbidden"
            words = "The rules of this workspace forbid this. It was not performed; do not propose it again."
            self._settle(action, "refused", words)
        elif verdict == "approve":
            approval = {
                "id": self._id("apr"),
                "action": action.wire["id"],
                "run": identity,
                "agent": run.wire["agent"],
                "tool": tool.name,
                "status": "waiting",
                "action_status": "waiting",
                "headline": action.wire["headline"],
                "requested_at": self.now,
                "expires_at": self.now + EXPIRES_MS,
                "quorum": 1,
                "approver_roles": [],
                "given": [],
                "digest": digest([action.wire["id"], tool.name, arguments]),
            }
            action.approval = approval
            action.wire.update(
                status="waiting",
                code="gated",
                approval=approval["id"],
                message="A person must countersign this before it is performed. Nothing was done yet.",
            )
        else:
            action.wire["code"] = "permitted"
            self._perform(action)
        return action

    def _perform(self, action: FakeAction) -> None:
        tool = self.tools[action.wire["tool"]]
        action.wire["status"] = "intended"
        try:
            value = tool.fn(**action.arguments)
        except ToolError as error:
            action.wire.update(failure="refused", output=_output(str(error), None, True))
            self._settle(action, "failed", "The system refused it. Nothing was changed.")
            return
        except ToolLost:
            action.wire.update(status="unknown", message="It is not known whether this happened. The server is finding out.")
            self.changes += 1
            return
        if tool.cls != "read":
            self.effects.append((tool.name, action.arguments))
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        action.wire["output"] = _output(text, None, False)
        self._settle(action, "confirmed", "Done.")

    def _settle(self, action: FakeAction, status: str, message: str, by: str = "answer") -> None:
        action.wire.update(status=status, settled=True, message=message, settled_at=self.now)
        if status in ("confirmed", "failed"):
            action.wire["settled_by"] = by
        if action.approval is not None and action.approval["status"] == "waiting":
            action.approval["status"] = status if status in ("rejected", "expired", "withdrawn") else "used"
        self.changes += 1
        self.look()

    def action(self, identity: str) -> FakeAction:
        if identity not in self.actions:
            raise Problem(404, "not_found", f"there is no action `{identity}`")
        return self.actions[identity]

    def resolve(self, identity: str, applied: bool) -> FakeAction:
        action = self.action(identity)
        if action.wire["status"] != "unknown":
            raise Problem(409, "action_state", f"the action `{identity}` is {action.wire['status']}")
        if applied:
            self.effects.append((action.wire["tool"], action.arguments))
            action.wire["output"] = None
            self._settle(action, "confirmed", "Done.", "look_up")
        else:
            action.wire["failure"] = "not_applied"
            self._settle(action, "failed", "It did not happen, as was found out afterwards. Nothing was changed.", "look_up")
        return action

    def withdraw(self, identity: str) -> FakeAction:
        action = self.action(identity)
        if action.wire["status"] != "waiting":
            raise Problem(409, "action_state", f"the action `{identity}` is {action.wire['status']}; this needs another state")
        self._settle(action, "withdrawn", "It was taken back before anybody approved it. It was not performed.")
        return action

    # People

    def approval(self, identity: str) -> FakeAction:
        for action in self.actions.values():
            if action.approval is not None and action.approval["id"] == identity:
                return action
        raise Problem(404, "not_found", f"there is no approval `{identity}`")

    def _waiting(self, identity: str) -> tuple[FakeAction, dict[str, Any]]:
        action = self.approval(identity)
        approval = action.approval
        assert approval is not None, "looked for by it"
        if approval["status"] != "waiting":
            raise Problem(409, "approval_settled", f"the approval `{identity}` is no longer waiting: it was {approval['status']}")
        return action, approval

    def approve(self, identity: str, seen: str, by: str) -> dict[str, Any]:
        action, approval = self._waiting(identity)
        if seen != approval["digest"]:
            raise Problem(409, "approval_stale", "the request changed after it was shown, or another one was meant")
        approval["given"].append({"by": by, "at": self.now})
        approval["status"] = "used"
        self._perform(action)
        approval["action_status"] = action.wire["status"]
        return approval

    def reject(self, identity: str, reason: str, by: str) -> dict[str, Any]:
        action, approval = self._waiting(identity)
        approval.update(rejected_by=by, rejected_reason=reason)
        self._settle(action, "rejected", f"{by} rejected this, with the words “{reason}”. It was not performed.")
        approval["action_status"] = "rejected"
        return approval

    # Waits and signals

    def tell(self, identity: str, name: str, value: Any, key: str | None) -> int:
        if key is None:
            raise Problem(400, "idempotency_key_missing", "the request has no idempotency key")
        run = self.run(identity)
        for one in run.signals:
            if one["key"] == key:
                if one["name"] != name or one["value"] != value:
                    raise Problem(422, "idempotency_mismatch", "this idempotency key was used before for another request")
                return int(one["seq"])
        if not run.open:
            raise Problem(409, "run_finished", f"the run `{identity}` has ended")
        self._count += 1
        run.signals.append({"name": name, "value": value, "key": key, "seq": self._count, "read": False})
        self.changes += 1
        self.look()
        return self._count

    def wait(self, identity: str, asked: Mapping[str, Any], attempt: int | None = None) -> dict[str, Any]:
        run = self.open_run(identity, attempt)
        key = str(asked.get("key") or "")
        modes = [mode for mode in ("any_of", "all_of") if mode in asked]
        if not key or len(modes) != 1 or not asked[modes[0]]:
            raise invalid("a wait has a key, and conditions in `any_of` or in `all_of`")
        mode = modes[0]
        if key in run.steps:
            raise Problem(409, "step_mismatch", "this key was used before in this run, by a step")
        found = run.waits.get(key)
        if found is None:
            on = [self._condition(one) for one in asked[mode]]
            found = run.waits[key] = FakeWait(asked[mode], mode, on)
            self.changes += 1
        elif found.asked != asked[mode] or found.mode != mode:
            raise Problem(409, "step_mismatch", "this key was used before in this run, by a wait for something else")
        self.look()
        if not found.met and attempt is not None:
            run.wire["phase"] = "waiting"
        return self.shown_wait(key, found)

    def shown_wait(self, key: str, wait: FakeWait) -> dict[str, Any]:
        return {"key": key, "met": wait.met, "by": wait.by if wait.met else [], "answers": wait.answers if wait.met else []}

    def _condition(self, one: Mapping[str, Any]) -> dict[str, Any]:
        if len(one) != 1 or not set(one) <= {"signal", "at", "after_ms", "action", "run"}:
            raise invalid("a condition is one of `signal`, `at`, `after_ms`, `action`, `run`")
        if "after_ms" in one:
            return {"at": self.now + int(one["after_ms"])}
        if "action" in one:
            self.action(str(one["action"]))
        if "run" in one:
            self.run(str(one["run"]))
        return dict(one)

    def _holds(self, run: FakeRun, one: Mapping[str, Any]) -> bool:
        if "at" in one:
            return self.now >= int(one["at"])
        if "action" in one:
            return bool(self.action(str(one["action"])).wire["settled"])
        if "run" in one:
            return not self.run(str(one["run"])).open
        return any(kept["name"] == one["signal"] and not kept["read"] for kept in run.signals)

    def _answer(self, run: FakeRun, one: Mapping[str, Any]) -> dict[str, Any]:
        if "at" in one:
            return {"at": one["at"]}
        if "action" in one:
            return {"action": one["action"], "status": self.action(str(one["action"])).wire["status"]}
        if "run" in one:
            other = self.run(str(one["run"])).wire
            answer = {"run": one["run"], "status": other["status"], "value": other.get("result"), "error": other.get("error")}
            return {name: value for name, value in answer.items() if value is not None}
        kept = next(kept for kept in run.signals if kept["name"] == one["signal"] and not kept["read"])
        kept["read"] = True
        return {"signal": kept["name"], "value": kept["value"]}

    def look(self) -> None:
        """Takes in what came due and what waits for it."""
        for action in self.actions.values():
            approval = action.approval
            if approval is not None and approval["status"] == "waiting" and self.now >= approval["expires_at"]:
                words = "Nobody answered the request for approval in time. It was not performed."
                approval["status"] = "expired"
                self._settle(action, "expired", words)
        for run in self.runs.values():
            if not run.open:
                continue
            deadline = run.wire.get("deadline")
            if deadline is not None and self.now >= deadline:
                self.finish(run.wire["id"], {"outcome": "failed", "error": {"class": "deadline"}})
                continue
            for wait in run.waits.values():
                self._look_at(run, wait)
            self._look_at_phase(run)

    def _look_at(self, run: FakeRun, wait: FakeWait) -> None:
        if wait.met:
            return
        holding = [number for number, one in enumerate(wait.on) if self._holds(run, one)]
        if wait.mode == "any_of":
            holding = holding[:1]
        elif len(holding) < len(wait.on):
            # Signals stay unread until all hold at once.
            return
        for number in holding:
            wait.by.append(number)
            wait.answers.append(self._answer(run, wait.on[number]))
            self.changes += 1
        if wait.mode == "any_of" and holding:
            self._lose(wait)

    def _lose(self, wait: FakeWait) -> None:
        """What lost against another condition is taken back: a request that still waits for a person."""
        for one in wait.on:
            action = self.actions.get(str(one.get("action")))
            if action is not None and action.wire["status"] == "waiting":
                self._settle(action, "withdrawn", "It was taken back before anybody approved it. It was not performed.")

    def _look_at_phase(self, run: FakeRun) -> None:
        phase = run.wire["phase"]
        if (phase == "waiting" and all(wait.met for wait in run.waits.values())) or (phase == "retrying" and self.now >= run.due):
            run.wire["phase"] = "ready"
        elif phase == "working" and self.now >= run.lease_end:
            self.give_back(run.wire["id"], "lapsed")

    def due(self) -> int | None:
        """The next moment at which something happens by itself."""
        moments = [
            action.approval["expires_at"]
            for action in self.actions.values()
            if action.approval is not None and action.approval["status"] == "waiting"
        ]
        for run in self.runs.values():
            if not run.open:
                continue
            if run.wire.get("deadline") is not None:
                moments.append(run.wire["deadline"])
            if run.wire["phase"] == "retrying":
                moments.append(run.due)
            moments.extend(int(one["at"]) for wait in run.waits.values() if not wait.met for one in wait.on if "at" in one)
        later = [moment for moment in moments if moment > self.now]
        return min(later, default=None)

    # Workers

    def ready(self, tasks: Sequence[str]) -> FakeRun | None:
        """The run that a worker with these tasks should do next."""
        waiting = [run for run in self.runs.values() if run.open and run.wire["phase"] == "ready" and run.wire["task"] in tasks]
        waiting.sort(key=lambda run: (-run.wire.get("priority", 5), run.wire["started_at"]))
        return waiting[0] if waiting else None

    def give(self, run: FakeRun, lease_ms: int) -> dict[str, Any]:
        run.wire["attempt"] += 1
        run.wire["phase"] = "working"
        run.lease_end = self.now + lease_ms
        self.changes += 1
        return {
            "type": "run",
            "run": run.wire["id"],
            "task": run.wire["task"],
            "attempt": run.wire["attempt"],
            "input": run.input,
            "agent_version": run.wire["agent_version"],
            "steps": [step for _, step in run.steps.values()],
            "waits": [self.shown_wait(key, wait) for key, wait in run.waits.items()],
        }

    def give_back(self, identity: str, why: str) -> None:
        run = self.run(identity)
        if why == "failed":
            run.failures += 1
            if run.failures >= FAILURES_MAX:
                run.wire["phase"] = "parked"
                self.incidents.append({"run": identity, "cause": "failed too often", "status": "open"})
            else:
                run.wire["phase"] = "retrying"
                run.due = self.now + 1000 * 2 ** (run.failures - 1)
        else:
            run.wire["phase"] = "ready"
        self.changes += 1


def _output(text: str, structured: Any, is_error: bool) -> dict[str, Any]:
    output: dict[str, Any] = {"text": text, "content": [{"type": "text", "text": text}], "is_error": is_error}
    if structured is not None:
        output["structured"] = structured
    return output
