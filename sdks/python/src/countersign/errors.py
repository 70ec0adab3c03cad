"""What can go wrong, as exceptions.

Each has a stable `code`, a `message`, a `hint` that says what to do next, and `retryable`: whether the same call may
succeed later as it is. Three families: the server could not be asked (`ServerUnavailable`), the request was not taken
(`RequestError`), the action did not happen or is not known to have happened (`ActionError`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .action import Action


class CountersignError(Exception):
    """The parent of all."""

    def __init__(self, message: str, *, code: str = "error", hint: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" + (f"\n  hint: {self.hint}" if self.hint else "")


class ConfigError(CountersignError):
    """The client was not told where the server is, or with which key."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, code="config", hint=hint)


class ServerUnavailable(CountersignError):
    """The server could not be asked, or gave no answer.

    `maybe_taken`: the request may have reached it. Calls of this SDK are named by keys, so the same call may be made again
    when the server is back: what was taken is found, and nothing happens twice.
    """

    def __init__(self, message: str, *, maybe_taken: bool = False, code: str = "unavailable") -> None:
        hint = "start the server or wait until it is back, then make the same call again: nothing happens twice"
        super().__init__(message, code=code, hint=hint, retryable=True)
        self.maybe_taken = maybe_taken


class ProtocolError(CountersignError):
    """Something answered that is not Countersign, or speaks another version."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="protocol", hint="check `url`: it must be the address of a Countersign server")


class RequestError(CountersignError):
    """The server did not take the request; nothing was changed."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int = 0,
        hint: str = "",
        retryable: bool = False,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(message, code=code, hint=hint, retryable=retryable)
        self.status = status
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return super().__str__() + "".join(f"\n  - {one}" for one in self.problems)


class Unauthenticated(RequestError):
    """The key is missing, wrong or revoked."""


class Forbidden(RequestError):
    """The key may not do this."""


class NotFound(RequestError):
    """There is no such thing, or not for this key."""


class InvalidRequest(RequestError):
    """The request is not what the server takes: `problems` may say more."""


class RunFinished(RequestError):
    """The run has ended; it takes nothing new."""


class RunPaused(RequestError):
    """A person holds the run."""


class Deferred(RequestError):
    """No decision is possible now; the same call may be made again."""


class StepMismatch(RequestError):
    """The key names another step of this run: another kind, or another input."""


class ActionMismatch(RequestError):
    """The key names another action of this run: another tool, or other arguments."""


class KeyReused(CountersignError):
    """The same key came twice in one session of the run."""

    def __init__(self, what: str, key: str, example: str) -> None:
        super().__init__(
            f"the {what} `{key}` was already used in this session of the run",
            code="key_reused",
            hint=f"a key names one {what}; in a loop, put into it what the round is about: {example}",
        )
        self.key = key


class ValueNotJson(CountersignError):
    """An input or a result is not JSON, so it could not be recorded."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, code="value_not_json", hint=hint)


class ResultTooLarge(CountersignError):
    """A result is too large for the journal, and the client has no place to keep it."""

    def __init__(self, key: str, size: int, limit: int) -> None:
        super().__init__(
            f"the result of the step `{key}` has {size} bytes; up to {limit} are kept in the journal",
            code="result_too_large",
            hint="return less, or give the client a place for large results: Client(results=FileResults(folder))",
        )


class ResultLost(CountersignError):
    """A large result is not where it was kept, or is not what was kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="result_lost", hint="restore the place where results are kept; it is part of the run")


class Final(Exception):
    """Raise it in a step to say that another try would not mend it: the failure is recorded like a result."""

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class StepFailed(CountersignError):
    """The step failed for good, now or in an earlier session."""

    def __init__(self, key: str, error: Any) -> None:
        details = error if isinstance(error, dict) else {"message": str(error)}
        super().__init__(
            f"the step `{key}` failed for good: {details.get('message', '')}",
            code="step_failed",
            hint="the failure is on record; another attempt needs another key",
        )
        self.key = key
        self.error: dict[str, Any] = details


class ActionError(CountersignError):
    """The action did not happen, or is not known to have happened. `action` tells all."""

    def __init__(self, action: Action, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(f"{action.tool}: {action.message}", code=action.code or action.status, hint=hint, retryable=retryable)
        self.action = action


class Refused(ActionError):
    """The rules say no, whoever asks. It was not performed."""


class Rejected(ActionError):
    """A person said no. It was not performed."""


class Expired(ActionError):
    """Nobody answered in time. It was not performed."""


class Withdrawn(ActionError):
    """It was taken back before anybody approved it."""


class Failed(ActionError):
    """The tool did not do it. Nothing was changed."""


class OutcomeUnknown(ActionError):
    """Whether it happened is not known: the server, or a person, is finding out."""


class ActionPending(ActionError):
    """It is under way. Ask again for the outcome with the same key."""


class ApprovalPending(ActionPending):
    """It waits for a person. Nothing was done yet; make the same call again later."""


class StillWaiting(CountersignError):
    """Nothing that the run waits for has happened yet."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the wait `{key}` is not met yet",
            code="still_waiting",
            hint="make the same call again later: what comes meanwhile is kept",
            retryable=True,
        )
        self.key = key


class LeaseLost(CountersignError):
    """The run was taken from this worker, which was away for too long; another one has it, or will."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="lease_lost", hint="drop what was being done; the run goes on elsewhere")


_KINDS: dict[str, type[RequestError]] = {
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "run_finished": RunFinished,
    "run_paused": RunPaused,
    "deferred": Deferred,
    "fact_unavailable": Deferred,
    "conflict_held": Deferred,
    "step_mismatch": StepMismatch,
    "idempotency_mismatch": ActionMismatch,
}
# What may work later as it is, beside everything with status 503.
_LATER = {"request_timeout", "too_many_requests"}


def of_problem(status: int, problem: dict[str, Any]) -> CountersignError:
    """The exception for an answer of `application/problem+json`."""
    code = str(problem.get("code", "internal"))
    message = str(problem.get("detail") or problem.get("title") or "the request was not taken")
    if code == "lease_lost":
        return LeaseLost(message)
    kind = _KINDS.get(code) or (InvalidRequest if status in (400, 413, 415, 422) else RequestError)
    more = problem.get("problems") or []
    return kind(
        message,
        code=code,
        status=status,
        hint=str(problem.get("hint", "")),
        retryable=status in (429, 503) or code in _LATER,
        problems=[str(one.get("message", one)) if isinstance(one, dict) else str(one) for one in more],
    )
