"""An action: one use of a tool, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import (
    ActionPending,
    ApprovalPending,
    Expired,
    Failed,
    OutcomeUnknown,
    Refused,
    Rejected,
    Withdrawn,
)

if TYPE_CHECKING:
    from . import _wire


@dataclass(frozen=True, slots=True)
class Action:
    """One use of a tool as it stands. It is also the handle: its `id` finds it again from anywhere."""

    id: str
    run: str
    tool: str
    status: str
    settled: bool
    message: str
    headline: str
    verdict: str | None
    code: str | None
    approval: str | None
    failure: str | None
    handed_over: bool
    text: str
    structured: Any
    content: tuple[Any, ...]
    is_error: bool
    wire: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def confirmed(self) -> bool:
        """It was done."""
        return self.status == "confirmed"

    @property
    def waiting(self) -> bool:
        """A person must answer first; nothing was done yet."""
        return self.status == "waiting"

    @property
    def failed(self) -> bool:
        """The tool did not do it."""
        return self.status == "failed"

    @property
    def unknown(self) -> bool:
        """Whether it happened is not known yet."""
        return self.status == "unknown"

    @property
    def refused(self) -> bool:
        """It was not allowed: by a rule, by a person, or because nobody answered in time."""
        return self.status in ("refused", "rejected", "expired", "withdrawn")

    @property
    def value(self) -> Any:
        """The structured result, where the tool gives one, else its text."""
        return self.text if self.structured is None else self.structured

    @property
    def words(self) -> str:
        """What to tell a model: the tool's own words where it was performed, the server's where it was not."""
        if self.status in ("confirmed", "failed") and self.wire.get("output") is not None:
            return self.text
        return self.message

    def check(self) -> Action:
        """Returns itself where it was done, and raises what says why it was not."""
        if self.status == "confirmed":
            return self
        if self.status == "unknown":
            raise OutcomeUnknown(self, hint="do not propose it again; ask for this action later, or ask its owner")
        if self.status == "waiting":
            raise ApprovalPending(self, hint="make the same call again later, with the same key", retryable=True)
        if not self.settled:
            raise ActionPending(self, hint="make the same call again later, with the same key", retryable=True)
        kinds = {"refused": Refused, "rejected": Rejected, "expired": Expired, "withdrawn": Withdrawn}
        raise kinds.get(self.status, Failed)(self)


def of_wire(wire: _wire.Action) -> Action:
    """An action from the server's answer."""
    output = wire.get("output")
    return Action(
        id=wire["id"],
        run=wire["run"],
        tool=wire["tool"],
        status=wire["status"],
        settled=wire["settled"],
        message=wire["message"],
        headline=wire["headline"],
        verdict=wire.get("verdict"),
        code=wire.get("code"),
        approval=wire.get("approval"),
        failure=wire.get("failure"),
        handed_over=wire["handed_over"],
        text=output["text"] if output else "",
        structured=output.get("structured") if output else None,
        content=tuple(output["content"]) if output else (),
        is_error=bool(output and output["is_error"]),
        wire=wire,
    )
