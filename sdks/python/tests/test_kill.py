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
AFTER = [(who, f"did {number}") for number in range(12) for who in ("process", "server")]
WITHIN = [(who, f"begin {number}") for number in ORDERS for who in ("process", "server")]
FEW = [("process", "did 1"), ("server", "did 4"), ("process", "begin 7"), ("server", "begin 11")]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.stop()


class Errand:
    """The process of the run."""

    def __init__(self, shop: Shop, log: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        environment |= {"COUNTERSIGN_URL": shop.url, "COUNTERSIGN_KEY": shop.agent_key}
        command = [sys.executable, str(Path(__file__).with_name("errand.py")), "errand", str(log)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, line: str) -> bool:
        """Reads on to this line; false where the process ended before."""
        assert self.process.stdout is not None
        return any(said.strip() == line for said in self.process.stdout)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_killed_at_one_place_after_the_other(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "work.log"
    kills = 0
    for who, line in AFTER + WITHIN if SLOW else FEW:
        errand = Errand(shop, log)
        if not errand.until(line):
            # An earlier kill came late: the run had ended by then.
            assert errand.process.wait() in (0, 1)
            break
        # Into the middle of the action, at another depth each time.
        if line.startswith("begin"):
            time.sleep(0.003 * kills)
        if who == "server":
            shop.kill()
            errand.process.communicate(timeout=60)
            assert errand.process.returncode != 0, "it says at once that the server is away"
            shop.start()
        else:
            errand.kill()
        kills += 1
    last = Errand(shop, log)
    finished = last.until("end")
    _, said = last.process.communicate(timeout=60)
    assert finished, said
    done = [int(one) for one in log.read_text().split()]
    repeated = {number: done.count(number) for number in set(done) if done.count(number) > 1}
    assert sorted(set(done)) == [number for number in range(12) if number not in ORDERS]
    assert repeated == {}, "a step that was acknowledged was done again"
    assert {order: len(shop.effects(order)) for order in ORDERS.values()} == dict.fromkeys(ORDERS.values(), 1)
    assert kills == (len(AFTER + WITHIN) if SLOW else len(FEW))
