"""A clock that travels: nothing passes by itself, and years pass in no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .._transport import Timekeeper


class Clock(Timekeeper):
    """The time of a `FakeServer` and of its clients."""

    def __init__(self, now: datetime | None = None) -> None:
        start = now or datetime(2030, 1, 1, 12, tzinfo=UTC)
        if start.tzinfo is None:
            raise ValueError("the moment has no time zone: use datetime(..., tzinfo=UTC)")
        self.millis = round(start.timestamp() * 1000)

    @property
    def moment(self) -> datetime:
        """Now."""
        return datetime.fromtimestamp(self.millis / 1000, UTC)

    def travel(self, seconds: float | timedelta) -> None:
        """Lets time pass. Timers and expiries that come due are noticed at the server's next request."""
        whole = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if whole < 0:
            raise ValueError("time does not go back")
        self.millis += round(whole * 1000)

    def now(self) -> float:
        return self.millis / 1000

    def sleep(self, seconds: float) -> None:
        self.travel(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.travel(seconds)
