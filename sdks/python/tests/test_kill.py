"""Killed anywhere, a run goes on: nothing that was acknowledged is done again, and no effect twice or never.

Kills the process of a run, or the server, by SIGKILL: after a step, and in the middle of an action. A few places by default,
all of them with RUN_SLOW_TESTS=1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from errand import ORDERS
from shop import Shop

SLOW = bool(os.environ.get("RUN_SLOW_TESTS"))
# In the order of the run: each place is met by a session that came to it through what was recorded before.
AFTER = [(who, f"did {number}") for number in range(12) for who in ("process", "server")]
WITHIN = [(who, f"begin {number}") for number in ORDERS for who in ("process", "server")]
ALL = sorted(AFTER + WITHIN, key=lambda place: (int(place[1].split()[1]), place[1]))
FEW = [("process", "did 1"), ("server", "begin 3"), ("process", "begin 7")]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.stop()


class Errand:
    """The process of the run, and what it said."""

    def __init__(self, shop: Shop, log: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        environment |= {"COUNTERSIGN_URL": shop.url, "COUNTERSIGN_KEY": shop.agent_key}
        command = [sys.executable, str(Path(__file__).with_name("errand.py")), "errand", str(log)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []

    def until(self, line: str) -> bool:
        """Reads on to this line; false where the process ended before."""
        assert self.process.stdout is not None
        for said in self.process.stdout:
            self.said.append(said.strip())
            if said.strip() == line:
                return True
        return False

    def end(self) -> str:
        """Waits for the end, and returns what it complained of."""
        said, complained = self.process.communicate(timeout=60)
        self.said += said.split("\n")
        return complained

    @property
    def acknowledged(self) -> set[int]:
        """The steps that it was told are on record."""
        return {int(line.removeprefix("did ")) for line in self.said if line.startswith("did ")}


def test_killed_at_one_place_after_the_other(shop: Shop, tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    done: set[int] = set()
    places = ALL if SLOW else FEW
    for number, (who, line) in enumerate([*places, ("nobody", "end")]):
        log = tmp_path / f"work-{number}.log"
        log.touch()
        errand = Errand(shop, log)
        found = errand.until(line)
        if found and line.startswith("begin"):
            # Into the middle of the action, at another depth each time.
            time.sleep(0.003 * (number % 7))
        if found and who == "process":
            errand.process.kill()
        elif found and who == "server":
            shop.kill()
        complained = errand.end()
        if found and who == "server":
            # An errand that was through before the kill took effect had nothing to complain of.
            assert "ServerUnavailable" in complained or "end" in errand.said
            shop.start()
        worked = {int(one) for one in log.read_text().split()}
        assert worked & acknowledged == set(), f"done again after it was acknowledged, after the kill before {line}"
        acknowledged |= errand.acknowledged
        done |= worked
        if "end" in errand.said:
            break
        assert found or "RunFinished" in complained, complained
    assert acknowledged == set(range(12))
    assert done == set(range(12)) - set(ORDERS)
    assert {order: len(shop.effects(order)) for order in ORDERS.values()} == dict.fromkeys(ORDERS.values(), 1)
