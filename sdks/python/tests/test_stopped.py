"""A worker that is stopped past its lease: another one does its run, and what the first one does after that goes nowhere.

The lease of a built server is thirty seconds, so this runs with RUN_SLOW_TESTS=1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign import Client
from shop import Shop

pytestmark = pytest.mark.skipif(not os.environ.get("RUN_SLOW_TESTS"), reason="takes a lease of thirty seconds: RUN_SLOW_TESTS=1")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.stop()


def laborer(shop: Shop, seconds: float) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
    environment |= {"COUNTERSIGN_URL": shop.url, "COUNTERSIGN_KEY": shop.agent_key}
    command = [sys.executable, str(Path(__file__).with_name("laborer.py")), str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_worker_stopped_past_its_lease_is_refused_on_its_first_write(shop: Shop) -> None:
    first = laborer(shop, 1.0)
    second = None
    try:
        with Client(shop.url, shop.agent_key) as client:
            run = client.dispatch("cancel-slowly", key="stopped")["id"]
            assert first.stdout is not None
            assert first.stdout.readline() == "begin\n"
            first.send_signal(signal.SIGSTOP)
            second = laborer(shop, 0.0)
            end = time.monotonic() + 90
            while client.get_run(run)["status"] == "open":
                assert time.monotonic() < end, "the other worker never got the run"
                time.sleep(0.5)
            shown = client.get_run(run)
            assert (shown["status"], shown["result"], shown["attempt"]) == ("done", "done", 2)
            before = shop.effects()
            first.send_signal(signal.SIGCONT)
            time.sleep(5)
            assert shop.effects() == before
            first.terminate()
            said, complained = first.communicate(timeout=30)
            assert "did" not in said, (said, complained)
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
