"""What a run may wait for: a signal, a moment, an action that is settled, a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .action import Action


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that may happen."""

    wire: dict[str, Any]


def signal(name: str) -> Condition:
    """Somebody tells the run something under this name. One that came early counts; each is read once."""
    return Condition({"signal": name})


def at(moment: datetime) -> Condition:
    """A moment. It must know its time zone: a wait may outlive the machine that it began on."""
    if moment.tzinfo is None:
        raise ValueError("the moment has no time zone: use datetime(..., tzinfo=UTC)")
    return Condition({"at": round(moment.timestamp() * 1000)})


def after(seconds: float | timedelta) -> Condition:
    """A time from when the wait is first asked for."""
    whole = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if whole < 0:
        raise ValueError("the time to wait is below zero")
    return Condition({"after_ms": round(whole * 1000)})


def settled(action: Action | str) -> Condition:
    """Nothing more will happen to this action."""
    return Condition({"action": action if isinstance(action, str) else action.id})


def ended(run: str) -> Condition:
    """The run with this id has ended."""
    return Condition({"run": run})


@dataclass(frozen=True, slots=True)
class Met:
    """How a wait ended: the numbers of the conditions that were met, in order, with what answered each: a mapping with `signal`
    and `value`, with `at`, with `action` and `status`, or with `run`, `status` and its `value` or `error`."""

    key: str
    by: tuple[int, ...]
    answers: tuple[Mapping[str, Any], ...]

    @property
    def first(self) -> int:
        """The number of the condition that was met first, from 0."""
        return self.by[0]

    @property
    def answer(self) -> Any:
        """What the first one brought: the signal's value, the result of the run; `None` for a moment and for an action."""
        return self.answers[0].get("value") if self.answers else None
