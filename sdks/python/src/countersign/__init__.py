"""Run AI agents under Countersign: memoised steps, governed actions, approvals that outlive the process.

client = countersign.Client()
with client.run("refund-4711") as run:
    order = run.context("order", load_order, "#W1000001")
    run.action("crm.cancel_pending_order", key="cancel", order_id=order["order_id"])
"""

from ._transport import Retry, Timekeeper
from .action import Action
from .client import AsyncClient, Client
from .errors import (
    ActionError,
    ActionMismatch,
    ActionPending,
    ApprovalPending,
    ConfigError,
    CountersignError,
    Deferred,
    Expired,
    Failed,
    Final,
    Forbidden,
    InvalidRequest,
    KeyReused,
    LeaseLost,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    Refused,
    Rejected,
    RequestError,
    ResultLost,
    ResultTooLarge,
    RunFinished,
    RunPaused,
    ServerUnavailable,
    StepFailed,
    StepMismatch,
    StillWaiting,
    Unauthenticated,
    ValueNotJson,
    Withdrawn,
)
from .govern import govern
from .results import FileResults, Results
from .run import AsyncRun, Decision, Run, StepSpec, current_run, step
from .waits import Condition, Met, after, at, ended, settled, signal
from .worker import Worker, agent, task

__version__ = "0.1.0"

__all__ = [
    "Action",
    "ActionError",
    "ActionMismatch",
    "ActionPending",
    "ApprovalPending",
    "AsyncClient",
    "AsyncRun",
    "Client",
    "Condition",
    "ConfigError",
    "CountersignError",
    "Decision",
    "Deferred",
    "Expired",
    "Failed",
    "FileResults",
    "Final",
    "Forbidden",
    "InvalidRequest",
    "KeyReused",
    "LeaseLost",
    "Met",
    "NotFound",
    "OutcomeUnknown",
    "ProtocolError",
    "Refused",
    "Rejected",
    "RequestError",
    "ResultLost",
    "ResultTooLarge",
    "Results",
    "Retry",
    "Run",
    "RunFinished",
    "RunPaused",
    "ServerUnavailable",
    "StepFailed",
    "StepMismatch",
    "StepSpec",
    "StillWaiting",
    "Timekeeper",
    "Unauthenticated",
    "ValueNotJson",
    "Withdrawn",
    "Worker",
    "after",
    "agent",
    "at",
    "current_run",
    "ended",
    "govern",
    "settled",
    "signal",
    "step",
    "task",
]
