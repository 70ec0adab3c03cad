"""The built server, on a port of its own, for the tests of the checkpointer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countersign import Retry
from countersign.langgraph import CountersignSaver
from shop import Shop

_names = itertools.count(1)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(Path(tmp_path_factory.mktemp("shop")))
    try:
        yield shop
    finally:
        shop.stop()


@pytest.fixture
def saver(shop: Shop) -> Iterator[CountersignSaver]:
    with CountersignSaver(shop.url, shop.agent_key, retry=Retry(outage_seconds=30)) as saver:
        yield saver


@pytest.fixture
def thread(request: pytest.FixtureRequest) -> str:
    """A thread that no other test uses."""
    return f"{request.node.name}-{next(_names)}"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line of the report, whether or not the test passes."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"  {line}")

    return say
