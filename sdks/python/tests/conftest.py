"""Servers for the tests: one of each kind for all of them, since each test brings its own runs and orders."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hosts import Fake, Host, Real
from shop import Shop

_names = itertools.count(1)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(Path(tmp_path_factory.mktemp("shop")))
    try:
        yield shop
    finally:
        shop.stop()


@pytest.fixture(scope="session")
def fake_host() -> Fake:
    return Fake()


@pytest.fixture(params=["fake", "real"])
def host(request: pytest.FixtureRequest) -> Host:
    if request.param == "real":
        return Real(request.getfixturevalue("shop"))
    found: Host = request.getfixturevalue("fake_host")
    return found


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Names for runs that no other test uses."""
    return lambda: f"{request.node.name}-{next(_names)}"
